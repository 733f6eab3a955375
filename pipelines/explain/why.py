"""homeshelf why: print the explanation of a page, or of one track of it."""

import json
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import fields, is_dataclass
from math import isclose

from rich.table import Table
from rich.text import Text

from pipelines.explain.explained import CardExplanation, PageExplanation, ScoreParts
from pipelines.explain.explanation import counted_value, explain_card, explain_page
from pipelines.explain.queues import print_queues
from pipelines.inputs.published import review_run
from pipelines.options.published_options import WhyOptions
from pipelines.rendering.console import PlainConsole
from pipelines.rendering.plain_text import one_line
from transforms.tables.surfaces import NOW_PLAYING


def run_why(options: WhyOptions) -> int:
    """Explain a page, or a track of it; or the queues of a user.

    Raises:
        UsageError: the run has no such user, or did not score the track.
    """
    if options.surface == NOW_PLAYING:
        return print_queues(options, review_run(options.run, needs_pages=False), PlainConsole())
    run, console = review_run(options.run), PlainConsole()
    if options.track:
        card = explain_card(run, options.user, options.track, options.surface)
        if options.json:
            print(json.dumps(_plain(card)))
        else:
            _print_card(console, card)
        return 0
    page = explain_page(run, options.user, options.surface)
    if options.json:
        page.cards.write_ndjson(sys.stdout)
        return 0
    # a page is longer than most terminals are high
    with console.pager(styles=True) if console.is_terminal and sys.stdin.isatty() else nullcontext():
        print_page(console, page, f"{options.surface} of {one_line(options.user)}")
    return 0


def print_page(console: PlainConsole, page: PageExplanation, title: str) -> None:
    """Print every card in two lines, with its source, score and reason, and the rules that were relaxed."""
    console.print(title, style="bold", highlight=False)
    for card in page.cards.iter_rows(named=True):
        if card["position"] == 0:
            shelf = f"{card['shelf_position']}  {card['shelf_title']} (value {card['shelf_score']:.3f})"
            _print_lines(console, f"\n{shelf}", "bold")
        figures = f"score {card['score']:.4f}, p {card['propensity']:.3g}, {card['source']}"
        lines = f"  {card['position']:2}  {card['name'] or card['track_id']}\n      {figures}: {card['reason']}"
        _print_lines(console, lines)
    for name in page.relaxed:
        console.print(f"relaxed: rule {name!r}", style="yellow", highlight=False)


def _print_lines(console: PlainConsole, text: str, style: str = "") -> None:
    """Print lines that are cut where a terminal ends, so that a card takes two of them; elsewhere they are whole."""
    is_cut = console.is_terminal
    console.print(
        text,
        style=style,
        highlight=False,
        no_wrap=is_cut,
        overflow="ellipsis" if is_cut else None,
        soft_wrap=not is_cut,
    )


def _plain(value: object) -> object:
    """Return a value for JSON: dataclasses and named tuples are objects."""
    if is_dataclass(value):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    if hasattr(value, "_asdict"):
        return {name: _plain(one) for name, one in value._asdict().items()}
    return [_plain(one) for one in value] if isinstance(value, tuple) else value


def _print_card(console: PlainConsole, card: CardExplanation) -> None:
    """Print the sources of a track, its features, its path through the page, and the score that would show it."""
    console.print(Text.assemble((card.name, "bold"), f" for {one_line(card.user_id)}"))
    console.print(_proposed(card), highlight=False)
    console.print(f"score {card.score:.4f}, rank {card.rank} of {card.num_candidates:,}")
    console.print(_rewards(card))
    _print_parts(console, card.parts)
    for rule in card.rules:
        console.print(rule, style="yellow", highlight=False)
    console.print(_positions(card))
    if not card.is_shown:
        console.print(_needed_score(card), style="bold", highlight=False)


def _print_parts(console: PlainConsole, parts: ScoreParts) -> None:
    """Print what the score is made of."""
    if parts.unknown:
        console.print(f"its features are not known: {one_line(parts.unknown)}", highlight=False)
        return
    if parts.score_by_features is not None:
        console.print(_contributions(parts, parts.score_by_features))
    console.print(_features(parts))


def _proposed(card: CardExplanation) -> str:
    """Return which sources proposed a candidate."""
    proposed = f"proposed by {', '.join(card.sources)}; best ranked by {card.source}"
    if not card.sources:
        proposed = f"proposed by no source today, by {card.source} in an earlier run"
    if card.carried_over_position is not None:
        proposed += f"; carried over from an earlier run, at position {card.carried_over_position}"
    return proposed


def _rewards(card: CardExplanation) -> Table:
    """Return the predicted rewards, whose weighted sum is the score."""
    table = _table("predicted rewards", ("reward", "probability", "weight", "meaning"))
    for one in card.rewards:
        table.add_row(one.reward, f"{one.probability:.3g}", f"{one.weight:g}", one.meaning)
    return table


def _contributions(parts: ScoreParts, score: float) -> Table:
    """Return how much each group of features contributes to the score by features alone."""
    title = f"contribution of each group of features to its score by features alone, {score:.4f}"
    table = _table(title, ("group", "score with the group at the user's median", "difference"))
    for part in sorted(parts.contributions, key=lambda one: one.without):
        table.add_row(part.group, f"{part.without:.4f}", f"{score - part.without:+.4f}")
    return table


def _features(parts: ScoreParts) -> Table:
    """Return the features that have a value."""
    table = _table("its features", ("feature", "value", "meaning"))
    for one in parts.features:
        table.add_row(one.feature, f"{one.value:.4g}", one.meaning)
    return table


def _positions(card: CardExplanation) -> Table:
    """Return what happened to the track at each position."""
    table = _table(
        "what became of it, in the order in which positions were filled",
        ("position", "shelf (value)", "the track", "nearest"),
    )
    for one in card.positions:
        shown = "" if isclose(one.value, one.score, rel_tol=1e-3) else f"; {one.score:.3f} as shown"
        shelf = f"{one.shelf_id} ({counted_value(one.value, one.num_before, one.divisor)}{shown})"
        table.add_row(str(one.position), shelf, "; ".join(one.happened), one.nearest)
    return table


def _needed_score(card: CardExplanation) -> str:
    if card.min_score_to_show is None:
        return "no score would show it: caps, rules or its shelves exclude it"
    return f"with a score of {card.min_score_to_show:.6f} instead of {card.score:.6f} it would be shown"


def _table(title: str, heads: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", box=None, header_style="dim")
    for head in heads:
        table.add_column(head)
    return table
