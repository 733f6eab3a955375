"""Single stages on frames, with the artifacts of a published run."""

from dataclasses import replace
from datetime import datetime, timezone

import polars as pl
import pytest

from homeshelf import (
    EVENT_ROWS,
    PLAYS,
    Run,
    assemble_pages,
    candidates_with_codes,
    clean_events,
    keep_first,
    keep_plays,
    open_run,
    order_histories,
)
from tests.runs import Published
from tests.worlds import MIN_PLAYED_AT


@pytest.fixture(scope="module")
def run(published: Published) -> Run:
    return open_run(published.folder)


def test_published_candidates_make_the_published_pages_and_others_under_another_policy(run: Run) -> None:
    scored = candidates_with_codes(run.candidates().collect(), run.catalog)

    def pages(diversity: float) -> pl.DataFrame:
        policy = replace(run.policy, diversity=diversity)
        return assemble_pages(
            scored, catalog=run.catalog, embeddings=run.embeddings, policy=policy, rules=run.rules
        ).cast({"user_id": pl.String})

    published = run.pages().sort("user_id", "surface").collect()
    assert pages(run.policy.diversity).equals(published) and not pages(1.0).equals(published)


def test_stages_take_plain_frames_that_conform_to_their_schema(run: Run) -> None:
    at = datetime(2025, 12, 1, tzinfo=timezone.utc)
    known = run.track_codes["track_id"]
    rows = pl.DataFrame(
        {"user_id": ["b", "a", "a"], "track_id": [known[1], known[0], "unknown"], "played_at": [at] * 3, "more": 1}
    )
    checked = clean_events(
        EVENT_ROWS.conform(rows),
        as_of=run.as_of,
        min_played_at=MIN_PLAYED_AT,
        track_codes=run.track_codes,
        max_user_events=None,
    )
    assert checked["reason"].cast(pl.String).to_list() == [None, None, "unknown_track"]
    again = PLAYS.conform(keep_plays(checked), keep_plays(checked).filter(pl.col("user_id") == "a"))
    plays = keep_first(order_histories(again, max_user_events=10))
    assert plays.select(pl.col("user_id").cast(pl.String), "track").rows() == [("a", 0), ("b", 1)]
    with pytest.raises(TypeError, match="column 'played_at' is .*, not timestamp"):
        EVENT_ROWS.conform(rows.with_columns(played_at=pl.lit("yesterday")))
