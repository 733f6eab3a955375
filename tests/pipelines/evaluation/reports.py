"""A small made-up report: pages and tables must print its values and no others."""

import json
from itertools import combinations

from pipelines.evaluation.report_data import (
    CalibrationGroup,
    CutoffData,
    EvaluationReport,
    Leak,
    MetricDescription,
    MetricValue,
    Protocol,
    SystemDifference,
    TrainingCurve,
    report_from_json,
    report_to_json,
)
from transforms.evaluation.metrics.system import System

SYSTEMS = {
    "page": "ours",
    "ranker": "ours",
    "candidates": "ours",
    "repeats": "source",
    "popular": "source",
    "act_r": "baseline",
    "ease": "baseline",
    "theirs": "given",
}
KINDS = ("all", "repeats", "discoveries")
CUTOFFS = ("2026-01-01T00:00:00+00:00", "2026-01-08T00:00:00+00:00")
ACCURACY = ("ndcg@10", "recall@100")
SEGMENTS = ("history: 0", "history: 5-19", "genre: rock")
METRICS = {
    "ndcg@10": ("accuracy", True),
    "recall@100": ("accuracy", True),
    "recall@500": ("candidates", True),
    "marginal_recall": ("candidates", True),
    "coverage@100": ("catalogue", True),
    "auc": ("ranker", True),
    "ndcg_2d": ("page", True),
    "share_of_plays": ("page", True),
    "genre_kl": ("list", False),
    "repeat_share": ("list", None),
    **{f"exposure_decile_{decile}": ("catalogue", None) for decile in range(10)},
}


def value_of(
    system: str, metric: str, targets: str = "all", segment: str = "everyone", cutoff: str = ""
) -> MetricValue:
    value = (len(system) * 7 + len(metric) * 3 + len(targets) * 5 + len(segment)) % 40 / 100 + 0.01
    interval = (None, None) if METRICS[metric][0] == "catalogue" else (value - 0.005, value + 0.005)
    return MetricValue(system, metric, targets, segment, cutoff, 50, value, *interval)


def difference(one: str, other: str, kind: str) -> SystemDifference:
    value = value_of(one, "ndcg@10", kind).value - value_of(other, "ndcg@10", kind).value
    verdict = "better" if value > 0.01 else "worse" if value < -0.01 else "no difference"
    interval = (value - 0.01, value + 0.01)
    return SystemDifference(one, other, "ndcg@10", kind, "everyone", value, *interval, 1.1, verdict)


def system(name: str, kind: str) -> System:
    return System(name, kind, f"what {name} is", "", {"decay": 0.5})


def sample_report() -> EvaluationReport:
    lists = [name for name, kind in SYSTEMS.items() if kind != "source"]
    sources = [name for name, kind in SYSTEMS.items() if kind == "source"]
    values = [
        *(value_of(s, m, kind, cutoff=c) for s in SYSTEMS for m in ACCURACY for kind in KINDS for c in ("", *CUTOFFS)),
        *(value_of(s, "ndcg@10", "all", segment) for s in SYSTEMS for segment in SEGMENTS),
        *(value_of(s, "recall@500", kind) for s in ["candidates", *sources] for kind in KINDS),
        *(value_of(s, "marginal_recall", kind) for s in sources for kind in KINDS),
        *(value_of(s, m) for s in lists for m in ("genre_kl", "repeat_share", "coverage@100")),
        *(value_of(s, f"exposure_decile_{decile}") for s in lists for decile in range(10)),
        *(value_of("page", m, kind) for m in ("ndcg_2d", "share_of_plays") for kind in KINDS),
        *(value_of("page", "share_of_plays", kind, f"shelf: {shelf}") for kind in KINDS for shelf in ("a", "b")),
        value_of("ranker", "auc"),
    ]  # fmt: skip
    return EvaluationReport(
        homeshelf="0.1.0",
        protocol=Protocol(
            list(CUTOFFS), "2025-12-24T00:00:00+00:00", 30.0, 7.0, 1, 400, 0.95, "homeshelf evaluate --events=e"
        ),
        data=[CutoffData(cutoff, *[1234] * 7, unknown_track_plays=0, users_without_target=1234) for cutoff in CUTOFFS],
        systems={name: system(name, kind) for name, kind in SYSTEMS.items()},
        metrics={
            name: MetricDescription(group, f"what {name} is", "", higher) for name, (group, higher) in METRICS.items()
        },
        values=values,
        differences=[difference(*pair, kind) for pair in combinations(SYSTEMS, 2) for kind in KINDS],
        calibration=[CalibrationGroup("all", p, p + 0.1, 100, p, 0.3) for p in (0.0, 0.1, 0.2, 0.3)],
        training=[TrainingCurve(cutoff, [{"epoch": 0, "loss": 0.5}, {"epoch": 1, "loss": 0.4}]) for cutoff in CUTOFFS],
        oracle_shares=None,
        leaks=[
            Leak("theirs", "future_rise", 0.9, 0.25, True, "cannot know"),
            Leak("ranker", "future_rise", 0.1, 0.25, False, "cannot know"),
        ],
    )


def with_names(report: EvaluationReport, text: str) -> EvaluationReport:
    """The report with another name of the system and genre that come from outside."""
    quoted = json.dumps(text)[1:-1]
    return report_from_json(report_to_json(report).replace("theirs", quoted).replace("rock", quoted))
