"""Write the sums over logged choices as one Parquet file."""

from collections.abc import Sequence
from dataclasses import dataclass

import apache_beam as beam
import polars as pl

from transforms.experiments.off_policy.choice_sums import merge_choice_sums
from transforms.experiments.off_policy.schemas import CHOICE_SUMS
from transforms.tables.artifacts import Single
from transforms.tables.buckets import Element, as_side_input
from transforms.tables.columns import to_frame, to_table
from transforms.tables.files import parquet_bytes, write_atomically
from transforms.tables.stage_counters import StageCounters


@dataclass(eq=False)
class WriteChoiceSums(beam.PTransform):
    """Applied to the pipeline; yields the path of the file. sums: CHOICE_SUMS of each run of the target, one table."""

    path: str
    sums: Sequence[beam.PCollection]

    def expand(self, root: beam.Pipeline) -> beam.PCollection:
        """Write on one worker."""
        return root | Single(self.path) | beam.Map(write_choice_sums, *map(as_side_input, self.sums))


def write_choice_sums(path: str, *sums: Element) -> str:
    """Add up the sums, write them and return the path."""
    with StageCounters("write_choice_sums", 0):
        added = merge_choice_sums(pl.concat([CHOICE_SUMS.frame(), *(to_frame(table) for _, table in sums)]))
        write_atomically(path, parquet_bytes(to_table(added, CHOICE_SUMS)))
    return path
