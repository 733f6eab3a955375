"""pages: cost and benefit of calibration and diversity, and pages against rows sorted by their mean score.

python -m tests.benchmarks.pages.pages out/cutoff          the same of one run that stood at an earlier moment (--as_of)
"""

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

import numpy as np
from rich.console import Console

from pipelines.cli import main
from pipelines.evaluation.estimates import compare_means
from pipelines.evaluation.report_data import MeanDifference
from pipelines.inputs.published import PublishedRun
from pipelines.options.options import RunOptions
from tests.benchmarks.child_process import in_child
from tests.benchmarks.pages.page_measures import Measures, Stage, measure
from tests.benchmarks.report import Figure, Section, Table, show
from tests.benchmarks.worlds import World
from tests.quality.listens import FLAGS_30MUSIC, LISTENS

CUTOFFS = tuple(datetime(2025, 12, day, 23, tzinfo=timezone.utc) for day in (17, 24))
CUTOFFS_30MUSIC = tuple(datetime(2014, 12, 30, tzinfo=timezone.utc) + timedelta(days=7 * week) for week in range(3))
CALIBRATIONS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0)
DIVERSITIES = (0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
CONFIDENCE = 0.95
KL_FALLS, NDCG_FALLS = 0.30, 0.01
# diversity and calibration
DEFAULT = (RunOptions.diversity, RunOptions.calibration)
WAYS = dict.fromkeys(
    (
        (0.0, 0.0),
        *((0.0, strength) for strength in CALIBRATIONS),
        *((strength, 0.0) for strength in DIVERSITIES),
        DEFAULT,
    )
)
BY_MEAN = "rows by their mean"
NDCG, KL, ARTISTS = "ndcg_2d, all", "genre_kl", "artists"
# way -> measure -> mean over users, plain and in every replicate
Means = dict[str, dict[str, np.ndarray]]


def way_of(diversity: float, calibration: float) -> str:
    """Name a way to compose pages."""
    return f"diversity {diversity:g}, calibration {calibration:g}"


class Log(NamedTuple):
    """A listening log: its name, flags of homeshelf run, and cutoffs."""

    name: str
    flags: list[str]
    cutoffs: Sequence[datetime]


@dataclass(frozen=True)
class Pages:
    """A sample world, and 30Music where it exists."""

    world: World
    is_small: bool

    def __call__(self) -> Section:
        """Run at each cutoff, and compose pages of the same candidates in every way."""
        tables = {"events": "events", "tracks": "tracks", "users_table": "users"}
        flags = [f"--{flag}={self.world.folder}/{name}" for flag, name in tables.items()]
        logs = [Log("sample world", flags, CUTOFFS)]
        if LISTENS.exists() and not self.is_small:
            logs.append(Log("30Music", FLAGS_30MUSIC, CUTOFFS_30MUSIC))
        found = {log.name: [_stand(log, cutoff) for cutoff in log.cutoffs] for log in logs}
        return section({name: add_up(cutoffs) for name, cutoffs in found.items()})


def _stand(log: Log, cutoff: datetime) -> dict[str, Measures]:
    found: dict[str, Measures] = in_child(at_cutoff, flags=log.flags, cutoff=cutoff.isoformat()).result
    return found


def at_cutoff(flags: list[str], cutoff: str) -> dict[str, Measures]:
    """Run the main job as of the cutoff, then measure its candidates' pages in every way."""
    with tempfile.TemporaryDirectory() as output:
        assert main(["run", *flags, f"--output={output}", f"--as_of={cutoff}"]) == 0
        return of_run(output)


def of_run(folder: str) -> dict[str, Measures]:
    """Compose the pages of a run in every way, and measure them."""
    stage = Stage(PublishedRun(folder))
    found = {way_of(*way): measure(stage, stage.pages(*way)) for way in WAYS}
    return found | {BY_MEAN: measure(stage, stage.rows_by_mean())}


def add_up(cutoffs: Sequence[dict[str, Measures]]) -> Means:
    """Return means over users of all cutoffs, plain and in every replicate; metrics without any user are left out."""
    sums = {
        way: {name: np.sum([cutoff[way][name] for cutoff in cutoffs], axis=0) for name in cutoffs[0][way]}
        for way in cutoffs[0]
    }
    return {
        way: {name: total / np.maximum(users, 1) for name, (total, users) in of.items() if users[0]}
        for way, of in sums.items()
    }


def section(found: dict[str, Means]) -> Section:
    """Return the figures and tables."""
    return Section(
        "pages: re-ranking, and rows by their mean",
        "The job as of each cutoff, then its candidates composed in every way. Pages are evaluated on what was played"
        " in the week after, as by `homeshelf evaluate` (ndcg_2d). genre_kl is of the whole page's first genres from"
        " those of the plays before, in nats; artists: the share of the pairs on a shelf that are by different ones."
        " Differences are paired, with 95 % intervals over users. 30Music has neither genres nor artists.",
        [figure for log, means in found.items() for figure in _figures(log, means)],
        [table for log, means in found.items() for table in _tables(log, means)],
    )


def _figures(log: str, means: Means) -> list[Figure]:
    joint, by_mean = means[way_of(0, 0)][NDCG], means[BY_MEAN][NDCG]
    against = compare_means(joint, by_mean, CONFIDENCE)
    default = way_of(*DEFAULT)
    figures = [
        Figure(
            f"{log}: ndcg_2d, composed jointly / {BY_MEAN}",
            f"{joint[0]:.4f} / {by_mean[0]:.4f}: {_signed(against)}",
            "interval above 0",
            against.low > 0,
            "",
        )
    ]
    if KL in means[default]:
        falls = 1 - means[default][KL][0] / means[way_of(0, 0)][KL][0]
        costs = 1 - means[default][NDCG][0] / joint[0]
        figures += [
            Figure(f"{log}: genre KL with {default}, falls by", f"{falls:.0%}", "at least 30%", falls >= KL_FALLS, ""),
            Figure(f"{log}: ndcg_2d with it, falls by", f"{costs:.1%}", "at most 1%", costs <= NDCG_FALLS, ""),
        ]
    return figures


def _tables(log: str, means: Means) -> list[Table]:
    plain = means[way_of(0, 0)]
    columns = ("page", NDCG, "difference", "repeats", "discoveries", KL, "to none", ARTISTS)
    rows = []
    for way, of in means.items():
        difference = "" if of is plain else _signed(compare_means(of[NDCG], plain[NDCG], CONFIDENCE))
        kl = (f"{of[KL][0]:.3f}", f"{of[KL][0] / plain[KL][0] - 1:+.0%}") if KL in of else ("", "")
        by_kind = (f"{of[f'ndcg_2d, {kind}'][0]:.4f}" for kind in ("repeats", "discoveries"))
        artists = f"{of[ARTISTS][0]:.3f}" if ARTISTS in of else ""
        rows.append((way, f"{of[NDCG][0]:.4f}", difference, *by_kind, *kl, artists))
    return [Table(log, columns, rows)]


def _signed(one: MeanDifference) -> str:
    return f"{one.difference:+.4f} ({one.low:+.4f} to {one.high:+.4f})"


if __name__ == "__main__":
    show(Console(width=150), section({sys.argv[1]: add_up([of_run(sys.argv[1])])}))
