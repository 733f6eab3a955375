"""Impressions are kept or rejected with a reason, and values that cannot be are unknown, against plain loops."""

from collections import Counter
from datetime import datetime, timedelta, timezone
from typing import Any

import apache_beam as beam
from hypothesis import given
from hypothesis import strategies as st

from tests.stages import joined, run_graphs, tables_of
from tests.worlds import AS_OF, MIN_PLAYED_AT
from transforms.events.clean_impressions import (
    CleanImpressions,
    clean_impressions,
    count_cleared_impressions,
    keep_impressions,
    reject_impressions,
)
from transforms.events.impressions import CHECKED_IMPRESSIONS, IMPRESSION_REASONS, IMPRESSION_ROWS, REJECTED_IMPRESSIONS
from transforms.tables.buckets import Opened, open_frame
from transforms.tables.columns import to_frame, to_table
from transforms.tables.schemas import TRACK_CODES

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
CODES = TRACK_CODES.frame([{"track_id": "t0", "track": 0}, {"track_id": "t1", "track": 1}])
KNOWN = {"as_of": AS_OF, "min_played_at": MIN_PLAYED_AT, "track_codes": CODES}
GOOD = {"user_id": "u", "track_id": "t1", "shown_at": AS_OF - timedelta(hours=1), "surface": "home"}
GOOD |= {"shelf_position": 0, "position": 3, "propensity": 0.5}
CLEARABLE = {"shelf_position": (0, 100_000), "position": (0, 100_000), "propensity": (1e-9, 1)}
places = st.none() | st.sampled_from([-(2**31), -1, 0, 7, 100_000, 100_001, 2**31 - 2, 2**31 - 1])
rows = st.fixed_dictionaries(
    {
        "user_id": st.none() | st.sampled_from(["", "u", "ü"]),
        "track_id": st.none() | st.sampled_from(["", "t0", "t1", "gone"]),
        "shown_at": st.none() | st.sampled_from([AS_OF, AS_OF - timedelta(microseconds=1), MIN_PLAYED_AT, EPOCH]),
        "surface": st.none() | st.sampled_from(["home", "radio"]),
        "shelf_position": places,
        "position": places,
        "propensity": st.none() | st.floats() | st.sampled_from([0.0, -0.0, 1e-300, 5e-324, 1e-9, 1.0, 1.5]),
    }
)


def expected_reason(row: dict[str, Any]) -> str | None:
    at = row["shown_at"]
    rules = {
        "missing_user": not row["user_id"],
        "missing_track": not row["track_id"],
        "missing_time": at is None,
        "in_the_future": at is not None and at >= AS_OF,
        "before_min_played_at": at is not None and at < MIN_PLAYED_AT,
        "unknown_track": row["track_id"] not in ("t0", "t1"),
    }
    assert tuple(rules) == IMPRESSION_REASONS
    return next((reason for reason, holds in rules.items() if holds), None)


def cleared(row: dict[str, Any]) -> list[str]:
    """Columns whose values cannot be."""
    return [name for name, (low, high) in CLEARABLE.items() if row[name] is not None and not low <= row[name] <= high]


@given(shown=st.lists(rows, max_size=30))
def test_every_row_is_kept_or_rejected_and_every_change_is_counted(shown: list[dict[str, Any]]) -> None:
    checked = to_frame(to_table(clean_impressions(IMPRESSION_ROWS.frame(shown), **KNOWN), CHECKED_IMPRESSIONS))
    kept = to_table(keep_impressions(checked), IMPRESSION_ROWS).to_pylist()
    good = [row for row in shown if expected_reason(row) is None]
    usable = [{**row, **dict.fromkeys(cleared(row))} for row in good]
    assert kept == [{name: row[name] for name in IMPRESSION_ROWS.names} for row in usable]
    rejected = to_table(reject_impressions(checked), REJECTED_IMPRESSIONS).to_pylist()
    bad = [{**row, "reason": expected_reason(row)} for row in shown if expected_reason(row)]
    assert rejected == [{name: row[name] for name in REJECTED_IMPRESSIONS.names} for row in bad]
    # NaN is no value that was lost
    expected = Counter(f"impressions/cleared/{name}" for row in good for name in cleared(row) if row[name] == row[name])
    assert dict(count_cleared_impressions(checked).iter_rows()) == expected


def test_the_stage_has_three_outputs() -> None:
    def graph(root: beam.Pipeline) -> Any:
        shown = [GOOD, {**GOOD, "user_id": None}, {**GOOD, "position": -1}]
        impressions = tables_of(root, "Rows", IMPRESSION_ROWS, [IMPRESSION_ROWS.frame([row]) for row in shown])
        codes = tables_of(root, "Codes", TRACK_CODES, [CODES])
        return impressions | CleanImpressions(AS_OF, MIN_PLAYED_AT, Opened(codes, open_frame))

    kept, rejected, counts = run_graphs(graph)
    assert sorted(joined(kept)["position"].to_list(), key=str) == [3, None]
    assert joined(rejected)["reason"].to_list() == ["missing_user"]
    assert dict(joined(counts).rows()) == {"impressions/cleared/position": 1}
