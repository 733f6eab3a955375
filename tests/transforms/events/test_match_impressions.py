"""Impressions of examples, against plain loops."""

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from models.ranker.contract import IMPRESSION_INPUTS
from tests.worlds import AS_OF, DAY, plays_of
from transforms.events.impressions import IMPRESSION_ROWS
from transforms.events.match_impressions import (
    FIRST_IMPRESSIONS,
    IMPRESSION_NAMES,
    add_impressions,
    earliest_impressions,
    encode_impressions,
    first_impressions,
)
from transforms.tables.columns import to_frame, to_table

CODES = pl.DataFrame({"track_id": ["a", "b", "c"], "track": [0, 1, 2]}, schema_overrides={"track": pl.Int32})
WINDOW = {"track_codes": CODES, "starts_at": AS_OF, "ends_at": AS_OF + 7 * DAY, "seed": 1}


def random_impressions(seed: int, rows: int = 400) -> list[dict[str, object]]:
    rng = np.random.default_rng(seed)

    def some(values: list[object]) -> object:
        return values[rng.integers(len(values))]

    return [
        {
            "user_id": some(["u", "v", "w", "x"]),
            "track_id": some(["a", "b", "c"]),
            "shown_at": AS_OF + timedelta(hours=int(rng.integers(-48, 240))),
            "surface": some(["home", "discover", "radio", None]),
            "shelf_position": some([None, 0, 3]),
            "position": some([None, 0, 5, 40]),
            "propensity": some([None, 0.25, 1.0]),
        }
        for _ in range(rows)
    ]


def slow_first(rows: list[dict[str, object]]) -> dict[tuple[object, object], list[object]]:
    """By user and track: time and columns of the first impression."""
    late = float("inf")
    found: dict[tuple[object, object], list[object]] = {}
    for row in rows:
        at = row["shown_at"]
        assert isinstance(at, datetime)
        if not AS_OF <= at < AS_OF + 7 * DAY:
            continue
        surface = None if row["surface"] is None else {"home": 1, "discover": 2}.get(row["surface"], 3)
        said = [at, row["shelf_position"], row["position"], surface, row["propensity"]]
        key = (row["user_id"], "abc".index(row["track_id"]))

        def order(one: list[object]) -> list[object]:
            return [one[0], *(late if value is None else value for value in one[1:])]

        found[key] = min(found.get(key, said), said, key=order)
    return found


@pytest.mark.parametrize("parts", [1, 7])
def test_the_first_impression_in_the_window_counts(parts: int) -> None:
    rows = random_impressions(parts)
    tables = [first_impressions(IMPRESSION_ROWS.frame(rows[part::parts]), share=1.0, **WINDOW) for part in range(parts)]
    shown = earliest_impressions(to_frame(to_table(pl.concat(tables), FIRST_IMPRESSIONS)))
    expected = slow_first(rows)
    assert {tuple(row[:2]): list(row[2:]) for row in shown.iter_rows()} == expected and len(expected) == 12


def test_only_impressions_of_sampled_users_are_kept() -> None:
    rows = [{"user_id": f"u{n}", "track_id": "a", "shown_at": AS_OF} for n in range(300)]
    shown = first_impressions(IMPRESSION_ROWS.frame(rows), share=0.3, **WINDOW)
    assert 50 < len(shown) < 130


@pytest.fixture
def matched() -> pl.DataFrame:
    """User u saw tracks 0, 1 and 2, and had played 1 before and 2 after; v saw nothing; w is unknown."""
    plays = plays_of(
        [
            {"user_id": "u", "track": 1, "days": -1.0},
            {"user_id": "u", "track": 2, "days": -3.0},
            {"user_id": "u", "track": 0, "days": 5.0},
            {"user_id": "v", "track": 2, "days": -1.0},
        ]
    )
    rows = [
        {"user_id": user, "track_id": track, "shown_at": AS_OF + 2 * DAY, "surface": "home", "shelf_position": 0}
        | {"position": place, "propensity": 0.25}
        for user, track, place in (("u", "a", 4), ("u", "b", 1), ("u", "c", None), ("w", "a", 1))
    ]
    shown = first_impressions(IMPRESSION_ROWS.frame(rows), share=1.0, **WINDOW)
    ids = plays.schema["user_id"]
    examples = pl.DataFrame(
        {"user_id": ["u", "u", "u", "v"], "track": [0, 1, 2, 0]}, schema={"user_id": ids, "track": pl.Int32}
    )
    return add_impressions(examples, shown, plays, AS_OF)


def test_a_track_played_before_its_impression_counts_as_not_shown(matched: pl.DataFrame) -> None:
    assert matched.select(IMPRESSION_NAMES).rows() == [
        (0, 4, 1, 0.25),
        (-1, -1, -1, None),
        (0, None, 1, 0.25),
        (-1, -1, -1, None),
    ]


def test_encoded_positions_reserve_0_for_unknown(matched: pl.DataFrame) -> None:
    arrays = encode_impressions(matched)
    assert arrays["position"].tolist() == [6, 1, 0, 1] and arrays["position"].dtype == np.int32
    assert arrays["shelf_position"].tolist() == [2, 1, 2, 1]
    assert arrays["surface"].tolist() == [1, 0, 1, 0]
    np.testing.assert_array_equal(arrays["propensity"], np.array([0.25, np.nan, 0.25, np.nan], np.float32))
    far = matched.with_columns(position=pl.lit(10_000, pl.Int32))
    assert set(encode_impressions(far)["position"].tolist()) == {IMPRESSION_INPUTS["position"] - 1}


def test_without_impressions_all_columns_are_null(matched: pl.DataFrame) -> None:
    plain = add_impressions(matched.select("user_id", "track"), None, pl.DataFrame(), AS_OF)
    assert plain.select(IMPRESSION_NAMES).null_count().row(0) == (4,) * 4
    arrays = encode_impressions(plain)
    assert not any(arrays[name].any() for name in IMPRESSION_INPUTS) and np.isnan(arrays["propensity"]).all()
