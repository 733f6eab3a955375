"""Choose the parameters of the baselines and the weights of their mixture on an earlier week."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from models.next_track.contract import NextTrackBaseline
from models.next_track.mixture import fit_mixture
from pipelines.next_track.values import NextTrackValues
from transforms.evaluation.next_track.measure_next_tracks import EVERY_PLAY
from transforms.evaluation.next_track.rank_next_tracks import SEQUENCE_MODEL, NextTrackSystems

_TUNING_METRIC = "ndcg@10"
# More plays would not change the weights visibly.
_MOST_CASES = 200_000


def untuned_systems(baselines: Sequence[NextTrackBaseline], has_model: bool) -> NextTrackSystems:
    """Return the first point of every grid and no mixture, for data without a week to tune on."""
    return NextTrackSystems({baseline.name: (baseline, baseline.grid[0]) for baseline in baselines}, has_model)


def grid_of_systems(baselines: Sequence[NextTrackBaseline], has_model: bool) -> NextTrackSystems:
    """Return every point of every grid as a system of its own: baseline#0, baseline#1, ..."""
    points = {
        f"{baseline.name}#{number}": (baseline, parameters)
        for baseline in baselines
        for number, parameters in enumerate(baseline.grid)
    }
    return NextTrackSystems(points, has_model)


def tuned_systems(values: NextTrackValues, ranks: pl.DataFrame, grid: NextTrackSystems) -> NextTrackSystems:
    """Keep the point of each grid with the highest NDCG@10 of every play, and fit the mixture of these points.

    ranks: NEXT_TRACK_RANKS of the grid's systems in the same week.
    """
    score = {name: values.mean(name, _TUNING_METRIC, "all", EVERY_PLAY)[0] for name in grid.tuned}
    best: dict[str, str] = {}
    for name in grid.tuned:
        baseline = grid.tuned[name][0].name
        if baseline not in best or score[name] > score[best[baseline]]:
            best[baseline] = name
    tuned = {baseline: grid.tuned[name] for baseline, name in best.items()}
    chosen = [*best.values(), *([SEQUENCE_MODEL] if grid.has_model else [])]
    if len(chosen) == 1:
        return NextTrackSystems(tuned)
    columns = [grid.names.index(name) for name in chosen]
    sample = ranks.sort("user_id", "number").head(_MOST_CASES)
    shares = sample["shares"].list.to_array(len(grid.names)).to_numpy().reshape(-1, len(grid.names))
    weights = fit_mixture(shares[:, columns].astype(np.float64), sample["context"].to_numpy())
    return NextTrackSystems(tuned, grid.has_model, weights)
