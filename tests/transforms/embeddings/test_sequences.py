"""What users look like to the towers, against plain loops."""

import polars as pl
import pytest

from models.towers.contract import DAY_PARTS, FREQUENT_LENGTH, SEQUENCE_LENGTH
from tests.transforms.embeddings.plain_listens import listens
from tests.worlds import AS_OF, DAY, random_plays
from transforms.embeddings.sequences import latest_sequences


@pytest.fixture(scope="module")
def plays() -> pl.DataFrame:
    return random_plays(3, num_users=40, num_plays=2500)


def test_the_latest_are_those_known_at_the_moment(plays: pl.DataFrame) -> None:
    found = latest_sequences(plays, as_of=AS_OF)
    users = plays["user_id"].unique(maintain_order=True).to_list()
    assert len(found) == len(users)
    for place, user in enumerate(users):
        rows = listens(plays, user)
        tracks = [row["track"] for row in rows]
        newest = tracks[::-1][:SEQUENCE_LENGTH]
        assert found.tracks[place].tolist() == newest + [-1] * (SEQUENCE_LENGTH - len(newest))
        often = sorted(set(tracks), key=lambda track: (-tracks.count(track), track))[:FREQUENT_LENGTH]
        assert found.frequent[place].tolist() == often + [-1] * (FREQUENT_LENGTH - len(often))
        parts = [row["played_at"].hour * DAY_PARTS // 24 for row in rows]
        shares = [parts.count(part) / max(1, len(parts)) for part in range(DAY_PARTS)]
        assert found.daypart_histogram[place].tolist() == pytest.approx(shares)
    assert (found.tracks == -1).any() and (found.tracks[:, -1] >= 0).any()


def test_a_moment_before_everything_knows_nothing(plays: pl.DataFrame) -> None:
    found = latest_sequences(plays, as_of=AS_OF - 90 * DAY)
    assert (found.tracks == -1).all() and (found.frequent == -1).all() and not found.daypart_histogram.any()
