"""Plant faults in the product, one at a time, and run the tests of the folder: which faults do they catch?

python -m tests.mutations                 all faults, in a copy of the project
python -m tests.mutations clean_events    those whose file has this in its path
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
_TIMEOUT_SECONDS = 600


@dataclass(frozen=True)
class Fault:
    """A fault: `right` stands once in the file, and `wrong` is planted in its place.

    tests: the folder or file of tests that must catch it; empty: the folder of tests of the file's folder.
    """

    kind: str
    file: str
    right: str
    wrong: str
    tests: str = ""

    @property
    def tested_by(self) -> str:
        """Return the tests that must catch the fault."""
        return self.tests or f"tests/{Path(self.file).parent}"


FAULTS = (
    Fault("cleaning", "transforms/events/clean_events.py", 'pl.col("ms_played") < 0', 'pl.col("ms_played") < -1'),
    Fault(
        "cleaning", "transforms/events/clean_events.py", 'pl.col("arrived_at") >= as_of', 'pl.col("arrived_at") > as_of'
    ),
    Fault(
        "cleaning",
        "transforms/events/heavy_users.py",
        'distinct = events.select("user_id", "track", "played_at").unique()',
        'distinct = events.select("user_id", "track", "played_at")',
    ),
    Fault("deduplication", "transforms/events/order_histories.py", 'if name != "known_at")', "if True)"),
    Fault(
        "deduplication",
        "transforms/events/match_impressions.py",
        'keep="first", maintain_order=True)',
        'keep="last", maintain_order=True)',
    ),
    Fault(
        "time cut",
        "transforms/candidates/user_history.py",
        'past = plays.filter(pl.col("known_at") < as_of)',
        'past = plays.filter(pl.col("played_at") < as_of)',
    ),
    Fault(
        "time cut",
        "transforms/evaluation/split_log.py",
        'return plays.filter(pl.col("known_at") < cutoff_at)',
        'return plays.filter(pl.col("known_at") <= cutoff_at)',
    ),
    Fault(
        "time cut",
        "transforms/features/label_outcomes.py",
        'later = pl.concat([played, others]).filter(pl.col("played_at") >= as_of)',
        'later = pl.concat([played, others]).filter(pl.col("played_at") > as_of)',
    ),
    Fault(
        "time cut",
        "transforms/catalog/co_listening.py",
        'key = known.select(pl.when(pl.col("known_at") < moment)',
        'key = known.select(pl.when(pl.col("known_at") <= moments[-1])',
    ),
    Fault("sources", "transforms/candidates/co_listened.py", "is_more = value > most[target]", "is_more = value > 0"),
    Fault(
        "sources",
        "transforms/candidates/repeat_sources.py",
        'filter(pl.col("plays_of_track") > 0)',
        'filter(pl.col("plays_of_track") >= 0)',
    ),
    Fault(
        "sources",
        "transforms/catalog/neighbours.py",
        "np.repeat(damping[0][present], np.diff(sums.indptr)) * damping[1][sums.indices]",
        "np.repeat(damping[0][present], np.diff(sums.indptr))",
    ),
    Fault(
        "features",
        "transforms/candidates/user_history.py",
        "skips_of_track=(is_play & ~is_listened_play).sum()",
        "skips_of_track=(~is_listened_play).sum()",
    ),
    Fault(
        "features",
        "transforms/features/features.py",
        'pl.col("plays_of_artist") / pl.col("user_plays")',
        'pl.col("plays_of_artist") / (pl.col("user_plays") + 1)',
    ),
    Fault("rewards", "transforms/features/rewards.py", "_LISTENED.sum() >= 2, 0.3", "_LISTENED.sum() > 2, 0.3"),
    Fault("rewards", "transforms/features/rewards.py", "np.maximum(total, 0.0)", "np.asarray(total)"),
    Fault(
        "merging",
        "transforms/candidates/blending.py",
        'union.join(context.history.disliked, on=["user_id", "track"], how="anti")',
        'union.join(context.history.disliked, on=["user_id"], how="anti")',
    ),
    Fault(
        "merging",
        "transforms/candidates/blending.py",
        'rank = rank_in_group("user_id")',
        'rank = rank_in_group("user_id") + 1',
    ),
    Fault(
        "calibration",
        "models/ranker/platt.py",
        "bins = min(_NUM_BINS, max(1, len(order) // _ROWS_PER_BIN))",
        "bins = 1",
    ),
    Fault("calibration", "models/ranker/platt.py", "prior = np.array([1.0, 0.0])", "prior = np.array([0.0, 0.0])"),
    Fault(
        "shelves",
        "transforms/pages/composition/compose.py",
        "is_open=is_open & (size >= traits.minimum)",
        "is_open=is_open & (size > 0)",
        tests="tests/transforms/pages",
    ),
    Fault(
        "shelves",
        "transforms/pages/composition/fill_shelves.py",
        "is_barred = (unplayed >= pool.size - rank)",
        "is_barred = (unplayed > pool.size - rank)",
        tests="tests/transforms/pages",
    ),
    Fault(
        "rules",
        "transforms/pages/rules/rule_kinds.py",
        "near = slice(max(position - self.apart + 1, 0), position + self.apart)",
        "near = slice(max(position - self.apart + 1, 0), position)",
        tests="tests/transforms/pages",
    ),
    Fault(
        "rules",
        "transforms/pages/rules/constraints.py",
        "cap = np.where(is_for, np.minimum(cap, most), cap)",
        "cap = np.minimum(cap, most)",
        tests="tests/transforms/pages",
    ),
    Fault(
        "propensities",
        "transforms/pages/composition/sampling.py",
        "[:, 0] / total)",
        "[:, 0] / weight.max(axis=1))",
    ),
    Fault(
        "propensities",
        "transforms/pages/composition/compose.py",
        "users, position * STEPS_PER_POSITION)",
        "users, 0)",
        tests="tests/transforms/pages",
    ),
    Fault(
        "publishing order",
        "transforms/publishing/publish_run.py",
        "        raise GateFailedError(f\"{'; '.join(manifest.gate.failed)};",
        '        write_atomically(f"{publication.day_folder}/{POINTER}", f"{publication.run}\\n".encode())\n'
        "        raise GateFailedError(f\"{'; '.join(manifest.gate.failed)};",
    ),
    Fault(
        "publishing order",
        "transforms/publishing/publish_run.py",
        "    check_counts(events, publication.gate.max_rejected_fraction)\n",
        "",
    ),
    Fault("pointer", "transforms/publishing/publish_run.py", "    if publication.moves_pointer:", "    if True:"),
    Fault(
        "pointer",
        "pipelines/runs/rollback.py",
        'whole = [run for run in of_day if run.state in ("whole", "current")]',
        "whole = of_day",
    ),
    Fault(
        "pointer",
        "pipelines/runs/prune.py",
        "    kept += found.current[-1:]\n",
        "",
    ),
    Fault(
        "erasure",
        "transforms/events/drop_erased.py",
        ".fill_null(True))",
        ".fill_null(False))",
    ),
    Fault(
        "erasure",
        "pipelines/runs/erasure.py",
        "return is_same and rows is not None and not rows.num_hits",
        "return is_same",
    ),
    Fault(
        "metrics",
        "transforms/evaluation/metrics/beyond_accuracy.py",
        'same = (pl.col(f"same_{column}") - 1).sum()',
        'same = pl.col(f"same_{column}").sum()',
    ),
    Fault(
        "metrics", "transforms/evaluation/metrics/accuracy.py", "_RANK.filter(_RANK < k)", "_RANK.filter(_RANK <= k)"
    ),
    Fault(
        "bootstrap",
        "transforms/evaluation/bootstrap.py",
        "tail = 50 * (1 - confidence)",
        "tail = 100 * (1 - confidence)",
    ),
    Fault(
        "bootstrap",
        "transforms/evaluation/bootstrap.py",
        "np.concatenate([np.ones((len(keys), 1)), _COUNT[bits]], axis=1)",
        "np.concatenate([_COUNT[bits], np.ones((len(keys), 1))], axis=1)",
    ),
)


def find_stale_faults() -> list[Fault]:
    """Return the faults whose text does not stand once in their file."""
    return [fault for fault in FAULTS if (ROOT / fault.file).read_text().count(fault.right) != 1]


def is_caught(fault: Fault, copy: Path) -> tuple[str, float]:
    """Plant a fault in a copy of the project, run its tests; return the first test that failed and the seconds."""
    path, started = copy / fault.file, time.monotonic()
    before = path.read_text()
    path.write_text(before.replace(fault.right, fault.wrong))
    command = [sys.executable, "-m", "pytest", "-x", "--durations=0", "--durations-min=1000", "-p", "no:cacheprovider"]
    try:
        done = subprocess.run(
            [*command, fault.tested_by], cwd=copy, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS
        )
        failed = [line.split(" - ")[0] for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
        caught = failed[0] if failed else "" if not done.returncode else done.stdout[-200:]
    except subprocess.TimeoutExpired:
        caught = f"no end within {_TIMEOUT_SECONDS} s"
    finally:
        path.write_text(before)
    return caught.removeprefix("FAILED ").removeprefix("ERROR "), time.monotonic() - started


def copy_project(folder: Path) -> Path:
    """Copy the files that git knows, and link ../shared beside them."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    copy = folder / "project"
    for name in listed.stdout.split("\0")[:-1]:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes((ROOT / name).read_bytes())
    if (shared := ROOT.parent / "shared").exists():
        (folder / "shared").symlink_to(shared)
    return copy


def run_faults(faults: Sequence[Fault], folder: Path) -> int:
    """Print a table row for each fault as its tests end; return how many faults no test caught."""
    copy, missed = copy_project(folder), 0
    for fault in faults:
        caught, seconds = is_caught(fault, copy)
        missed += not caught
        print(f"| {fault.kind} | {fault.file} | {caught or 'NOT CAUGHT'} | {seconds:.0f} s |", flush=True)
    return missed


def main(argv: Sequence[str]) -> int:
    """Run the faults whose file matches; return 1 if more than one in thirty is missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__)
    parser.add_argument("only", nargs="?", default="", help="a part of the path of a file")
    parser.add_argument("--jobs", type=int, default=1, help="copies of the project that are tested at a time")
    options = parser.parse_args(argv)
    if stale := find_stale_faults():
        parser.error("the text to replace is not there once: " + "; ".join(f"{one.file}: {one.right}" for one in stale))
    faults = [fault for fault in FAULTS if options.only in fault.file]
    print("| fault in | file | caught by | time |\n|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(options.jobs) as threads:
        folders = [Path(folder) / str(number) for number in range(options.jobs)]
        parts = [faults[number :: options.jobs] for number in range(options.jobs)]
        missed = sum(threads.map(run_faults, parts, folders))
    print(f"{len(faults) - missed} of {len(faults)} caught")
    return int(missed * 30 > len(faults))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
