"""Tune the baselines on an earlier cutoff: every point of their grids is a system there, and the best ones stay."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from models.baselines.blends import normalised_sum
from models.baselines.interactions import Arrays, Baseline, Interactions, Parameters
from pipelines.evaluation.figures import EstimateKey, Estimates

TunedBaselines = dict[str, tuple[Baseline, Parameters]]
_TUNING_METRIC = "ndcg@10"
BEST_BLEND = "best_blend"


def first_grid_points(baselines: Sequence[Baseline]) -> TunedBaselines:
    """Take the first point of every grid: where there is nothing to tune on."""
    return {baseline.name: (baseline, baseline.grid[0]) for baseline in baselines}


def grid_systems(baselines: Sequence[Baseline]) -> TunedBaselines:
    """Name every point of every grid."""
    return {
        f"{baseline.name}#{place}": (baseline, parameters)
        for baseline in baselines
        for place, parameters in enumerate(baseline.grid)
    }


def choose_best_points(figures: Estimates, baselines: Sequence[Baseline]) -> TunedBaselines:
    """Keep the best point of every grid, and the sum of the best for repeats and the best for discoveries.

    A point that could not be fitted (too many tracks) has no list, and so no value.
    """
    grid = grid_systems(baselines)
    values = {
        targets: {system: _value(figures, system, targets) for system in grid}
        for targets in ("all", "repeats", "discoveries")
    }
    tuned = {}
    for baseline in baselines:
        points = [system for system in grid if system.rsplit("#", 1)[0] == baseline.name]
        tuned[baseline.name] = grid[max(points, key=lambda system: values["all"][system])]
    best = [max(grid, key=lambda system: values[targets][system]) for targets in ("repeats", "discoveries")]
    if len(baselines) > 1:
        tuned[BEST_BLEND] = _blend_baselines(best[0], best[1], grid)
    return tuned


def _value(figures: Estimates, system: str, targets: str) -> float:
    figure = figures.figure(EstimateKey(system, _TUNING_METRIC, targets))
    return figure.value if figure else 0.0


def _blend_baselines(first: str, second: str, grid: TunedBaselines) -> tuple[Baseline, Parameters]:
    """Make a baseline of two points of a grid: the sum of their scores, each divided by the user's highest."""
    parts = (grid[first], grid[second])
    names = " + ".join(baseline.name for baseline, _ in parts)
    parameters = {f"{baseline.name}.{name}": value for baseline, point in parts for name, value in point.items()}
    entry = Baseline(
        name=BEST_BLEND,
        sentence=f"normalised sum of the best baseline for repeats and the best for discoveries: {names}",
        source="",
        grid=(parameters,),
        fit=partial(_fit, parts),
        score=partial(_score, parts),
        max_tracks=min(baseline.max_tracks for baseline, _ in parts),
    )
    return entry, parameters


_Parts = tuple[tuple[Baseline, Parameters], tuple[Baseline, Parameters]]


def _fit(parts: _Parts, plays: Interactions, parameters: Parameters) -> Arrays:
    return {
        f"{place}.{name}": array
        for place, (baseline, point) in enumerate(parts)
        for name, array in baseline.fit(plays, point).items()
    }


def _score(parts: _Parts, plays: Interactions, learned: Arrays, parameters: Parameters) -> np.ndarray:
    first, second = (
        baseline.score(plays, _part(learned, f"{place}."), point) for place, (baseline, point) in enumerate(parts)
    )
    return normalised_sum(first, second)


def _part(learned: Arrays, prefix: str) -> Mapping[str, np.ndarray]:
    return {name.removeprefix(prefix): array for name, array in learned.items() if name.startswith(prefix)}
