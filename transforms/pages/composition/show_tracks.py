"""Fill the shelves that were chosen for one position."""

from dataclasses import replace

import numpy as np
import polars as pl

from transforms.pages.composition.fill_shelves import (
    POOL_PER_TRACK,
    FilledShelves,
    Pool,
    ReRanking,
    fill_shelves,
)
from transforms.pages.composition.inputs import CompositionInputs
from transforms.pages.composition.progress import SHOWN_TRACKS, Availability, ChosenShelves, Progress
from transforms.pages.composition.sampling import MASKED
from transforms.pages.rules.page_state import ShelfOptions

# Numbers are drawn for a position and, there, for the shelf (0) and each of its tracks (1, 2, ...).
STEPS_PER_POSITION = 1 << 10


def show_tracks(
    inputs: CompositionInputs,
    progress: Progress,
    available: Availability,
    options: ShelfOptions,
    chosen: ChosenShelves,
    position: int,
) -> pl.DataFrame:
    """Fill the chosen instances, one a user, and return their tracks; see ComposedPages.shown."""
    policy, user = inputs.policy, inputs.instances.user
    # shelves of one size at a time, the longest first (see fill_shelves())
    by_size = np.argsort(-options.size[chosen.instance], kind="stable")
    chosen = ChosenShelves(chosen.instance[by_size], chosen.propensity[by_size])
    wanted = inputs.constraints.wanted_unplayed(progress.page, position)[user[chosen.instance]]
    wanted = np.minimum(wanted, options.unplayed[chosen.instance])
    reranking = ReRanking(
        policy.diversity, policy.calibration * np.log2(position + 2), inputs.vectors, progress.screen.at(position)
    )
    frames = []
    for limit in np.unique(inputs.traits.limit[chosen.instance]):
        of = inputs.traits.limit[chosen.instance] == limit
        some = ChosenShelves(chosen.instance[of], chosen.propensity[of])
        pool = _pool(inputs, available, some.instance, int(limit), options.size[some.instance], wanted[of])
        filled = fill_shelves(
            _saturate(pool, inputs, progress),
            inputs.rows,
            progress.counts,
            reranking=reranking,
            choose=lambda utility, users, rank, rows: inputs.chooser.choose(
                utility, users, position * STEPS_PER_POSITION + 1 + rank, rows
            ),
        )
        frames.append(_track_rows(inputs, some, position, filled))
    return pl.concat(frames)


def _pool(
    inputs: CompositionInputs,
    available: Availability,
    chosen: np.ndarray,
    limit: int,
    size: np.ndarray,
    unplayed: np.ndarray,
) -> Pool:
    """Return the tracks that the chosen instances, all of one limit, could show."""
    width, instances = limit * POOL_PER_TRACK, inputs.instances
    num_instances = len(instances.user)
    members, rank = instances.top(
        np.sort(chosen), available.is_free, np.full(num_instances, width), available.allowance
    )
    line_of = np.empty(num_instances, dtype=np.int32)
    line_of[chosen] = np.arange(len(chosen))
    line = line_of[instances.instance[members]]
    row, order = np.full((len(chosen), width), -1, dtype=np.int32), np.full((len(chosen), width), MASKED)
    row[line, rank], order[line, rank] = instances.row[members], instances.order[members]
    return Pool(row, order, size, unplayed, inputs.traits.is_reserved[chosen])


def _saturate(pool: Pool, inputs: CompositionInputs, progress: Progress) -> Pool:
    """Lower the order of tracks by artists, and of genres, that the page shows already."""
    divisor = progress.attention.saturation(inputs.rows, pool.row, inputs.policy)
    if divisor is None:
        return pool
    return replace(pool, order=pool.order - np.where(pool.is_fixed[:, None], 0.0, np.log(divisor)))


def _track_rows(inputs: CompositionInputs, chosen: ChosenShelves, position: int, filled: FilledShelves) -> pl.DataFrame:
    """Return one row per track of some filled shelves; see ComposedPages.shown."""
    line, rank = np.nonzero(filled.row >= 0)
    instance = chosen.instance[line]
    columns = (
        inputs.instances.user[instance],
        np.full(len(instance), position),
        inputs.instances.shelf_index[instance],
        inputs.instances.code[instance],
        chosen.propensity[line],
        rank,
        filled.row[line, rank],
        filled.propensity[line, rank],
    )
    return pl.DataFrame(dict(zip(SHOWN_TRACKS, columns, strict=True)), schema=SHOWN_TRACKS)
