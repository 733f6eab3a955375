"""Errors of the off-policy estimators on planted logs: python -m tests.benchmarks.experiments.off_policy.

Root mean squared error as a share of the true value, and effective slates as a share of all; coverage of the 95 %
intervals of the three estimators that homeshelf replay reports.
"""

import numpy as np

from pipelines.replay.report_data import DIAGNOSTICS, ESTIMATORS
from tests.planted_policies import PlantedWorld
from transforms.evaluation.bootstrap import percentile_interval
from transforms.experiments.off_policy.choice_sums import ChoiceSums
from transforms.experiments.off_policy.refusals import LogChecks
from transforms.experiments.off_policy.sum_choices import sum_choices

NUM_LOGS, NUM_SLATES, NUM_REPLICATES = 12, 4_000, 200
SETTINGS = ((5, 0.3), (10, 0.3), (20, 0.3), (10, 0.8))
ALL = {**DIAGNOSTICS, **ESTIMATORS}


def main() -> None:
    """Print one row of a Markdown table for each setting."""
    print(f"| K, shift of scores | effective at 1, 3, K | refused | {' | '.join(ALL)} | covered |")
    print(f"| --- | --- | ---: |{' ---: |' * (len(ALL) + 1)}")
    for length, shift in SETTINGS:
        print(_row(length, shift), flush=True)


def _row(length: int, shift: float) -> str:
    errors: dict[str, list[float]] = {name: [] for name in ALL}
    shares, covered, refused = [], [], 0
    for number in range(NUM_LOGS):
        world = PlantedWorld.draw(number, length, shift)
        truth = world.value()
        log = world.log(100 + number, NUM_SLATES)
        sums = ChoiceSums(sum_choices(log, made="page", num_replicates=NUM_REPLICATES, seed=1))
        checks = LogChecks(sums)
        refused += bool(checks.reasons())
        shares.append([checks.support[place].effective_share for place in (0, 2, length - 1)])
        for name, estimator in ALL.items():
            value = estimator(sums)
            errors[name].append(value[0] / truth - 1)
            if name in ESTIMATORS:
                low, high = percentile_interval(value[1:], 0.95)
                covered.append(low < truth < high)
    share = " ".join(f"{one:.2f}" for one in np.mean(shares, axis=0))
    cells = " | ".join(f"{np.sqrt(np.mean(np.square(one))):.3f}" for one in errors.values())
    return f"| {length}, {shift} | {share} | {refused} of {NUM_LOGS} | {cells} | {np.mean(covered):.0%} |"


if __name__ == "__main__":
    main()
