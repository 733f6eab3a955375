"""Labels against a slow loop that follows the sentences of the rewards."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.worlds import AS_OF, DAY, by_bucket, catalog_of, plays_of, random_plays, tracks_of
from transforms.features.label_outcomes import label_outcomes
from transforms.features.rewards import LABELS, REWARDS, disabled_rewards

CUTOFF = AS_OF - 50 * DAY
ENDS_AT = CUTOFF + 7 * DAY
SETTLED = {"as_of": CUTOFF, "ends_at": ENDS_AT, "known_until": AS_OF}
Play = dict[str, Any]


def is_listened(play: Play) -> bool:
    return play["action"] == 0 and (play["ms_played"] is None or play["ms_played"] >= 30_000)


def is_in_window(play: Play) -> bool:
    return CUTOFF <= play["played_at"] < ENDS_AT


def is_completed(play: Play) -> bool:
    return play["action"] == 0 and play["ms_played"] is not None and play["ms_played"] >= 180_000


def starts_with_a_skip(window: list[Play]) -> bool:
    played = [play for play in window if play["action"] == 0]
    return bool(played) and not is_listened(played[0])


def is_retained(mine: list[Play], listened: list[Play]) -> bool:
    if not listened or any(play["action"] == 0 and play["known_at"] < CUTOFF for play in mine):
        return False
    first = listened[0]["played_at"]
    later = [play for play in mine if is_listened(play) and CUTOFF <= play["played_at"] <= first + 28 * DAY]
    return len({(play["played_at"] - CUTOFF) // DAY for play in later}) > 2


def goes_on(play: Play, of_user: list[Play]) -> bool:
    ends = play["played_at"] + timedelta(milliseconds=play["ms_played"] or 0, minutes=30)
    after = [other for other in of_user if other["action"] == 0 and other["row"] > play["row"]]
    return bool(after) and bool(after[0]["played_at"] <= ends)


def slow_label(name: str, mine: list[Play], of_user: list[Play]) -> bool:
    """Evaluate the sentence of a reward on a user's plays of one track (`mine`) and of all tracks (`of_user`)."""
    window = [play for play in mine if is_in_window(play)]
    listened = [play for play in window if is_listened(play)]
    return {
        "listened": lambda: bool(listened),
        "completed": lambda: any(map(is_completed, window)),
        "skipped": lambda: starts_with_a_skip(window),
        "saved": lambda: any(play["action"] in (1, 2, 4) for play in window),
        "repeated": lambda: len(listened) >= 2,
        "retained_28d": lambda: is_retained(mine, listened),
        "session_continued": lambda: any(goes_on(play, of_user) for play in listened),
    }[name]()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[pl.DataFrame, Any, pl.DataFrame]:
    """Plays of few users and tracks, so that retention occurs; their catalog; and all pairs of them as candidates."""
    plays = random_plays(51, num_users=8, num_tracks=10, num_plays=2500)
    catalog = catalog_of(plays, tracks_of(12), tmp_path_factory.mktemp("catalog"), as_of=CUTOFF)
    users = plays.select("user_id").unique(maintain_order=True)
    pairs = users.join(pl.DataFrame({"track": np.arange(12, dtype=np.int32)}), how="cross")
    return plays, catalog, pairs


@pytest.mark.parametrize("reward", REWARDS, ids=lambda reward: reward.name)
def test_a_label_follows_the_sentence_of_its_reward(reward, world: tuple[pl.DataFrame, Any, pl.DataFrame]) -> None:  # type: ignore[no-untyped-def]
    plays, catalog, pairs = world
    # half of the tracks were never played before the cutoff
    known = plays.filter((pl.col("track") % 2 == 0) | (pl.col("played_at") >= CUTOFF))
    found = label_outcomes(pairs, known, catalog=catalog, **SETTLED)
    by_user: dict[str, list[Play]] = {}
    for number, row in enumerate(known.iter_rows(named=True)):
        by_user.setdefault(row["user_id"], []).append({**row, "row": number})
    slow = [
        slow_label(reward.name, [p for p in by_user[user] if p["track"] == track], by_user[user])
        for user, track in pairs.iter_rows()
    ]
    assert found[f"label_{reward.name}"].to_list() == [float(label) for label in slow]
    assert 0 < sum(slow) < len(slow)


def test_labels_do_not_depend_on_buckets(world: tuple[pl.DataFrame, Any, pl.DataFrame]) -> None:
    plays, catalog, pairs = world
    whole = label_outcomes(pairs, plays, catalog=catalog, **SETTLED).cast({"user_id": pl.String})
    for part in by_bucket(plays, 3):
        mine = pairs.cast({"user_id": pl.String}).filter(pl.col("user_id").is_in(part["user_id"].cast(pl.String)))
        labelled = label_outcomes(mine.cast({"user_id": part["user_id"].dtype}), part, catalog=catalog, **SETTLED)
        again = labelled.cast({"user_id": pl.String})
        assert again.equals(whole.join(again, on=["user_id", "track"], how="semi", maintain_order="left"))


def test_unsettled_labels_are_null_and_later_plays_do_not_matter(
    world: tuple[pl.DataFrame, Any, pl.DataFrame],
) -> None:
    plays, catalog, pairs = world
    early = {**SETTLED, "known_until": ENDS_AT + 28 * DAY - timedelta(seconds=1)}
    labels = label_outcomes(pairs, plays, catalog=catalog, **early)
    nulls = {name: labels[name].null_count() for name in LABELS}
    assert nulls == {**dict.fromkeys(LABELS, 0), "label_retained_28d": len(pairs)}
    on_time = label_outcomes(pairs, plays, catalog=catalog, **{**SETTLED, "known_until": ENDS_AT + 28 * DAY})
    assert on_time["label_retained_28d"].null_count() == 0
    until = label_outcomes(pairs, plays.filter(pl.col("played_at") < ENDS_AT + 28 * DAY), catalog=catalog, **SETTLED)
    assert until.equals(on_time)


def test_a_log_without_play_times_has_neither_skips_nor_completions(tmp_path: Path) -> None:
    plays = plays_of([{"user_id": "a", "track": 0, "days": days, "ms_played": None} for days in (60, 48, 47)])
    catalog = catalog_of(plays, tracks_of(2), tmp_path, as_of=CUTOFF)
    pairs = plays.select("user_id", "track").unique()
    (labels,) = label_outcomes(pairs, plays, catalog=catalog, **SETTLED).iter_rows(named=True)
    assert labels["label_completed"] is None and labels["label_skipped"] is None
    assert labels["label_listened"] == labels["label_repeated"] == 1.0
    assert disabled_rewards(catalog) == {
        "completed": "there is no completion",
        "skipped": "there is no skip_rate",
    }
