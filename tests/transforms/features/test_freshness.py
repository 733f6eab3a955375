"""A feature changes with the data that its freshness declares, and with no other."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from tests.worlds import AS_OF, DAY, catalog_of, random_plays, snapshot_inputs, tracks_of
from transforms.features.feature import OF_ALL, OF_TABLE, OF_USER
from transforms.features.features import FEATURES
from transforms.features.hydrate import hydrate_candidates

SOME = "ü005"


def candidates(folder: Path, plays: pl.DataFrame, tracks: pl.DataFrame) -> pl.DataFrame:
    """Return the candidates of one user."""
    found = hydrate_candidates(plays, **snapshot_inputs(plays, catalog_of(plays, tracks, folder), folder))
    return found.filter(pl.col("user_id").cast(pl.String) == SOME).sort("track")


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> tuple[pl.DataFrame, ...]:
    """Candidates of a user; the same without recent plays of others; and the same with older release dates."""
    folder = tmp_path_factory.mktemp("fresh")
    plays, tracks = random_plays(71), tracks_of(40)
    is_own = pl.col("user_id").cast(pl.String) == SOME
    fewer = plays.filter(is_own | (pl.col("played_at") < AS_OF - 30 * DAY))
    older = tracks.with_columns(release_date=pl.lit(date(2010, 1, 1)))
    worlds = ((plays, tracks), (fewer, tracks), (plays, older))
    return tuple(candidates(folder / str(n), *world) for n, world in enumerate(worlds))


def changed(before: pl.DataFrame, after: pl.DataFrame) -> set[str]:
    """Return the features that differ on candidates of both."""
    both = before.join(after, on="track", suffix="_after")
    assert len(both) > 20
    return {one.name for one in FEATURES if not both[one.name].equals(both[f"{one.name}_after"].rename(one.name))}


def test_features_of_the_user_do_not_change_with_other_users(three: tuple[pl.DataFrame, ...]) -> None:
    of_user, of_all = ({one.name for one in FEATURES if one.freshness == fresh} for fresh in (OF_USER, OF_ALL))
    found = changed(three[0], three[1])
    assert not found & of_user and found & of_all >= {"track_popularity", "track_plays_7d", "track_users"}


def test_features_of_the_track_table_change_with_it_alone(three: tuple[pl.DataFrame, ...]) -> None:
    found, fresh = changed(three[0], three[2]), {one.name: one.freshness for one in FEATURES}
    assert "days_since_release" in found and fresh["days_since_release"] == OF_TABLE
    assert not {name for name in found if fresh[name] in (OF_USER, OF_ALL)} and all(fresh.values())
