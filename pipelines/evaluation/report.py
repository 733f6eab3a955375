"""Build the report from the results of all cutoffs: every number that is printed or drawn, as plain JSON."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from itertools import combinations
from typing import Any, NamedTuple

import polars as pl

from pipelines.evaluation.calibration import BIN_METRICS, calibration_groups, calibration_values
from pipelines.evaluation.figures import EstimateKey, Estimates
from pipelines.evaluation.leak_checks import find_leaks
from pipelines.evaluation.tuning import TunedBaselines
from pipelines.options.evaluation_options import EvaluateOptions
from transforms.candidates.sources import SOURCES
from transforms.evaluation.list_metrics import EVERYONE
from transforms.evaluation.metrics import METRICS, RECALL_DEPTHS, Metric
from transforms.evaluation.schemas import FIRST_STAGE, PAGE, RANKER

CONFIDENCE = 0.95
HEADLINE_TARGETS = ("all", "repeats", "discoveries")
# Every pair of systems that have these is compared on them.
COMPARED = ("ndcg@10", "ndcg@100", "recall@100", "recall@500")
OURS = {
    PAGE: "the page as it is read: shelf by shelf, track by track",
    RANKER: "the candidates as the ranker orders them",
    FIRST_STAGE: "the candidates of all sources, merged by a fitted logistic regression",
}
# Of candidates, and of baselines whose lists are as long.
OF_CANDIDATES = ("recall@20", "recall@50", "recall@200", "recall@500")
_GROUPS = {"hits": "accuracy", "page": "page", "list": "list", "scored": "ranker"}
CATALOGUE = {
    "coverage@10": ("share of the catalogue that stands in the first 10 places of anyone", True),
    "coverage@100": ("share of the catalogue that stands in the first 100 places of anyone", True),
    "gini@100": ("Gini coefficient of how often tracks stand in the first 100 places; 1: one track has all", False),
    **{
        f"exposure_decile_{decile}": (
            f"share of the first 100 places in popularity decile {decile}, 0 being the head",
            None,
        )
        for decile in range(10)
    },
}


class CutoffResult(NamedTuple):
    """What one cutoff left behind."""

    about: dict[str, Any]
    sums: pl.DataFrame


def make_report(
    measured: Sequence[CutoffResult],
    options: EvaluateOptions,
    *,
    tuned: TunedBaselines,
    tuned_at: datetime | None,
    lists: Sequence[str],
    command: str,
) -> dict[str, Any]:
    """Return the report of all cutoffs."""
    abouts = [one.about for one in measured]
    pooled = Estimates.from_cutoffs([one.sums for one in measured], CONFIDENCE)
    systems = {
        name: entry for name, entry in _systems(tuned, lists, options.list_depth).items() if name in _listed(abouts)
    }
    values = [*_values(pooled, systems, ""), *_catalogue_values(abouts, systems), *calibration_values(abouts)]
    for one in measured:
        values += _values(Estimates.from_cutoffs([one.sums], CONFIDENCE), systems, one.about["cutoff"])
    return {
        "homeshelf": version("homeshelf"),
        "protocol": {
            "cutoffs": [about["cutoff"] for about in abouts],
            "tuning_cutoff": tuned_at and tuned_at.isoformat(),
            "gap_minutes": options.gap_minutes,
            "horizon_days": options.horizon_days,
            "seed": options.seed,
            "num_replicates": options.num_replicates,
            "confidence": CONFIDENCE,
            "command": command,
        },
        "data": [_data(about) for about in abouts],
        "systems": systems,
        "metrics": describe_metrics(),
        "values": values,
        "differences": list(_differences(pooled, systems)),
        "calibration": calibration_groups(abouts),
        "training": [
            {"cutoff": about["cutoff"], "epochs": about["training"]["epochs"]} for about in abouts if about["training"]
        ],
        "oracle_shares": _oracle_shares(pooled, systems, options.oracle),
        "leaks": find_leaks(abouts, pooled, [name for name in systems if name != options.oracle]),
    }


def cutoff_folder(cutoff: str) -> str:
    """Name the folder of a cutoff, given as ISO text, below the evaluation's."""
    return f"cutoff={datetime.fromisoformat(cutoff):%Y%m%dT%H%M%S}"


def _listed(abouts: Sequence[Mapping[str, Any]]) -> set[str]:
    """The systems that have a list at any cutoff."""
    return {row["system"] for about in abouts for row in about["catalogue"]}


def _systems(tuned: TunedBaselines, lists: Sequence[str], list_depth: int) -> dict[str, dict[str, Any]]:
    """All systems in the order in which they are shown."""

    def entry(
        kind: str, sentence: str, source: str = "", parameters: Mapping[str, float] | None = None
    ) -> dict[str, Any]:
        return {"kind": kind, "sentence": sentence, "source": source, "parameters": dict(parameters or {})}

    return {
        **{name: entry("ours", sentence) for name, sentence in OURS.items()},
        **{source.name: entry("source", source.sentence) for source in SOURCES},
        **{
            name: {**entry("baseline", baseline.sentence, baseline.source, parameters), "list_depth": list_depth}
            for name, (baseline, parameters) in tuned.items()
        },
        **{name: entry("given", "a list that was given") for name in lists},
    }


def _data(about: Mapping[str, Any]) -> dict[str, Any]:
    counts = about["counts"]
    names = ("events", "tracks", "users", "newcomers", "targets", "repeats", "discoveries", "unknown_track_plays")
    without = counts["users_before"] - counts["users"]
    return {"cutoff": about["cutoff"], **{name: counts[name] for name in names}, "users_without_target": without}


def describe_metrics() -> dict[str, dict[str, Any]]:
    """Return what every metric is: group, sentence, source and whether more is better."""

    def entry(metric: Metric) -> dict[str, Any]:
        group = "candidates" if metric.name in (*OF_CANDIDATES, "marginal_recall") else _GROUPS[metric.over]
        return {
            "group": group,
            "sentence": metric.sentence,
            "source": metric.source,
            "higher_is_better": metric.higher_is_better,
        }

    of_catalogue = {
        name: {"group": "catalogue", "sentence": sentence, "source": "", "higher_is_better": higher}
        for name, (sentence, higher) in CATALOGUE.items()
    }
    return {**{metric.name: entry(metric) for metric in METRICS}, **BIN_METRICS, **of_catalogue}


def _values(figures: Estimates, systems: Mapping[str, Mapping[str, Any]], cutoff: str) -> Iterator[dict[str, Any]]:
    """Every figure that has a meaning: of one cutoff, or ("") of all together; single cutoffs without segments."""
    for key in _keys(figures, systems):
        if cutoff and key.segment != EVERYONE:
            continue
        if figure := figures.figure(key):
            yield {
                **key._asdict(),
                "targets": key.targets or "all",
                "cutoff": cutoff,
                "users": round(figure.users),
                "value": figure.value,
                "low": figure.low,
                "high": figure.high,
            }


def _keys(figures: Estimates, systems: Mapping[str, Mapping[str, Any]]) -> Iterator[EstimateKey]:
    """In order of system, metric, kind of targets and segment; a list without any hit has figures too."""
    found = set(figures.keys())
    segments = sorted({key.segment for key in found})
    for system, entry in systems.items():
        for metric in METRICS:
            if not _has_meaning(metric, system, entry):
                continue
            if metric.over in ("list", "scored"):
                yield EstimateKey(system, metric.name, "")
                continue
            for targets in (*HEADLINE_TARGETS, "tail"):
                yield EstimateKey(system, metric.name, targets)
                if metric.is_by_segment and targets != "tail":
                    of_users = (one for one in segments if one != EVERYONE and not one.startswith("shelf: "))
                    yield from (EstimateKey(system, metric.name, targets, segment) for segment in of_users)
            if metric.name == "share_of_plays":
                shelves = (one for one in segments if one.startswith("shelf: "))
                yield from (
                    EstimateKey(system, metric.name, targets, shelf)
                    for targets in HEADLINE_TARGETS
                    for shelf in shelves
                )


def _has_meaning(metric: Metric, system: str, entry: Mapping[str, Any]) -> bool:
    if metric.over == "page":
        return system == PAGE
    if metric.over == "scored":
        return system == RANKER
    if metric.name == "marginal_recall":
        return entry["kind"] == "source"
    is_long = (
        entry["kind"] == "source" or system in (FIRST_STAGE, RANKER) or entry.get("list_depth", 0) >= RECALL_DEPTHS[-1]
    )
    return metric.name not in OF_CANDIDATES or is_long


def _catalogue_values(abouts: Sequence[Mapping[str, Any]], systems: Mapping[str, object]) -> Iterator[dict[str, Any]]:
    """What lists show altogether has no mean over users, and so no interval: of several cutoffs the mean is printed."""
    rows = [{**row, "cutoff": about["cutoff"]} for about in abouts for row in about["catalogue"]]
    for system in systems:
        for metric in CATALOGUE:
            from_cutoffs = [row for row in rows if row["system"] == system and row["metric"] == metric]
            shared = {
                "system": system,
                "metric": metric,
                "targets": "all",
                "segment": EVERYONE,
                "low": None,
                "high": None,
            }
            users = {about["cutoff"]: about["counts"]["users"] + about["counts"]["newcomers"] for about in abouts}
            for row in from_cutoffs:
                yield {**shared, "cutoff": row["cutoff"], "users": users[row["cutoff"]], "value": row["value"]}
            if from_cutoffs:
                mean = sum(row["value"] for row in from_cutoffs) / len(from_cutoffs)
                yield {**shared, "cutoff": "", "users": sum(users.values()), "value": mean}


def _differences(figures: Estimates, systems: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    of_name = {metric.name: metric for metric in METRICS}
    for (one, other), metric, targets in (
        (pair, metric, targets)
        for pair in combinations(systems, 2)
        for metric in COMPARED
        for targets in HEADLINE_TARGETS
    ):
        if not all(_has_meaning(of_name[metric], system, systems[system]) for system in (one, other)):
            continue
        compared = figures.difference(EstimateKey(one, metric, targets), EstimateKey(other, metric, targets))
        if compared:
            shared = {"system": one, "against": other, "metric": metric, "targets": targets, "segment": EVERYONE}
            yield {**shared, **compared}


def _oracle_shares(figures: Estimates, systems: Mapping[str, object], oracle: str) -> dict[str, Any] | None:
    """Which share every system has of what a list made with full knowledge reaches."""
    if not oracle:
        return None
    shares = []
    for system in systems:
        for metric in ("ndcg@10", "recall@100"):
            for targets in HEADLINE_TARGETS:
                found, most = (figures.figure(EstimateKey(name, metric, targets)) for name in (system, oracle))
                if found and most and most.value:
                    share = found.value / most.value
                    shares.append({"system": system, "metric": metric, "targets": targets, "share": share})
    return {"system": oracle, "shares": shares}
