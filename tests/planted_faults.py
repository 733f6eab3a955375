"""The faults that tests/mutations.py plants."""

from dataclasses import dataclass
from pathlib import Path


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
        "union.filter(~disliked) if disliked.any()",
        "union.filter(~disliked) if disliked.all()",
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
        "users, position * STEPS_PER_POSITION,",
        "users, 0,",
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
