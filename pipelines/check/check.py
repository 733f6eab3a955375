"""homeshelf check: compare every published page with its claims, with the events and the catalog, and with the rules.

It shares no code with the assembler, so that a mistake there is not repeated here. Only kinds of rules judge pages
themselves (transforms/pages/rules/), by the published cards alone.
"""

import json
from collections.abc import Iterator, Sequence

from rich.table import Table

from pipelines.check.card_table import check_card_table
from pipelines.check.cards import (
    cards_with_truth,
    check_candidates,
    check_dayparts,
    check_markets,
    check_released,
    check_scores,
)
from pipelines.check.carry_over import find_misplaced, find_missing, read_earlier_shelves
from pipelines.check.facts import Truth, find_truth
from pipelines.check.files import check_counts, check_files
from pipelines.check.finding import Finding
from pipelines.check.first_screen import check_first_screen
from pipelines.check.pages import (
    check_complete,
    check_conflicts,
    check_known_users,
    check_page_table,
    check_positions,
    check_propensities,
)
from pipelines.check.queues import check_queues
from pipelines.check.reasons import check_card_reasons
from pipelines.check.rules import find_rule_violations
from pipelines.check.shelves import (
    check_shelf_claims,
    check_shelf_formats,
    check_shelf_limits,
    check_shelf_order,
    check_shelf_reasons,
    check_shelf_scores,
)
from pipelines.inputs.published import PublishedRun, card_rows, review_run
from pipelines.options.published_options import CheckOptions
from pipelines.rendering.console import PlainConsole
from pipelines.rendering.steps import shown_steps

_MAX_EXAMPLES = 3


def run_check(options: CheckOptions) -> int:
    """Check all pages of a run; return 1 if any is wrong.

    Raises:
        UsageError: the run does not exist, or its input is gone.
    """
    published = review_run(options.run, needs_pages=False)
    with shown_steps() as step:
        step("files")
        found = list(check_files(published))
        if not any(len(finding.violations) for finding in found):
            # pages that are not those of the run need no other proof
            has_queues = "queues" in published.manifest.tables
            if not has_queues or "pages" in published.manifest.tables:
                published.check_pages(options.run)
            step("events and catalog")
            truth = find_truth(published, options.events, options.users_table)
            if "pages" in published.manifest.tables:
                step("pages and cards")
                found += check_pages(published, truth)
            if has_queues:
                step("queues")
                found += check_queues(published, truth)
    if options.json:
        print("\n".join(map(_as_json, found)))
    else:
        print_check(PlainConsole(), found)
    return int(any(len(finding.violations) for finding in found))


def check_pages(run: PublishedRun, truth: Truth) -> Iterator[Finding]:
    """Yield one finding for everything that must hold of pages."""
    pages = run.table("pages").collect()
    cards = cards_with_truth(card_rows(pages), truth)
    options, rules = run.options, run.rules
    yield from check_counts(run, pages, cards)
    yield from check_page_table(pages, run, options.max_shelves)
    yield check_known_users(pages, run, truth)
    yield check_complete(pages, cards)
    yield check_conflicts(pages, run)
    if "cards" in run.manifest.schemas:
        # runs before version 0.2 have no such table
        yield check_card_table(cards, run)
    yield from check_positions(cards)
    yield from check_propensities(pages, cards, is_explored=bool(options.exploration))
    yield check_first_screen(pages, cards, options.first_screen_artist_tracks)
    yield from check_shelf_limits(cards, options.shelf_size)
    yield check_shelf_scores(cards, options.shelf_size)
    if not rules:
        yield check_shelf_order(cards)
    yield check_candidates(cards, run)
    yield check_scores(run)
    yield check_shelf_claims(cards)
    yield check_shelf_reasons(cards)
    yield check_shelf_formats(cards)
    yield check_dayparts(cards, run)
    yield check_card_reasons(cards)
    yield check_markets(cards)
    yield check_released(cards, truth.as_of)
    if run.manifest.carry_over:
        earlier = read_earlier_shelves(run)
        yield find_misplaced(cards, earlier)
        if not rules:
            yield find_missing(cards, earlier, run, truth)
    yield from find_rule_violations(pages.select("user_id", "surface", "relaxed"), cards, truth, rules)


def _as_json(finding: Finding) -> str:
    examples = [{"user_id": user, "what": what} for user, what in finding.violations.head(_MAX_EXAMPLES).rows()]
    facts = {"claim": finding.claim, "checked": finding.num_checked, "violations": len(finding.violations)}
    return json.dumps({**facts, "examples": examples})


def print_check(console: PlainConsole, found: Sequence[Finding]) -> None:
    """Print every claim, and some examples of what violates it."""
    table = Table(title="homeshelf check", title_justify="left", box=None, header_style="dim")
    for title in ("what must hold", "checked", "violations", "such as"):
        table.add_column(title, justify="right" if title in ("checked", "violations") else "left")
    for claim, num_checked, wrong in found:
        examples = "; ".join(f"{user}: {what}" for user, what in wrong.head(_MAX_EXAMPLES).rows())
        style = "red" if len(wrong) else ""
        table.add_row(claim, f"{num_checked:,}", f"{len(wrong):,}", examples, style=style)
    console.print(table)
    total = sum(len(finding.violations) for finding in found)
    console.print(f"{total:,} violations", style="bold red" if total else "bold", highlight=False)
