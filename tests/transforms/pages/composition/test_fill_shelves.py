"""Shelves are filled track by track, and bring as many unplayed tracks as the rules want of them."""

import numpy as np
import pytest

from transforms.pages.composition.candidate_rows import CandidateRows
from transforms.pages.composition.fill_shelves import PageCounts, Pool, ReRanking, fill_shelves
from transforms.pages.composition.sampling import ChoiceSampler

PLAIN = ReRanking(0.0, 0.0, np.zeros((0, 0), dtype=np.float32), None)
NUM_USERS, SIZE = 400, 4


def candidates_of(num_users: int, is_unplayed: list[bool]) -> CandidateRows:
    """The same tracks for each user, all by unknown artists."""
    user = np.repeat(np.arange(num_users), len(is_unplayed))
    unplayed, nothing = np.tile(is_unplayed, num_users), np.full(len(user), -1)
    share = np.full(2 * num_users, 0.5)
    track = np.tile(np.arange(len(is_unplayed)), num_users)
    return CandidateRows(
        user, np.ones(len(user)), track, unplayed, nothing, nothing, 2 * user + unplayed, np.zeros(len(user)), share
    )


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("wanted", range(SIZE + 1))
def test_a_shelf_brings_the_unplayed_tracks_that_are_wanted_however_it_is_drawn(
    wanted: int, temperature: float
) -> None:
    # the played ones come first
    is_unplayed = [False] * 5 + [True] * 5
    rows = candidates_of(NUM_USERS, is_unplayed)
    row = np.arange(len(rows.user)).reshape(NUM_USERS, -1)
    order = np.tile(-np.arange(10.0), (NUM_USERS, 1))
    pool = Pool(row, order, np.full(NUM_USERS, SIZE), np.full(NUM_USERS, wanted), np.zeros(NUM_USERS, dtype=bool))
    sampler = ChoiceSampler(np.arange(NUM_USERS, dtype=np.uint64), temperature)
    counts = PageCounts.empty(rows, NUM_USERS)
    filled = fill_shelves(pool, rows, counts, reranking=PLAIN, choose=sampler.choose)
    brought = rows.is_unplayed[filled.row].sum(axis=1)
    assert all(len(set(line)) == SIZE for line in filled.row.tolist())
    assert brought.min() == wanted
    # and no more than that where nothing is drawn
    assert temperature or brought.max() == wanted
    assert (counts.tracks == SIZE).all()
