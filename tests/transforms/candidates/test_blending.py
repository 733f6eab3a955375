"""How proposals are pooled and merged, and how the merge is fitted."""

import math
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.worlds import AS_OF, DAY, by_bucket, catalog_of, moment_of, plays_of, random_plays, tracks_of
from transforms.candidates import blending as merging
from transforms.candidates.blending import MERGED, PRIOR, Merge, merge_proposals, open_merge, pool_proposals
from transforms.candidates.carry_over import WEEKLY
from transforms.candidates.context import Knowledge
from transforms.candidates.fit_decay import DECAY_FIT, DECAYS, fit_decay, likeliest, sum_likelihoods
from transforms.candidates.sources import SOURCES
from transforms.candidates.user_history import DECAY
from transforms.features.fit_blend import POOLED, fit_blend, sample_proposals
from transforms.features.hydrate import know
from transforms.tables.columns import to_table

CUT = AS_OF - 14 * DAY
WINDOW = {"as_of": CUT, "ends_at": CUT + 7 * DAY}


@pytest.fixture(scope="module")
def plays() -> pl.DataFrame:
    return random_plays(31, num_users=60, num_tracks=40, num_plays=3000)


@pytest.fixture(scope="module")
def moment(plays: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("moment")
    made = moment_of(plays, catalog_of(plays, tracks_of(40), folder, as_of=CUT), folder, as_of=CUT)
    return {name: made[name] for name in ("catalog", "embeddings", "launches", "weekly")}


@pytest.fixture(scope="module")
def known(plays: pl.DataFrame, moment: dict[str, Any]) -> Knowledge:
    return know(plays, **moment, as_of=CUT, decay=DECAY)


def test_proposals_are_pooled_with_their_places(known: Knowledge) -> None:
    pooled = {(row["user_id"], row["track"]): row for row in pool_proposals(known).iter_rows(named=True)}
    disliked = set(known.history.disliked.rows())
    for number, source in enumerate(SOURCES):
        proposed = source.propose(known, source.quota).sort("score", "track", descending=[True, False])
        by_user: dict[str, list[int]] = {}
        for row in proposed.iter_rows(named=True):
            by_user.setdefault(row["user_id"], []).append(row["track"])
        expected = {
            (user, track): math.log((1 + source.quota) / (1 + rank))
            for user, tracks in by_user.items()
            for rank, track in enumerate(tracks[: source.quota])
            if (user, track) not in disliked
        }
        found = {key: row[f"place_{source.name}"] for key, row in pooled.items() if row["sources"] >> number & 1}
        assert found == pytest.approx(expected)
        assert all(row[f"place_{source.name}"] == 0 for key, row in pooled.items() if key not in expected)
    users = {row["user_id"]: row for row in known.history.users.iter_rows(named=True)}
    popularity = known.catalog.tracks["popularity"].to_list()
    place = {user: at for at, user in enumerate(known.history.users["user_id"])}
    for (user, track), row in pooled.items():
        own = row["score_repeats"] is not None
        cosine = float(known.vectors[place[user]] @ known.embeddings.tracks[track])
        assert row["affinity"] == pytest.approx(cosine, abs=1e-6)
        assert row["other_affinity"] == (0 if own else row["affinity"])
        assert row["other_popularity"] == pytest.approx(0 if own else math.log1p(popularity[track]))
        assert row["is_own"] == own and row["own_activation"] == (row["score_repeats"] if own else 0)
        assert row["own_discovery"] == (users[user]["user_distinct_track_ratio"] if own else 0)


def test_fusion_is_a_logistic_regression_and_the_cap_keeps_its_best(known: Knowledge) -> None:
    pooled = pool_proposals(known)
    rng = np.random.default_rng(2)
    merge = replace(PRIOR, weights={name: float(rng.normal()) for name in MERGED}, intercept=-2.0)
    logit = pooled.select(MERGED).to_numpy() @ np.array([merge.weights[name] for name in MERGED]) - 2.0
    expected = pooled.select("user_id", "track", fusion=pl.Series(1 / (1 + np.exp(-logit))))
    whole = merge_proposals(pooled, merge, 10_000)
    assert whole["fusion"].to_numpy() == pytest.approx(expected["fusion"].to_numpy())
    few = merge_proposals(pooled, merge, 5)
    launched = {row[:2] for row in known.launches.select("user_id", "track").iter_rows()}
    for user, rows in whole.group_by("user_id"):
        best = rows.sort("fusion", "track", descending=[True, False])["track"].to_list()[:5]
        certain = {track for owner, track in launched if owner == user[0]} & set(rows["track"])
        assert set(few.filter(pl.col("user_id") == user[0])["track"]) == set(best) | certain


def test_what_stands_on_a_weekly_shelf_stays_a_candidate(
    plays: pl.DataFrame, moment: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proposed by no source any more, or least likely of all; but not if the user dislikes it by now."""
    monkeypatch.setattr(merging, "SOURCES", tuple(replace(source, quota=3) for source in SOURCES))
    without = know(plays, **moment, as_of=CUT, decay=DECAY)
    pooled = pool_proposals(without)
    user = without.history.disliked["user_id"].sort()[0]
    disliked = without.history.disliked.filter(pl.col("user_id") == user)["track"]
    mine = pooled.filter(pl.col("user_id") == user)
    others = sorted(set(range(40)) - set(mine["track"]) - set(disliked))
    unproposed = others[0]
    last = merge_proposals(mine, PRIOR, 10_000).sort("fusion", "track")["track"][0]
    rows = [
        {"user_id": user, "track": track, "because_track": 7, "source": "artists", "place": place, "day": CUT.date()}
        for place, track in enumerate([disliked[0], unproposed, last])
    ]
    rows.append({**rows[1], "track": others[1], "source": "a source of long ago"})
    known = know(plays, **{**moment, "weekly": WEEKLY.frame(rows)}, as_of=CUT, decay=DECAY)
    found = pool_proposals(known)
    few = merge_proposals(found, PRIOR, 3).filter(pl.col("user_id") == user)
    columns = ("track", "source", "because_track", "sources", "weekly_place")
    kept = {row["track"]: row for row in few.select(columns).iter_rows(named=True) if row["weekly_place"] is not None}
    assert kept[unproposed] == dict(zip(columns, (unproposed, "artists", 7, 0, 1), strict=True))
    was = mine.filter(pl.col("track") == last)
    assert kept[last]["sources"] == was["sources"].item() > 0 and kept[last]["weekly_place"] == 2
    assert kept[last]["source"] == SOURCES[was["source"].item()].name
    assert set(kept) == {unproposed, last}
    # and nothing else is different
    others = found.filter(pl.col("weekly_place").is_null() | (pl.col("track") == last)).drop("weekly_place")
    assert others.equals(pooled.drop("weekly_place"))


def test_what_was_listened_to_moves_the_weights(plays: pl.DataFrame, moment: dict[str, Any], tmp_path: Path) -> None:
    pooled = sample_proposals(plays, **WINDOW, share=1.0, seed=1, decay=DECAY, **moment)
    # the world turns: from now on nobody repeats anything, and everyone follows the popular
    labelled = pooled.with_columns(label=(pl.col("place_popular") > 2).cast(pl.Float32))
    fit_blend(tmp_path, pooled=[(0, to_table(labelled, POOLED))], decay=0.7)
    merge = open_merge(str(tmp_path))
    assert merge.decay == 0.7 and merge.weights["place_popular"] > 1 > merge.weights["place_repeats"]
    known = know(plays, **moment, as_of=CUT, decay=DECAY)
    merged = merge_proposals(pool_proposals(known), merge, 10_000)
    top = merged.sort("user_id", "fusion", descending=[False, True]).group_by("user_id", maintain_order=True).head(3)
    assert (top["score_popular"].is_not_null()).mean() > 0.95


def test_the_fit_does_not_depend_on_buckets(plays: pl.DataFrame, moment: dict[str, Any], tmp_path: Path) -> None:
    def fitted(parts: list[pl.DataFrame], name: str) -> Merge:
        folder = tmp_path / name
        folder.mkdir()
        arguments = {**WINDOW, "share": 0.7, "seed": 1, "decay": DECAY, **moment}
        pooled = [(n, to_table(sample_proposals(part, **arguments), POOLED)) for n, part in enumerate(parts)]
        fit_blend(folder, pooled=pooled, decay=DECAY)
        return open_merge(str(folder))

    assert fitted(by_bucket(plays, 7)[::-1], "seven") == fitted([plays], "one") != PRIOR


def test_nothing_learned_is_the_prior_and_other_inputs_are_refused(tmp_path: Path) -> None:
    fit_blend(tmp_path, pooled=[], decay=DECAY)
    merge = open_merge(str(tmp_path))
    assert merge.weights == pytest.approx(PRIOR.weights) and merge.intercept == pytest.approx(PRIOR.intercept)
    other = tmp_path / "other"
    other.mkdir()
    replace(PRIOR, weights={**PRIOR.weights, "place_radio": 1.0}).save(other)
    with pytest.raises(ValueError, match="fitted to other inputs: place_radio"):
        open_merge(str(other))
    with pytest.raises(FileNotFoundError, match=r"no merge.json at"):
        open_merge(str(tmp_path / "other" / ".." / ".."))


def slow_likelihood(plays: pl.DataFrame, decay: float) -> float:
    total = 0.0
    for user in plays["user_id"].unique():
        rows = [row for row in plays.iter_rows(named=True) if row["user_id"] == user and row["action"] == 0]
        rows = [row for row in rows if row["ms_played"] is None or row["ms_played"] >= 30_000]
        strength: dict[int, float] = {}
        for row in rows:
            if row["known_at"] < CUT:
                hours = max(1.0, (CUT - row["played_at"]) / timedelta(hours=1))
                strength[row["track"]] = strength.get(row["track"], 0.0) + hours**-decay
        chosen = {row["track"] for row in rows if CUT <= row["played_at"] < CUT + 7 * DAY}
        total += sum(math.log(strength[track] / sum(strength.values())) for track in chosen & set(strength))
    return total


def test_the_decay_is_that_of_the_likeliest_repeats(plays: pl.DataFrame) -> None:
    parts = [fit_decay(part, **WINDOW) for part in by_bucket(plays, 5)]
    fit = sum_likelihoods(pl.concat(parts))
    found = dict(zip(fit["decay"], fit["log_likelihood"] / 2**30, strict=True))
    assert found == pytest.approx({decay: slow_likelihood(plays, decay) for decay in DECAYS}, rel=1e-6)
    assert likeliest((0, to_table(fit, DECAY_FIT))) == max(found, key=found.__getitem__)


@pytest.mark.parametrize(("repeated", "expected"), [(0, 1.6), (1, 0.3)])
def test_who_forgets_fast_is_told_from_who_does_not(repeated: int, expected: float) -> None:
    # track 0 was played once a day ago, track 1 often and long ago
    rows = [{"user_id": "a", "track": 0, "days": 15}, *({"user_id": "a", "track": 1, "days": 50 + n} for n in range(9))]
    fit = fit_decay(plays_of([*rows, {"user_id": "a", "track": repeated, "days": 10}]), **WINDOW)
    assert likeliest((0, to_table(sum_likelihoods(fit), DECAY_FIT))) == expected


def test_without_repeats_the_decay_is_the_default() -> None:
    nothing = sum_likelihoods(fit_decay(plays_of([{"user_id": "a", "track": 0, "days": 15}]), **WINDOW))
    assert likeliest((0, to_table(nothing, DECAY_FIT))) == DECAY
    assert likeliest((0, DECAY_FIT.empty())) == DECAY
