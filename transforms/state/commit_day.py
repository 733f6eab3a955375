"""Name the files of a day, when all are written: runs of later days start from them."""

from collections.abc import Iterable
from dataclasses import dataclass

import apache_beam as beam

from transforms.publishing.erasures import check_erasures
from transforms.state.state_days import (
    StateDay,
    StateFile,
    StatePlan,
    drop_old_days,
    newest_before,
    read_day,
    save_day,
)
from transforms.tables.artifacts import Single
from transforms.tables.buckets import Element
from transforms.tables.columns import to_table
from transforms.tables.counts import COUNTS, counts_frame
from transforms.tables.failures import RunFailedError
from transforms.tables.stage_counters import StageCounters


class StateChangedError(RunFailedError):
    """Another run added a day to the state, before that of this run, while this one was at work."""


@dataclass(eq=False)
class CommitDay(beam.PTransform):
    """Apply commit_day() to all StateFiles of a run, on one worker; yields empty COUNTS, for who waits for it."""

    plan: StatePlan
    started_at: str

    def expand(self, files: beam.PCollection) -> beam.PCollection:
        """Wait for all files."""
        commit = beam.Map(commit_day, self.started_at, beam.pvalue.AsList(files)).with_output_types(Element)
        return files.pipeline | Single(self.plan, StatePlan) | commit


def commit_day(plan: StatePlan, started_at: str, files: Iterable[StateFile]) -> Element:
    """Write the JSON of the day, and drop old days.

    Raises:
        ErasedMeanwhileError: users were erased from the state since the run started; nothing was written.
        StateChangedError: the day is not to be added to what the run has read; nothing was written.
    """
    with StageCounters("commit_day", 0):
        check_erasures(plan.path, started_at)
        earlier = plan.earlier or StateDay(plan.day, plan.num_buckets)
        before = (earlier.day, earlier.digest) if plan.earlier else ("", "")
        name = newest_before(plan.path, plan.day)
        if (name, read_day(plan.path, name).digest if name else "") != before:
            raise StateChangedError(
                f"another run has changed what {plan.path} had before {plan.day} ({name or 'no day'} is the newest"
                " now): run this day again"
            )
        save_day(plan.path, StateDay(plan.day, plan.num_buckets, *before, earlier.with_files(list(files))))
        drop_old_days(plan.path)
    return 0, to_table(counts_frame({}), COUNTS)
