"""How proposals are pooled and merged, and how the merge is fitted."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.worlds import AS_OF, DAY, catalog_of, random_plays, snapshot_inputs, tracks_of
from transforms.candidates import blending as merging
from transforms.candidates.blending import (
    BLEND_INPUTS,
    PRIOR_BLEND,
    blend_candidates,
    union_candidates,
)
from transforms.candidates.carry_over import CARRY_OVER
from transforms.candidates.context import CandidateContext
from transforms.candidates.sources import SOURCES
from transforms.candidates.user_history import DEFAULT_DECAY
from transforms.features.hydrate import build_context

CUTOFF = AS_OF - 14 * DAY
WINDOW = {"as_of": CUTOFF, "ends_at": CUTOFF + 7 * DAY}


@pytest.fixture(scope="module")
def plays() -> pl.DataFrame:
    return random_plays(31, num_users=60, num_tracks=40, num_plays=3000)


@pytest.fixture(scope="module")
def moment(plays: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("moment")
    made = snapshot_inputs(plays, catalog_of(plays, tracks_of(40), folder, as_of=CUTOFF), folder, as_of=CUTOFF)
    return {name: made[name] for name in ("catalog", "embeddings", "new_tracks", "carry_over")}


@pytest.fixture(scope="module")
def context(plays: pl.DataFrame, moment: dict[str, Any]) -> CandidateContext:
    return build_context(plays, **moment, as_of=CUTOFF, decay=DEFAULT_DECAY)


def test_proposals_are_pooled_with_their_places(context: CandidateContext) -> None:
    union = {(row["user_id"], row["track"]): row for row in union_candidates(context).iter_rows(named=True)}
    disliked = set(context.history.disliked.rows())
    for number, source in enumerate(SOURCES):
        proposed = source.propose(context, source.quota).sort("score", "track", descending=[True, False])
        by_user: dict[str, list[int]] = {}
        for row in proposed.iter_rows(named=True):
            by_user.setdefault(row["user_id"], []).append(row["track"])
        expected = {
            (user, track): math.log((1 + source.quota) / (1 + rank))
            for user, tracks in by_user.items()
            for rank, track in enumerate(tracks[: source.quota])
            if (user, track) not in disliked and not context.is_withheld[track]
        }
        found = {key: row[f"rank_score_{source.name}"] for key, row in union.items() if row["sources"] >> number & 1}
        assert found == pytest.approx(expected)
        assert all(row[f"rank_score_{source.name}"] == 0 for key, row in union.items() if key not in expected)
    users = {row["user_id"]: row for row in context.history.users.iter_rows(named=True)}
    popularity = context.catalog.tracks["popularity"].to_list()
    place = {user: at for at, user in enumerate(context.history.users["user_id"])}
    for (user, track), row in union.items():
        own = row["score_repeats"] is not None
        cosine = float(context.user_embeddings[place[user]] @ context.embeddings.tracks[track])
        assert row["two_tower_similarity"] == pytest.approx(cosine, abs=1e-6)
        assert row["discovery_similarity"] == (0 if own else row["two_tower_similarity"])
        assert row["discovery_popularity"] == pytest.approx(0 if own else math.log1p(popularity[track]))
        assert row["is_repeat"] == own and row["repeat_activation"] == (row["score_repeats"] if own else 0)
        assert row["repeat_distinct_track_ratio"] == (users[user]["user_distinct_track_ratio"] if own else 0)


def test_fusion_is_a_logistic_regression_and_the_cap_keeps_its_best(context: CandidateContext) -> None:
    union = union_candidates(context)
    rng = np.random.default_rng(2)
    blend = replace(PRIOR_BLEND, weights={name: float(rng.normal()) for name in BLEND_INPUTS}, intercept=-2.0)
    logit = union.select(BLEND_INPUTS).to_numpy() @ np.array([blend.weights[name] for name in BLEND_INPUTS]) - 2.0
    expected = union.select("user_id", "track", blend_score=pl.Series(1 / (1 + np.exp(-logit))))
    whole = blend_candidates(union, blend, 10_000)
    assert whole["blend_score"].to_numpy() == pytest.approx(expected["blend_score"].to_numpy())
    few = blend_candidates(union, blend, 5)
    launched = {row[:2] for row in context.new_tracks.select("user_id", "track").iter_rows()}
    for user, rows in whole.group_by("user_id"):
        best = rows.sort("blend_score", "track", descending=[True, False])["track"].to_list()[:5]
        certain = {track for owner, track in launched if owner == user[0]} & set(rows["track"])
        assert set(few.filter(pl.col("user_id") == user[0])["track"]) == set(best) | certain


def test_what_stands_on_a_weekly_shelf_stays_a_candidate(
    plays: pl.DataFrame, moment: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proposed by no source any more, or least likely of all; but not if the user dislikes it by now."""
    monkeypatch.setattr(merging, "SOURCES", tuple(replace(source, quota=3) for source in SOURCES))
    without = build_context(plays, **moment, as_of=CUTOFF, decay=DEFAULT_DECAY)
    union = union_candidates(without)
    user = without.history.disliked["user_id"].sort()[0]
    disliked = without.history.disliked.filter(pl.col("user_id") == user)["track"]
    mine = union.filter(pl.col("user_id") == user)
    others = sorted(set(range(40)) - set(mine["track"]) - set(disliked))
    unproposed = others[0]
    last = blend_candidates(mine, PRIOR_BLEND, 10_000).sort("blend_score", "track")["track"][0]
    shared = {"user_id": user, "seed_track": 7, "source": "artists", "day": CUTOFF.date()}
    carried = enumerate([disliked[0], unproposed, last])
    rows = [{**shared, "track": track, "position": position} for position, track in carried]
    rows.append({**rows[1], "track": others[1], "source": "a source of long ago"})
    context = build_context(
        plays, **{**moment, "carry_over": CARRY_OVER.frame(rows)}, as_of=CUTOFF, decay=DEFAULT_DECAY
    )
    found = union_candidates(context)
    few = blend_candidates(found, PRIOR_BLEND, 3).filter(pl.col("user_id") == user)
    columns = ("track", "source", "seed_track", "sources", "carried_over_position")
    kept = {
        row["track"]: row
        for row in few.select(columns).iter_rows(named=True)
        if row["carried_over_position"] is not None
    }
    assert kept[unproposed] == dict(zip(columns, (unproposed, "artists", 7, 0, 1), strict=True))
    was = mine.filter(pl.col("track") == last)
    assert kept[last]["sources"] == was["sources"].item() > 0 and kept[last]["carried_over_position"] == 2
    assert kept[last]["source"] == SOURCES[was["source"].item()].name
    assert set(kept) == {unproposed, last}
    # and nothing else is different
    others = found.filter(pl.col("carried_over_position").is_null() | (pl.col("track") == last)).drop(
        "carried_over_position"
    )
    assert others.equals(union.drop("carried_over_position"))
