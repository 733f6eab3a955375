"""homeshelf check: hold every published page to what it claims, to the events and the catalog, and to the rules.

It shares no code with the assembler, so that a mistake there is not made here again.
"""

from collections.abc import Iterator, Sequence

import polars as pl
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.check.carry_over import find_misplaced, find_missing, read_earlier_shelves
from pipelines.check.facts import Truth, find_truth
from pipelines.check.rules import find_rule_violations, read_manifest_rules
from pipelines.check.shelves import SHELF_CLAIMS, card_reason_holds, cards_with_truth, shelf_claim_holds
from pipelines.inputs.published import PublishedRun, card_rows
from pipelines.options.options import parse_all_flags
from pipelines.options.published_options import CheckOptions
from transforms.tables.groups import rank_in_group

_MAX_EXAMPLES = 3
_PAGE = ["user_id", "surface"]
_SHELF = [*_PAGE, "shelf_position"]
# what was checked, of how many, and what is wrong: user_id, what
Finding = tuple[str, int, pl.DataFrame]


def run_check(argv: Sequence[str]) -> int:
    """Check all pages of a run; 1 if any is wrong (UsageError: there is no such run, or its input is gone)."""
    options = parse_all_flags(CheckOptions, argv)
    published = PublishedRun(options.run)
    found = list(check_pages(published, find_truth(published, options.events, options.users_table)))
    print_findings(Console(), found)
    return int(any(len(wrong) for _, _, wrong in found))


def check_pages(run: PublishedRun, truth: Truth) -> Iterator[Finding]:
    """Everything that must hold of pages, one finding each."""
    pages = run.table("pages").collect()
    cards = cards_with_truth(card_rows(pages), truth)
    size, most = (int(run.manifest["options"][name]) for name in ("shelf_size", "max_shelves"))
    rules = read_manifest_rules(run.manifest["rules"])
    yield from _of_pages(pages, run, most)
    yield from _of_choices(pages, cards, float(run.manifest["options"]["exploration"]))
    yield from _of_shelves(cards, size, is_ruled=bool(rules))
    yield from _of_candidates(cards, run)
    yield "what a shelf says is true of its tracks", *_where(cards, ~shelf_claim_holds(), "shelf_id")
    yield "what a card says is true, and what led to it was heard", *_where(cards, ~card_reason_holds(), "reason")
    is_away = ~pl.col("markets").list.contains(pl.col("market"))
    yield "tracks may be played in the user's market", *_where(cards, is_away, "track_id")
    if run.manifest["carry_over"]:
        earlier = read_earlier_shelves(run)
        yield "what stood on a weekly shelf stands first, as it did", *find_misplaced(cards, earlier)
        if not rules:
            yield "what stood on a weekly shelf is still there", *find_missing(cards, earlier, run, truth)
    for name, count, wrong in find_rule_violations(pages.select(*_PAGE, "relaxed"), cards, truth, rules):
        yield f"rule: {name}", count, wrong


def _where(rows: pl.DataFrame, is_wrong: pl.Expr, what: str) -> tuple[int, pl.DataFrame]:
    """How many rows there are, and those that are wrong; what is not known is not."""
    wrong = rows.filter(is_wrong.fill_null(False))
    return len(rows), wrong.select("user_id", what=pl.col(what).cast(pl.String))


def _of_pages(pages: pl.DataFrame, run: PublishedRun, most: int) -> Iterator[Finding]:
    users = run.table("candidates").select("user_id").unique().collect()
    without = users.join(pages, on="user_id", how="anti")
    yield "every user with a candidate has a page", len(users), without.select("user_id", what=pl.lit("no page"))
    yield "one page a user and surface", *_where(pages, pages.select(_PAGE).is_duplicated(), "surface")  # type: ignore[arg-type]
    count = pl.col("shelves").list.len()
    yield "1 to --max_shelves shelves", *_where(pages, (count < 1) | (count > most), "surface")
    counted = pages.select(what="relaxed").explode("what", empty_as_null=False)["what"].value_counts()
    told = pl.DataFrame(
        list(run.manifest["conflicts"].items()), schema={"what": pl.String, "told": pl.Int64}, orient="row"
    )
    both = counted.join(told, on="what", how="full", coalesce=True).fill_null(0)
    yield (
        "conflicts are those of the manifest",
        len(both),
        both.filter(pl.col("count") != pl.col("told")).select(user_id=pl.lit("-"), what="what"),
    )


def _of_choices(pages: pl.DataFrame, cards: pl.DataFrame, exploration: float) -> Iterator[Finding]:
    shelves = cards.unique(_SHELF, keep="first", maintain_order=True)
    yield "no track twice on a page", *_where(cards, pl.struct(*_PAGE, "track_id").is_duplicated(), "track_id")
    place = rank_in_group(*_PAGE)
    yield "shelves stand at 0, 1, 2, ...", *_where(shelves, pl.col("shelf_position") != place, "shelf_id")
    place = rank_in_group(*_SHELF)
    yield "tracks stand at 0, 1, 2, ...", *_where(cards, pl.col("position") != place, "shelf_id")
    for name in ("shelf_propensity", "propensity"):
        least, most = (0.0, 1.0) if exploration else (1 - 1e-12, 1.0)
        is_wrong = (pl.col(name) <= least) | (pl.col(name) > most) | pl.col(name).is_null()
        yield f"{name} is a probability of this policy", *_where(cards, is_wrong, "shelf_id")
    product = cards.group_by(_PAGE).agg(cards=pl.col("propensity").log().sum())
    of_shelves = shelves.group_by(_PAGE).agg(shelves=pl.col("shelf_propensity").log().sum())
    both = pages.select(*_PAGE, "propensity").join(product, on=_PAGE).join(of_shelves, on=_PAGE)
    is_off = (pl.col("propensity").log() - pl.col("cards") - pl.col("shelves")).abs() > 1e-6
    yield "a page's propensity is the product of its choices'", *_where(both, is_off, "surface")


def _of_shelves(cards: pl.DataFrame, size: int, *, is_ruled: bool) -> Iterator[Finding]:
    claims = pl.DataFrame(
        [
            {"shelf_id": name, "least": c.least, "most": c.most or size, "most_shelves": c.most_shelves}
            | {"by_artist": c.by_artist or 10**6, "by_album": c.by_album or 10**6, "is_personal": c.is_personal}
            for name, c in SHELF_CLAIMS.items()
        ]
    )
    shelves = cards.group_by(*_SHELF, maintain_order=True).agg(
        pl.col("shelf_id", "shelf_title", "shelf_score").first(),
        n=pl.len(),
        worth=(pl.col("score").cast(pl.Float64) / (pl.col("position") + 2).log(2)).sum(),
    )
    told = shelves.join(claims, on="shelf_id", how="left", maintain_order="left")
    yield "shelves are known", *_where(told, pl.col("least").is_null(), "shelf_id")
    is_only = (pl.len().over(_PAGE) == 1) & ~pl.col("is_personal")
    is_short = pl.col("n") < pl.min_horizontal("least", "most")
    yield (
        "shelves hold to their sizes",
        *_where(told, (is_short & ~is_only) | (pl.col("n") > pl.col("most")), "shelf_id"),
    )
    count = pl.len().over(*_PAGE, "shelf_id")
    yield "as many shelves of a kind as there may be", *_where(told, count > pl.col("most_shelves"), "shelf_id")
    twice = pl.struct(*_PAGE, "shelf_id", "shelf_title").is_duplicated() & (pl.col("most_shelves") == 1)
    yield "no shelf twice", *_where(told, twice, "shelf_title")
    is_off = (pl.col("worth") - pl.col("shelf_score")).abs() > 1e-4 * (1 + pl.col("worth"))
    yield "a shelf's score is that of its tracks, discounted", *_where(told, is_off, "shelf_id")
    if not is_ruled:
        is_late = pl.col("is_personal") & (~pl.col("is_personal")).cum_max().over(_PAGE)
        yield "what says nothing of the user stands last", *_where(told, is_late, "shelf_id")
    for maker, cap in (("artist_id", "by_artist"), ("album", "by_album")):
        counts = cards.drop_nulls(maker).group_by(*_SHELF, maker).agg(pl.col("shelf_id").first(), n=pl.len())
        held = counts.join(claims, on="shelf_id")
        yield f"tracks {cap} on a shelf", *_where(held, pl.col("n") > pl.col(cap), "shelf_id")


def _of_candidates(cards: pl.DataFrame, run: PublishedRun) -> Iterator[Finding]:
    columns = ("user_id", "track_id", "score", "source", "seed_track_id")
    candidates = run.table("candidates").select(columns).collect()
    unmatched = cards.join(candidates, on=list(columns), how="anti", nulls_equal=True)
    what = unmatched.select("user_id", what="track_id")
    yield "cards are candidates, with their score, source and cause", len(cards), what


def print_findings(console: Console, found: Sequence[Finding]) -> None:
    """Print what was checked, and of what is wrong some examples."""
    table = Table(title="homeshelf check", title_justify="left", box=None, header_style="dim")
    for title in ("what must hold", "checked", "violations", "such as"):
        table.add_column(title, justify="right" if title in ("checked", "violations") else "left")
    for name, count, wrong in found:
        examples = "; ".join(f"{user}: {what}" for user, what in wrong.head(_MAX_EXAMPLES).rows())
        style = "red" if len(wrong) else ""
        table.add_row(escape(name), f"{count:,}", f"{len(wrong):,}", escape(examples), style=style)
    console.print(table)
    total = sum(len(wrong) for _, _, wrong in found)
    console.print(f"{total:,} violations", style="bold red" if total else "bold", highlight=False)
