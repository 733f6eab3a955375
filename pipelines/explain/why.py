"""homeshelf why: explain a page, or one track of it: who proposed it, its score, where it stands or why it does not."""

from collections.abc import Iterator, Sequence
from typing import Any

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
    """Explain a page, or a track of it.

    Raises:
        UsageError: the run has no such user, or did not score the track.
    """
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
    """Print every card with its source, score and reason, and the rules that were relaxed."""
    page = replay.page(replay.candidates)
    table = _table(f"{replay.surface} of {replay.user}", ("shelf (value)", "", "track", "score", "p", "source", "why"))
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
    """Print the sources of a track, its features, its path through the page, and the score that would show it.

    Raises:
        UsageError: the track was not scored.
    """
    rows = replay.candidates.filter(pl.col("track_id") == track_id)
    if rows.is_empty():
        raise UsageError(
            f"--track={track_id}: it was not among the candidates of {replay.user}: no source proposed it, or the cap"
            " on candidates left it out"
        )
    (row,) = _named(rows, replay).iter_rows(named=True)
    rank = int((replay.candidates["score"] > row["score"]).sum())
    console.print(f"[bold]{escape(row['name'])}[/] for {replay.user}", highlight=False)
    console.print(_proposed(row), highlight=False)
    console.print(f"score {row['score']:.4f}, rank {rank} of {len(replay.candidates):,}")
    console.print(_rewards(row))
    if path := replay.run.artifact("ranker"):
        console.print(_contributions(replay, track_id, path))
    console.print(_features(row))
    for rule in rules_about(replay, track_id):
        console.print(rule, style="yellow", highlight=False, markup=False)
    console.print(_positions(replay, track_id))
    if not replay.is_shown(track_id, row["score"]):
        console.print(_needed_score(replay, track_id, row["score"]), style="bold", highlight=False)


def _proposed(row: dict[str, Any]) -> str:
    """Return which sources proposed a candidate."""
    sources = [source.name for number, source in enumerate(SOURCES) if row["sources"] >> number & 1]
    proposed = f"proposed by {', '.join(sources)}; best ranked by {row['source']}"
    if not sources:
        proposed = f"proposed by no source today, by {row['source']} in an earlier run"
    if row["carried_over_position"] is not None:
        proposed += f"; carried over from an earlier run, at position {row['carried_over_position']}"
    return proposed


def _positions(replay: Replay, track_id: str) -> Table:
    """Return what happened to the track at each position."""
    table = _table(
        "what became of it, in the order in which positions were filled",
        ("position", "shelf (value)", "the track", "nearest"),
    )
    for step in replay.traced(track_id):
        winner = _title(replay, step.winner) if step.winner >= 0 else ""
        shelf = f"{replay.builder.shelves[step.shelf_index].id} ({_counted(step.value, step.num_before)})"
        happened = "; ".join(verdicts(step, replay.builder.shelves))
        table.add_row(str(step.position), shelf, escape(happened), escape(winner))
    return table


def _needed_score(replay: Replay, track_id: str, score: float) -> str:
    needed = replay.min_score_to_show(track_id, score)
    if needed is None:
        return "no score would show it: caps, rules or its shelves exclude it"
    return f"with a score of {needed:.6f} instead of {score:.6f} it would be shown"


def verdicts(step: TraceStep, shelves: Sequence[Shelf]) -> Iterator[str]:
    """Yield what happened to the track at a position: on the shelf that stands there, and on the others."""
    yield step.verdict
    for one in step.waiting:
        name = shelves[one.shelf_index].instance_name(one.code)
        if one.size < one.minimum:
            yield f"{name} could have shown {one.size} of {one.minimum} tracks"
        else:
            yield f"{name} had a value of {_counted(one.value, one.num_before)}"


def _counted(value: float, num_before: int) -> str:
    """Return the value of a shelf, and what part of it counts after others of its kind."""
    return f"{value:.3f}" + (f", of which 1/{num_before + 1} counts" if num_before else "")


def rules_about(replay: Replay, track_id: str) -> Iterator[str]:
    """Yield a sentence for each rule that excludes the track for the user, or that was relaxed."""
    relaxed = set(replay.page(replay.candidates)["relaxed"].explode(empty_as_null=False))
    rows = replay.candidates.filter(pl.col("track_id") == track_id)
    is_meant = audience_mask(replay.rules, rows, replay.surface, replay.policy.day)[0]
    for rule, is_for_user in zip(replay.rules, is_meant, strict=True):
        if rule.name in relaxed:
            yield f"rule {rule.name!r} of line {rule.line} could not hold for {replay.user}"
        elif is_for_user and excluded_mask(rule, rows, replay.run.catalog)[0]:
            yield f"rule {rule.name!r} of line {rule.line} excludes it"


def _title(replay: Replay, track: int) -> str:
    title, artist = replay.run.catalog.tracks.select("title", "artist_name").row(track)
    return f"{title} by {artist}" if artist else str(title)


def _named(rows: pl.DataFrame, replay: Replay) -> pl.DataFrame:
    """Add the name of each row's track."""
    by = pl.concat_str(pl.lit(" by "), "artist_name").fill_null("")
    names = replay.run.catalog.tracks.select("track_id", name=pl.concat_str("title", by))
    return rows.join(names, on="track_id", how="left", maintain_order="left")


def _rewards(row: dict[str, Any]) -> Table:
    """Return the predicted rewards, whose weighted sum is the score."""
    table = _table("predicted rewards", ("reward", "probability", "weight", "meaning"))
    for reward, name in zip(REWARDS, PROBABILITIES, strict=True):
        if row[name] is not None:
            table.add_row(reward.name, f"{row[name]:.4f}", f"{reward.weight:g}", reward.sentence)
    return table


def _contributions(replay: Replay, track_id: str, path: str) -> Table:
    """Return how much each group of features contributes to the score of the ranker at that path."""
    ranker, vocabulary = load_ranker(path), open_vocabulary(path)
    score, parts = feature_contributions(replay.candidates, track_id, ranker, vocabulary, replay.run.catalog)
    title = f"contribution of each group of features to its score by features alone, {score:.4f}"
    table = _table(title, ("group", "score with the group at the user's median", "difference"))
    for part in sorted(parts, key=lambda one: one.without):
        table.add_row(part.group, f"{part.without:.4f}", f"{score - part.without:+.4f}")
    return table


def _features(row: dict[str, Any]) -> Table:
    """Return the features that have a value."""
    table = _table("its features", ("feature", "value", "meaning"))
    for one in FEATURES:
        if row[one.name] != one.missing:
            table.add_row(one.name, f"{row[one.name]:.4g}", one.sentence)
    return table


def _table(title: str, heads: Sequence[str]) -> Table:
    table = Table(title=escape(title), title_justify="left", box=None, header_style="dim")
    for head in heads:
        table.add_column(head)
    return table
