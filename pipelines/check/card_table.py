"""Check that the table of cards says what the pages say."""

import polars as pl

from pipelines.check.finding import Finding
from pipelines.inputs.published import PublishedRun

# Columns of a page's card that have another name in the table.
_NAMES = {"position": "card_position", "score": "card_score", "propensity": "card_propensity", "reason": "card_reason"}
_PLACE = ["user_id", "surface", "shelf_position", "card_position"]


def check_card_table(cards: pl.DataFrame, run: PublishedRun) -> Finding:
    """Check that the table has a row for each card of the pages, each once, with the names that the catalog has.

    cards: those of the pages, with what is true of them.
    """
    listed = run.table("cards").collect()
    wanted = cards.rename(_NAMES).select(listed.columns)
    both = listed.columns
    wrong = pl.concat(
        [
            wanted.join(listed, on=both, how="anti", nulls_equal=True),
            listed.join(wanted, on=both, how="anti", nulls_equal=True),
            listed.filter(listed.select(_PLACE).is_duplicated()),
        ]
    )
    return Finding("the table of cards is what pages say", len(wanted), wrong.select("user_id", what="track_id"))
