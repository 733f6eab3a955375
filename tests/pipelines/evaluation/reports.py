"""A small report, made up: what the pages and tables print must come from it alone."""

from itertools import combinations
from typing import Any

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


def figure(
    system: str, metric: str, targets: str = "all", segment: str = "everyone", cutoff: str = ""
) -> dict[str, Any]:
    value = (len(system) * 7 + len(metric) * 3 + len(targets) * 5 + len(segment)) % 40 / 100 + 0.01
    has_interval = METRICS[metric][0] != "catalogue"
    ends = {"low": value - 0.005, "high": value + 0.005} if has_interval else {"low": None, "high": None}
    key = {"system": system, "metric": metric, "targets": targets, "segment": segment, "cutoff": cutoff}
    return {**key, "users": 50, "value": value, **ends}


def difference(one: str, other: str, kind: str) -> dict[str, Any]:
    value = figure(one, "ndcg@10", kind)["value"] - figure(other, "ndcg@10", kind)["value"]
    verdict = "better" if value > 0.01 else "worse" if value < -0.01 else "no difference"
    key = {"system": one, "against": other, "metric": "ndcg@10", "targets": kind, "segment": "everyone"}
    return {**key, "difference": value, "low": value - 0.01, "high": value + 0.01, "ratio": 1.1, "verdict": verdict}


def sample_report() -> dict[str, Any]:
    lists = [name for name, kind in SYSTEMS.items() if kind != "source"]
    sources = [name for name, kind in SYSTEMS.items() if kind == "source"]
    values = [
        *(figure(s, m, kind, cutoff=c) for s in SYSTEMS for m in ACCURACY for kind in KINDS for c in ("", *CUTOFFS)),
        *(figure(s, "ndcg@10", "all", segment) for s in SYSTEMS for segment in SEGMENTS),
        *(figure(s, m, kind) for s in ["candidates", *sources] for m in ("recall@500",) for kind in KINDS),
        *(figure(s, "marginal_recall", kind) for s in sources for kind in KINDS),
        *(figure(s, m) for s in lists for m in ("genre_kl", "repeat_share", "coverage@100")),
        *(figure(s, f"exposure_decile_{decile}") for s in lists for decile in range(10)),
        *(figure("page", m, kind) for m in ("ndcg_2d", "share_of_plays") for kind in KINDS),
        *(figure("page", "share_of_plays", kind, f"shelf: {shelf}") for kind in KINDS for shelf in ("a", "b")),
        figure("ranker", "auc"),
    ]  # fmt: skip
    counts = dict.fromkeys(
        ("events", "tracks", "users", "newcomers", "users_without_target", "targets", "repeats", "discoveries"), 1234
    )
    leak = {"check": "future_rise", "limit": 0.25, "sentence": "cannot know"}
    return {
        "homeshelf": "0.1.0",
        "protocol": {
            "cutoffs": list(CUTOFFS), "tuning_cutoff": "2025-12-24T00:00:00+00:00", "gap_minutes": 30.0,
            "horizon_days": 7.0, "seed": 1, "num_replicates": 400, "confidence": 0.95,
            "command": "homeshelf evaluate --events=e",
        },
        "data": [{"cutoff": cutoff, **counts, "unknown_track_plays": 0} for cutoff in CUTOFFS],
        "systems": {
            name: {"kind": kind, "sentence": f"what {name} is", "source": "", "parameters": {"decay": 0.5}}
            for name, kind in SYSTEMS.items()
        },
        "metrics": {
            name: {"group": group, "sentence": f"what {name} is", "source": "", "higher_is_better": higher}
            for name, (group, higher) in METRICS.items()
        },
        "values": values,
        "differences": [difference(*pair, kind) for pair in combinations(SYSTEMS, 2) for kind in KINDS],
        "calibration": [
            {"segment": "all", "low": p, "high": p + 0.1, "rows": 100, "mean_score": p, "positive_rate": 0.3}
            for p in (0.0, 0.1, 0.2, 0.3)
        ],
        "training": [
            {"cutoff": cutoff, "epochs": [{"epoch": 0, "loss": 0.5}, {"epoch": 1, "loss": 0.4}]} for cutoff in CUTOFFS
        ],
        "oracle_shares": None,
        "leaks": [
            {"system": "theirs", **leak, "value": 0.9, "is_suspect": True},
            {"system": "ranker", **leak, "value": 0.1, "is_suspect": False},
        ],
    }  # fmt: skip
