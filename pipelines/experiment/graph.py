"""The graph of an experiment: events, assignments and exposures become sums by arm and day."""

import json
from datetime import datetime
from pathlib import Path

import apache_beam as beam
import polars as pl

from pipelines.experiment.experiment_plan import ExperimentPlan
from pipelines.fit_models import write_table
from pipelines.inputs.inputs import InputTable
from pipelines.listening_log import ListeningLog, read_listening_log
from transforms.catalog.build_catalog import add_statistics, count_tracks, sum_track_counts
from transforms.catalog.catalog import open_catalog, write_catalog
from transforms.catalog.track_codes import open_tracks
from transforms.events.drop_erased import DropErased
from transforms.experiments.readout.clean_enrolments import CleanEnrolments, reject_enrolments
from transforms.experiments.readout.enrol_users import (
    EnrolUsers,
    count_rejected_rows,
    count_users_by_arm,
    reject_unused_rows,
)
from transforms.experiments.readout.measure_coverage import MeasureCoverage
from transforms.experiments.readout.measure_user_days import MeasureUserDays
from transforms.experiments.readout.schemas import (
    ASSIGNMENT_ROWS,
    ENROLLED,
    EXPOSURE_ROWS,
    REJECTED_ENROLMENTS,
)
from transforms.experiments.readout.sum_looks import SumLooks
from transforms.experiments.readout.user_days import TRACKS_SHOWN, USER_DAYS, code_shown
from transforms.reading.read_tables import ReadTables
from transforms.tables.artifacts import BuildArtifact, Single
from transforms.tables.buckets import CombineBuckets, Element, GroupByBucket, MapBuckets, Opened, as_side_input
from transforms.tables.columns import Schema, to_frame
from transforms.tables.counts import COUNTS, counts_by_name, counts_frame, sum_counts
from transforms.tables.files import parquet_bytes, write_atomically
from transforms.tables.schemas import MARKET_COUNTS, NEIGHBOURS, TRACK_COUNTS

ARM_SUMS_FILE, COVERAGE_FILE, COUNTS_FILE = "arm_sums.parquet", "group_coverage.parquet", "counts.json"


def build_experiment(root: beam.Pipeline, plan: ExperimentPlan) -> beam.PCollection:
    """Build the graph from the tables to sums; it yields the path of the counts, which are written last."""
    log = read_listening_log(root, plan.run, known_before=plan.window.as_of)
    catalog_path = _count_catalog(root, plan, log)
    enrolled, rejected = _enrol(root, plan, log)
    user_days = enrolled | MeasureUserDays(
        plays=log.plays,
        shown=_shown(plan, log),
        catalog=Opened(catalog_path, open_catalog),
        num_days=plan.looks.num_looks,
        covariate_days=plan.options.covariate_days,
    )
    order = ("user_id", "table", "at", "arm", "reason")
    written = (
        user_days | "WriteUserDays" >> write_table(plan.run, USER_DAYS, "user_id", "day"),
        rejected | "WriteRejected" >> write_table(plan.run, REJECTED_ENROLMENTS, *order),
    )
    counts = (
        enrolled | MapBuckets(count_users_by_arm, out=COUNTS),
        rejected | MapBuckets(count_rejected_rows, out=COUNTS),
        log.plays | MapBuckets(count_events, out=COUNTS),
        log.rejected | MapBuckets(count_rejected_events, out=COUNTS),
        *log.input_counts,
    )
    sides = {
        "counts": counts | "Counts" >> beam.Flatten() | CombineBuckets(sum_counts, sum_counts, out=COUNTS),
        "sums": user_days | SumLooks(plan.looks),
        "coverage": enrolled | MeasureCoverage(plays=log.plays, shares=tuple(plan.arms.values())),
        "catalog_path": catalog_path,
        "files": [written | "WrittenFiles" >> beam.Flatten()],
    }
    write = beam.Map(write_sums, **{name: as_side_input(side) for name, side in sides.items()})
    return root | Single(plan.run.folder) | write


def _read(
    root: beam.Pipeline, name: str, table: InputTable, schema: Schema, erased: beam.PCollection | None
) -> beam.PCollection:
    """Read a table without the rows of erased users."""
    rows = root | f"Read{name}" >> ReadTables(table.row_groups, schema, table.column_mapping)
    return rows if erased is None else rows | f"DropErased{name}" >> DropErased(schema, erased)


def _enrol(root: beam.Pipeline, plan: ExperimentPlan, log: ListeningLog) -> tuple[beam.PCollection, beam.PCollection]:
    """Return ENROLLED by bucket, and REJECTED_ENROLMENTS."""
    starts_at = plan.window.starts_at
    if plan.assignments is None:
        everyone = log.plays | MapBuckets(enrol_listeners, out=ENROLLED, starts_at=starts_at)
        none = Single((0, REJECTED_ENROLMENTS.empty()), Element)
        return everyone, root | "NoneRejected" >> none
    arms, cleaned, rejected = tuple(plan.arms), [], []
    given = [("Assignments", plan.assignments, ASSIGNMENT_ROWS), ("Exposures", plan.exposures, EXPOSURE_ROWS)]
    for name, table, schema in given:
        if table is not None:
            clean = CleanEnrolments(schema is EXPOSURE_ROWS, plan.options.experiment, arms, plan.window)
            rows = _read(root, name, table, schema, log.erased)
            cleaned.append(rows | f"Clean{name}" >> clean)
            reject = MapBuckets(reject_enrolments, out=REJECTED_ENROLMENTS, **clean.given)
            rejected.append(rows | f"Reject{name}" >> reject)
    grouped = (
        cleaned | "Enrolments" >> beam.Flatten() | "GroupEnrolments" >> GroupByBucket("user_id", plan.run.num_buckets)
    )
    enrolled = grouped | EnrolUsers(arms, plan.exposures is not None, starts_at)
    unused = grouped | MapBuckets(reject_unused_rows, out=REJECTED_ENROLMENTS)
    return enrolled, [*rejected, unused] | "AllUnused" >> beam.Flatten()


def enrol_listeners(plays: pl.DataFrame, *, starts_at: datetime) -> pl.DataFrame:
    """Enrol every user who had an event before the start in one arm, exposed at the start: PLAYS -> ENROLLED."""
    users = plays.filter(pl.col("played_at") < starts_at).select(pl.col("user_id").unique(maintain_order=True))
    return users.with_columns(arm=pl.lit(0, pl.Int8), exposed_at=pl.lit(starts_at).cast(pl.Datetime("us", "UTC")))


def _shown(plan: ExperimentPlan, log: ListeningLog) -> beam.PCollection | None:
    """Return TRACKS_SHOWN by bucket, if there are impressions."""
    if log.impressions is None:
        return None
    coded = log.impressions | MapBuckets(code_shown, out=TRACKS_SHOWN, track_codes=log.track_codes)
    return coded | "GroupShown" >> GroupByBucket("user_id", plan.run.num_buckets)


def _count_catalog(root: beam.Pipeline, plan: ExperimentPlan, log: ListeningLog) -> beam.PCollection:
    """Return the path of a catalog as of the start, without neighbours: popularity is that before any treatment."""
    half_life = plan.run.options.half_life_days
    as_of = plan.window.starts_at
    counts = log.plays | CombineBuckets(
        count_tracks, sum_track_counts, out=TRACK_COUNTS, as_of=as_of, half_life_days=half_life
    )
    tracks = Opened(log.tracks_path, open_tracks)
    return root | BuildArtifact(write_counted, folder=f"{plan.run.folder}/catalog", tracks=tracks, counts=counts)


def write_counted(directory: Path, *, tracks: pl.DataFrame, counts: Element) -> None:
    """Write a catalog of metadata and counts alone."""
    counted = add_statistics(tracks, to_frame(counts[1]))
    write_catalog(directory, counted, NEIGHBOURS.frame(), MARKET_COUNTS.frame(), num_neighbours=0)


def count_events(plays: pl.DataFrame) -> pl.DataFrame:
    """Count the kept events of PLAYS: COUNTS."""
    return counts_frame({"events/kept": plays["track"].count()})


def count_rejected_events(rejected: pl.DataFrame) -> pl.DataFrame:
    """Count REJECTED by reason: COUNTS."""
    return counts_frame({f"events/{reason}": n for reason, n in rejected["reason"].value_counts().rows()})


def write_sums(
    folder: str, *, counts: Element, sums: Element, coverage: Element, catalog_path: str, files: list[object]
) -> str:
    """Write the sums, and last of all the counts."""
    named = counts_by_name(counts) | {"tracks": len(open_catalog(catalog_path).tracks)}
    write_atomically(f"{folder}/{ARM_SUMS_FILE}", parquet_bytes(sums[1]))
    write_atomically(f"{folder}/{COVERAGE_FILE}", parquet_bytes(coverage[1]))
    write_atomically(f"{folder}/{COUNTS_FILE}", json.dumps({"counts": named, "files": len(files)}, indent=1).encode())
    return f"{folder}/{COUNTS_FILE}"
