"""homeshelf assign: write the arm of each user that an experiment takes."""

import polars as pl

from pipelines.inputs.input_rows import read_input
from pipelines.options.experiment_options import AssignOptions, arms_of, slice_of
from pipelines.options.options import UsageError
from pipelines.rendering.console import wide_console
from transforms.experiments.readout.assignment import assign_arms
from transforms.experiments.readout.schemas import ASSIGNMENTS
from transforms.tables.columns import to_table
from transforms.tables.files import parquet_bytes, write_atomically
from transforms.tables.schemas import USERS


def run_assign(options: AssignOptions) -> int:
    """Write the table and print the users of each arm (UsageError: there is no such table)."""
    users = read_input("users_table", options.users_table, options.users_table_columns, USERS)
    if not options.file.endswith(".parquet"):
        raise UsageError(f"--file={options.file}: its name must end in .parquet")
    arms = arms_of(options.arms)
    is_erased = users.group_by("user_id").agg(is_erased=pl.col("erased").fill_null(False).any())
    ids = is_erased.filter((pl.col("user_id") != "") & ~pl.col("is_erased"))["user_id"].sort()
    chosen = assign_arms(
        ids, experiment=options.experiment, arms=arms, layer=options.layer, within=slice_of(options.within)
    )
    table = (
        pl.DataFrame({"user_id": ids, "arm": chosen})
        .drop_nulls()
        .with_columns(
            assigned_at=pl.lit(options.assigned_at).cast(pl.Datetime("us", "UTC")),
            experiment=pl.lit(options.experiment),
        )
    )
    write_atomically(options.file, parquet_bytes(to_table(table, ASSIGNMENTS)))
    counts = dict(table.group_by("arm").len().rows())
    said = ", ".join(f"{arm} {counts.get(arm, 0):,}" for arm in arms)
    wide_console().print(f"{options.experiment}: {said} of {len(ids):,} users in {options.file}", highlight=False)
    return 0
