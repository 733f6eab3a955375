"""homeshelf why: what was proposed for a user, what it was worth, where it stands or what it lost to."""

from collections.abc import Iterator, Sequence

import polars as pl
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.explain.contributions import feature_contributions
from pipelines.explain.replay import Replay
from pipelines.inputs.page_rules import check_surfaces
from pipelines.inputs.published import PublishedRun, card_rows
from pipelines.options.options import UsageError, parse_all_flags
from pipelines.options.published_options import WhyOptions
from transforms.candidates.sources import SOURCES
from transforms.features.features import FEATURES
from transforms.features.rewards import PROBABILITIES, REWARDS
from transforms.pages.rules.constraints import audience_mask, excluded_mask
from transforms.pages.shelves.shelf import Shelf
from transforms.pages.traces import TraceStep
from transforms.ranking.ranker_files import open_vocabulary
from transforms.ranking.rankers import load_ranker


def run_why(argv: Sequence[str]) -> int:
    """Explain a page, or a track of it (UsageError: the run has no such user, or did not score the track)."""
    options = parse_all_flags(WhyOptions, argv)
    (surface,) = check_surfaces((options.surface,))
    replay = Replay(PublishedRun(options.run), options.user, surface)
    console = Console()
    if options.track:
        explain_track(console, replay, options.track)
    else:
        explain_page(console, replay)
    return 0


def explain_page(console: Console, replay: Replay) -> None:
    """Every card with its source, score and reason, and the rules that were relaxed."""
    page = replay.page(replay.candidates)
    table = _table(f"{replay.surface} of {replay.user}", ("shelf", "", "track", "score", "p", "source", "why"))
    for card in _named(card_rows(page), replay).iter_rows(named=True):
        first = card["position"] == 0
        shelf = f"{card['shelf_position']} {card['shelf_title']} ({card['shelf_score']:.3f})" if first else ""
        numbers = (f"{card['score']:.4f}", f"{card['propensity']:.3g}")
        table.add_row(
            escape(shelf), str(card["position"]), escape(card["name"]), *numbers, card["source"], card["reason"]
        )
    console.print(table)
    for name in page["relaxed"].explode(empty_as_null=False):
        console.print(f"relaxed: rule {name!r}", style="yellow", highlight=False)


def explain_track(console: Console, replay: Replay, track_id: str) -> None:
    """Where a track came from, what became of it, and what it would take (UsageError: it was not scored)."""
    rows = replay.candidates.filter(pl.col("track_id") == track_id)
    if rows.is_empty():
        raise UsageError(
            f"--track={track_id}: it was not among the candidates of {replay.user}: no source proposed it, or the cap"
            " on candidates left it out"
        )
    (row,) = _named(rows, replay).iter_rows(named=True)
    sources = [source.name for number, source in enumerate(SOURCES) if row["sources"] >> number & 1]
    console.print(f"[bold]{escape(row['name'])}[/] for {replay.user}", highlight=False)
    proposed = f"proposed by {', '.join(sources)}; best ranked by {row['source']}"
    if not sources:
        proposed = f"proposed by no source today, by {row['source']} earlier this week"
    if row["carried_over_position"] is not None:
        proposed += f"; at position {row['carried_over_position']} of the weekly shelf since an earlier run of the week"
    console.print(proposed, highlight=False)
    console.print(f"score {row['score']:.4f}, place {_place(replay, row['score']) + 1:,} of {len(replay.candidates):,}")
    console.print(_chances(row))
    if path := replay.run.artifact("ranker"):
        console.print(_parts(replay, track_id, path))
    console.print(_facts(row))
    for rule in rules_about(replay, track_id):
        console.print(rule, style="yellow", highlight=False, markup=False)
    steps, shelves = replay.traced(track_id), replay.builder.shelves
    table = _table(
        "what became of it, in the order in which positions were filled", ("position", "shelf", "the track", "nearest")
    )
    for step in steps:
        winner = _title(replay, step.winner) if step.winner >= 0 else ""
        shelf = f"{shelves[step.shelf_index].id} ({step.log_utility:.3f})"
        table.add_row(str(step.position), shelf, escape("; ".join(verdicts(step, shelves))), escape(winner))
    console.print(table)
    if not replay.is_shown(track_id, row["score"]):
        least = replay.min_score_to_show(track_id, row["score"])
        console.print(
            f"with a score of {least:.6f} instead of {row['score']:.6f} it would be shown"
            if least is not None
            else "with no score would it be shown: caps, rules or its shelves keep it out",
            style="bold",
            highlight=False,
        )


def verdicts(step: TraceStep, shelves: Sequence[Shelf]) -> Iterator[str]:
    """What became of the track at a position: on the shelf that stands there, and on those that do not."""
    yield step.verdict
    for one in step.waiting:
        name = shelves[one.shelf_index].instance_name(one.code)
        if one.size < one.minimum:
            yield f"{name} could have shown {one.size} of {one.minimum} tracks"
        else:
            yield f"{name} was worth {one.log_utility:.3f}"


def rules_about(replay: Replay, track_id: str) -> Iterator[str]:
    """Rules for the user that exclude the track, or that were relaxed."""
    relaxed = set(replay.page(replay.candidates)["relaxed"].explode(empty_as_null=False))
    rows = replay.candidates.filter(pl.col("track_id") == track_id)
    is_meant = audience_mask(replay.rules, rows, replay.surface, replay.policy.day)[0]
    for rule, is_for_user in zip(replay.rules, is_meant, strict=True):
        if rule.name in relaxed:
            yield f"rule {rule.name!r} of line {rule.line} could not hold for {replay.user}"
        elif is_for_user and excluded_mask(rule, rows, replay.run.catalog)[0]:
            yield f"rule {rule.name!r} of line {rule.line} excludes it"


def _place(replay: Replay, score: float) -> int:
    return int((replay.candidates["score"] > score).sum())


def _title(replay: Replay, track: int) -> str:
    title, artist = replay.run.catalog.tracks.select("title", "artist_name").row(track)
    return f"{title} by {artist}" if artist else str(title)


def _named(rows: pl.DataFrame, replay: Replay) -> pl.DataFrame:
    """Rows with the name of their track."""
    by = pl.concat_str(pl.lit(" by "), "artist_name").fill_null("")
    names = replay.run.catalog.tracks.select("track_id", name=pl.concat_str("title", by))
    return rows.join(names, on="track_id", how="left", maintain_order="left")


def _chances(row: dict[str, float]) -> Table:
    """What the score is the sum of."""
    table = _table("what it may come to", ("reward", "chance", "weight", "what"))
    for reward, name in zip(REWARDS, PROBABILITIES, strict=True):
        if row[name] is not None:
            table.add_row(reward.name, f"{row[name]:.4f}", f"{reward.weight:g}", reward.sentence)
    return table


def _parts(replay: Replay, track_id: str, path: str) -> Table:
    """What each group of features gives to the score, by the ranker at that path."""
    ranker, vocabulary = load_ranker(path), open_vocabulary(path)
    score, parts = feature_contributions(replay.candidates, track_id, ranker, vocabulary, replay.run.catalog)
    title = f"what of its score of {score:.4f} by features alone comes from what is known of"
    table = _table(title, ("", "as for the user's median candidate it would be", "difference"))
    for part in sorted(parts, key=lambda one: one.without):
        table.add_row(part.group, f"{part.without:.4f}", f"{score - part.without:+.4f}")
    return table


def _facts(row: dict[str, float]) -> Table:
    """What the ranker and the shelves saw."""
    table = _table("what was seen of it", ("feature", "value", "what"))
    for one in FEATURES:
        if row[one.name] != one.missing:
            table.add_row(one.name, f"{row[one.name]:.4g}", one.sentence)
    return table


def _table(title: str, heads: Sequence[str]) -> Table:
    table = Table(title=escape(title), title_justify="left", box=None, header_style="dim")
    for head in heads:
        table.add_column(head)
    return table
