"""Check that pages are complete, in order, and chosen with the probabilities that they state."""

from collections.abc import Iterator

import polars as pl

from pipelines.check.facts import Truth
from pipelines.check.finding import Finding, find_wrong
from pipelines.inputs.published import PublishedRun
from transforms.tables.groups import rank_in_group

_PAGE = ["user_id", "surface"]
_SHELF = [*_PAGE, "shelf_position"]


def check_page_table(pages: pl.DataFrame, run: PublishedRun, max_shelves: int) -> Iterator[Finding]:
    """Check that every user has one page on each surface, with a proper number of shelves."""
    users = run.table("candidates").select("user_id").unique().collect()
    without = users.join(pages, on="user_id", how="anti")
    yield Finding(
        "every user with a candidate has a page", len(users), without.select("user_id", what=pl.lit("no page"))
    )
    yield find_wrong("one page a user and surface", pages, pages.select(_PAGE).is_duplicated(), "surface")
    count = pl.col("shelves").list.len()
    yield find_wrong("1 to --max_shelves shelves", pages, (count < 1) | (count > max_shelves), "surface")


def check_known_users(pages: pl.DataFrame, run: PublishedRun, truth: Truth) -> Finding:
    """Check that every user of the events and of the user table has a page on each surface, and nobody else has one.

    After an erasure nobody can say who is missing.
    """
    surfaces = pl.DataFrame({"surface": list(run.policy.surfaces)}, {"surface": pl.String})
    expected = truth.known.join(surfaces, how="cross")
    there = pages.select(pl.col("user_id").cast(pl.String), "surface")
    missing = expected.join(there, on=_PAGE, how="anti")
    if run.manifest.erasures:
        missing = missing.clear()
    unknown = there.join(expected, on=_PAGE, how="anti")
    wrong = pl.concat(
        [
            missing.select("user_id", what=pl.format("no page on {}", "surface")),
            unknown.select("user_id", what=pl.format("unknown, but has a page on {}", "surface")),
        ]
    )
    return Finding("every known user has a page on each surface, and nobody else", len(expected), wrong)


def check_complete(pages: pl.DataFrame, cards: pl.DataFrame) -> Finding:
    """Check that pages, shelves and cards have all values but those that may be null."""
    of_pages = pages.filter(pl.any_horizontal(pl.col(*_PAGE, "propensity", "relaxed", "shelves").is_null()))
    values = [name for name in cards.columns if name.startswith("shelf_")]
    of_cards = cards.filter(
        pl.any_horizontal(pl.col(*values, "track_id", "position", "score", "propensity", "source", "reason").is_null())
        | pl.any_horizontal(pl.col("shelf_score", "shelf_propensity", "score", "propensity").is_nan())
    )
    wrong = pl.concat(
        [of_pages.select("user_id", what="surface"), of_cards.select("user_id", what="shelf_id")],
        how="vertical_relaxed",
    )
    return Finding("no value is missing", len(pages) + len(cards), wrong)


def check_conflicts(pages: pl.DataFrame, run: PublishedRun) -> Finding:
    """Check that the manifest counts the relaxed rules as the pages name them."""
    on_pages = pages.select(what="relaxed").explode("what", empty_as_null=False)["what"].value_counts()
    in_manifest = pl.DataFrame(
        list(run.manifest.conflicts.items()), schema={"what": pl.String, "stated": pl.Int64}, orient="row"
    )
    both = on_pages.join(in_manifest, on="what", how="full", coalesce=True).fill_null(0)
    wrong = both.filter(pl.col("count") != pl.col("stated"))
    return Finding("conflicts are those of the manifest", len(both), wrong.select(user_id=pl.lit("-"), what="what"))


def check_positions(cards: pl.DataFrame) -> Iterator[Finding]:
    """Check that no track, nor a copy of it, stands twice on a page, and that positions count from 0."""
    shelves = cards.unique(_SHELF, keep="first", maintain_order=True)
    yield find_wrong("no track twice on a page", cards, pl.struct(*_PAGE, "recording").is_duplicated(), "track_id")
    number = rank_in_group(*_PAGE)
    yield find_wrong("shelves stand at 0, 1, 2, ...", shelves, pl.col("shelf_position") != number, "shelf_id")
    number = rank_in_group(*_SHELF)
    yield find_wrong("tracks stand at 0, 1, 2, ...", cards, pl.col("position") != number, "shelf_id")


def check_propensities(pages: pl.DataFrame, cards: pl.DataFrame, *, is_explored: bool) -> Iterator[Finding]:
    """Check that choices have probabilities, 1 without exploration, and that a page has their product."""
    low, high = (0.0, 1.0) if is_explored else (1 - 1e-12, 1.0)
    for name in ("shelf_propensity", "propensity"):
        is_wrong = (pl.col(name) <= low) | (pl.col(name) > high) | pl.col(name).is_null()
        yield find_wrong(f"{name} is a probability of this policy", cards, is_wrong, "shelf_id")
    shelves = cards.unique(_SHELF, keep="first", maintain_order=True)
    of_cards = cards.group_by(_PAGE).agg(cards=pl.col("propensity").log().sum())
    of_shelves = shelves.group_by(_PAGE).agg(shelves=pl.col("shelf_propensity").log().sum())
    both = pages.select(*_PAGE, "propensity").join(of_cards, on=_PAGE).join(of_shelves, on=_PAGE)
    is_off = (pl.col("propensity").log() - pl.col("cards") - pl.col("shelves")).abs() > 1e-6
    yield find_wrong("a page's propensity is the product of its choices'", both, is_off, "surface")
