"""Tune the baselines on an earlier cutoff: every point of a parameter grid is a system, and the best ones are kept."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from models.baselines.blends import normalised_sum
from models.baselines.interactions import Arrays, Baseline, Interactions, Parameters
from pipelines.evaluation.estimates import EstimateKey, Estimates
from transforms.evaluation.list_baselines import TunedBaselines
from transforms.evaluation.metrics.metric import SHOWN_TARGETS

BEST_BLEND = "best_blend"
_TUNING_METRIC = "ndcg@10"


def first_grid_points(baselines: Sequence[Baseline]) -> TunedBaselines:
    """Return the first point of every grid, which is used where nothing can be tuned."""
    return {baseline.name: (baseline, baseline.grid[0]) for baseline in baselines}


def grid_systems(baselines: Sequence[Baseline]) -> TunedBaselines:
    """Return every point of every grid as a system of its own: baseline#0, baseline#1, ..."""
    return {
        f"{baseline.name}#{number}": (baseline, parameters)
        for baseline in baselines
        for number, parameters in enumerate(baseline.grid)
    }


def choose_best_points(estimates: Estimates, baselines: Sequence[Baseline]) -> TunedBaselines:
    """Keep the best point of every grid, and add the blend of the best for repeats and the best for discoveries.

    A point that could not be fitted (the catalog is too large) has no list, and so the value 0.
    """
    grid = grid_systems(baselines)
    values = {targets: {system: _value(estimates, system, targets) for system in grid} for targets in SHOWN_TARGETS}
    tuned = {}
    for baseline in baselines:
        points = [system for system in grid if system.rsplit("#", 1)[0] == baseline.name]
        tuned[baseline.name] = grid[max(points, key=lambda system: values["all"][system])]
    best = [max(grid, key=lambda system: values[targets][system]) for targets in ("repeats", "discoveries")]
    if len(baselines) > 1:
        tuned[BEST_BLEND] = _blend_baselines(best[0], best[1], grid)
    return tuned


def _value(estimates: Estimates, system: str, targets: str) -> float:
    estimate = estimates.estimate(EstimateKey(system, _TUNING_METRIC, targets))
    return estimate.value if estimate else 0.0


def _blend_baselines(first: str, second: str, grid: TunedBaselines) -> tuple[Baseline, Parameters]:
    """Return a baseline of two grid points: the sum of their scores, each divided by the user's highest."""
    parts = (grid[first], grid[second])
    names = " + ".join(baseline.name for baseline, _ in parts)
    parameters = {f"{baseline.name}.{name}": value for baseline, point in parts for name, value in point.items()}
    entry = Baseline(
        name=BEST_BLEND,
        sentence=f"normalised sum of the best baseline for repeats and the best for discoveries: {names}",
        source="",
        grid=(parameters,),
        fit=partial(_fit_parts, parts),
        score=partial(_score_parts, parts),
        max_tracks=min(baseline.max_tracks for baseline, _ in parts),
    )
    return entry, parameters


_Parts = tuple[tuple[Baseline, Parameters], tuple[Baseline, Parameters]]


def _fit_parts(parts: _Parts, plays: Interactions, parameters: Parameters) -> Arrays:
    return {
        f"{number}.{name}": array
        for number, (baseline, point) in enumerate(parts)
        for name, array in baseline.fit(plays, point).items()
    }


def _score_parts(parts: _Parts, plays: Interactions, learned: Arrays, parameters: Parameters) -> np.ndarray:
    first, second = (
        baseline.score(plays, _arrays_of(learned, f"{number}."), point)
        for number, (baseline, point) in enumerate(parts)
    )
    return normalised_sum(first, second)


def _arrays_of(learned: Arrays, prefix: str) -> Mapping[str, np.ndarray]:
    return {name.removeprefix(prefix): array for name, array in learned.items() if name.startswith(prefix)}
