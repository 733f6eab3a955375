import polars as pl
import pytest

from pipelines.evaluation.leak_checks import LeakInputs, find_leaks
from tests.pipelines.evaluation.made_up_sums import constant_estimates, ndcg
from transforms.evaluation.schemas import SCORE_BINS
from transforms.evaluation.write_metrics import CutoffSummary


def summary(future_rise: float) -> CutoffSummary:
    rows = [{"system": name, "metric": "future_rise", "value": future_rise} for name in ("seer", "honest")]
    return CutoffSummary("", {}, pl.DataFrame(rows), SCORE_BINS.frame(), None)


DISCOVERIES = {ndcg(name, "discoveries"): 0.03 for name in ("seer", "honest", "other")}
RECALLS = {(name, "recall@100", "discoveries"): 0.1 for name in ("seer", "honest")}
LATE = {("seer", "recall@100", "late"): 0.9, ("honest", "recall@100", "late"): 0.1}


@pytest.mark.parametrize(
    ("values", "future_rise", "suspect"),
    [
        (DISCOVERIES, 0.2, set()),
        ({**DISCOVERIES, ndcg("seer", "discoveries"): 0.2}, 0.2, {("seer", "ahead")}),
        (DISCOVERIES, 2.5, {("seer", "future_rise"), ("honest", "future_rise")}),
        ({**DISCOVERIES, **RECALLS, **LATE}, 0.2, {("seer", "late")}),
    ],
)
def test_what_no_system_can_know_is_suspect(values: dict, future_rise: float, suspect: set) -> None:
    estimates = constant_estimates(values)
    leaks = find_leaks(LeakInputs([summary(future_rise)], estimates, ["seer", "honest", "other"]))
    assert {(leak.system, leak.check) for leak in leaks if leak.is_suspect} == suspect
