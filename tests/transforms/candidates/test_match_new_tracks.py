"""The first audience of new tracks."""

from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import polars as pl
import pytest

from tests.stages import element_of, run_graph, tables_of
from tests.worlds import AS_OF, by_bucket, catalog_of, plays_of, random_plays, snapshot_inputs, tracks_of
from transforms.candidates.match_new_tracks import MatchNewTracks, best_audience, match_new_tracks
from transforms.candidates.new_tracks import (
    NEW_TRACK_AUDIENCES,
    NEW_TRACK_MATCHES,
    count_audiences,
    floors_reached,
    new_track_codes,
    sum_audiences,
)
from transforms.embeddings.embeddings import Embeddings
from transforms.embeddings.sequences import latest_sequences
from transforms.features.hydrate import hydrate_candidates
from transforms.tables.columns import to_frame, to_table
from transforms.tables.schemas import PLAYS

NUM_TRACKS, FLOOR = 60, 5
NEW = range(NUM_TRACKS - 3, NUM_TRACKS)  # see tracks_of()


@pytest.fixture(scope="module")
def plays() -> pl.DataFrame:
    """New tracks have a few plays, and one is disliked."""
    random = random_plays(2, num_users=30, num_tracks=NUM_TRACKS - 3)
    rows = [{"user_id": f"ü{user:03d}", "track": NEW[0], "days": 1} for user in range(0, 30, 2)]
    rows += [{"user_id": "ü001", "track": NEW[1], "days": 1, "action": 3}]
    users = pl.Enum([f"ü{user:03d}" for user in range(30)])
    more = plays_of(rows).cast({"user_id": users})
    return pl.concat([random.cast({"user_id": users}), more]).sort("user_id", "played_at", maintain_order=True)


@pytest.fixture(scope="module")
def moment(plays: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("moment")
    catalog = catalog_of(plays, tracks_of(NUM_TRACKS), folder / "catalog")
    return snapshot_inputs(plays, catalog, folder, floor=FLOOR)


def match(plays: pl.DataFrame, moment: dict[str, Any], **changes: Any) -> pl.DataFrame:
    given = {name: moment[name] for name in ("catalog", "embeddings", "as_of")}
    return match_new_tracks(plays, **{**given, "floor": FLOOR, **changes})


def test_every_new_track_reaches_the_users_nearest_to_it(plays: pl.DataFrame, moment: dict[str, Any]) -> None:
    found = match(plays, moment)
    assert dict(found.group_by("track").len().iter_rows()) == dict.fromkeys(NEW, FLOOR)
    embeddings: Embeddings = moment["embeddings"]
    ids = plays["user_id"].unique(maintain_order=True).to_list()
    cosines = embeddings.embed_users(latest_sequences(plays, as_of=AS_OF)) @ embeddings.tracks[list(NEW)].T
    assert np.abs(cosines).max() > 0.3
    heard = {(row["user_id"], row["track"]) for row in plays.to_dicts()}
    for number, track in enumerate(NEW):
        allowed = [user for user, name in enumerate(ids) if (name, track) not in heard]
        best = np.sort(cosines[allowed, number])[::-1][:FLOOR]
        chosen = found.filter(pl.col("track") == track)["user_id"].to_list()
        assert cosines[[ids.index(user) for user in chosen], number] == pytest.approx(best, abs=0.02)
        assert not {(user, track) for user in chosen} & heard


def test_buckets_together_find_what_one_finds(plays: pl.DataFrame, moment: dict[str, Any]) -> None:
    parts = pl.concat([match(part, moment) for part in by_bucket(plays, 4)])
    assert len(parts) > 3 * FLOOR
    assert best_audience(parts).equals(match(plays, moment))
    twice = best_audience(pl.concat([best_audience(parts[:7]), best_audience(parts[7:])]))
    assert twice.equals(match(plays, moment)), "however the parts are put together"


def test_who_has_played_nothing_yet_is_no_audience(plays: pl.DataFrame, moment: dict[str, Any]) -> None:
    strangers = plays_of([{"user_id": f"new{number}", "track": None, "days": None} for number in range(20)])
    late = plays_of([{"user_id": "later", "track": 1, "days": -1}])
    users = pl.Enum(pl.concat([frame["user_id"].cast(pl.String) for frame in (plays, strangers, late)]).unique().sort())
    everyone = pl.concat([frame.cast({"user_id": users}) for frame in (plays, strangers, late)])
    assert match(everyone, moment).equals(match(plays, moment))


def test_without_vectors_chance_spreads_the_tracks(plays: pl.DataFrame, moment: dict[str, Any]) -> None:
    nothing = np.zeros((NUM_TRACKS, 0), dtype=np.float32)
    blind = Embeddings(nothing, moment["embeddings"].tower, "", None)
    found = match(plays, moment, embeddings=blind)
    assert dict(found.group_by("track").len().iter_rows()) == dict.fromkeys(NEW, FLOOR)
    assert found.group_by("track").agg(pl.col("user_id").sort())["user_id"].n_unique() == 3
    assert found.equals(match(plays, moment, embeddings=blind))


def test_they_are_candidates_whatever_the_cap(plays: pl.DataFrame, moment: dict[str, Any]) -> None:
    few = to_frame(to_table(match(plays, moment), NEW_TRACK_MATCHES))
    found = hydrate_candidates(plays, **{**moment, "new_tracks": few, "max_candidates": 3})
    proposed = found.filter(pl.col("score_new_tracks") != 0).select(pl.col("user_id").cast(pl.String), "track")
    assert proposed.sort("track", "user_id").equals(
        few.select(pl.col("user_id").cast(pl.String), "track").sort("track", "user_id")
    )
    assert found.group_by("user_id").len()["len"].min() == 3
    # counted by buckets of users, every new track has its floor
    audiences = sum_audiences(pl.concat(count_audiences(part) for part in by_bucket(found, 4)))
    assert dict(to_frame(to_table(audiences, NEW_TRACK_AUDIENCES)).rows()) == dict.fromkeys(NEW, FLOOR)  # type: ignore[arg-type]
    new = new_track_codes(moment["catalog"], AS_OF)
    assert floors_reached(audiences, new, FLOOR) == {"total": 3, "at_floor": 3}
    assert floors_reached(audiences[1:], new, FLOOR) == {"total": 3, "at_floor": 2}
    assert floors_reached(audiences, new, FLOOR + 1) == {"total": 3, "at_floor": 0}


def test_no_floor_no_launches(plays: pl.DataFrame, moment: dict[str, Any]) -> None:
    for nobody in (match(plays, moment, floor=0), match(plays.clear(), moment)):
        assert nobody.is_empty() and nobody.columns == NEW_TRACK_MATCHES.names


def test_the_stage_finds_the_nearest_of_all_buckets(tmp_path: Path) -> None:
    plays = random_plays(2, num_users=30, num_tracks=NUM_TRACKS - 3)
    moment = snapshot_inputs(plays, catalog_of(plays, tracks_of(NUM_TRACKS), tmp_path), tmp_path, floor=FLOOR)
    (embeddings,) = tmp_path.glob("embeddings-*")

    def build(root: beam.Pipeline) -> beam.PCollection:
        catalog = element_of(root, "catalog", str(tmp_path))
        towers = element_of(root, "embeddings", str(embeddings))
        return tables_of(root, "plays", PLAYS, by_bucket(plays, 3)) | MatchNewTracks(catalog, towers, AS_OF, FLOOR)

    (found,) = run_graph(build)
    assert to_frame(found[1]).equals(to_frame(to_table(moment["new_tracks"], NEW_TRACK_MATCHES)))
    assert found[1].num_rows == 3 * FLOOR
