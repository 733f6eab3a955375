"""The command homeshelf signal: its output, exit status and errors."""

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipelines.cli import main
from tests.pipelines.signals.planted_dataset import write_table
from tests.runs import Published
from tests.worlds import AS_OF


def candidates(published: Published, table: str) -> pl.DataFrame:
    return published.table(table).select(pl.col("user_id", "track_id").cast(pl.String), "cutoff_at", "label_listened")


def test_each_column_gets_a_verdict_and_the_worst_is_the_exit_status(
    published: Published, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(1)
    rows = pl.concat([candidates(published, name) for name in ("features", "holdout")])
    noise = pl.Series(rng.standard_normal(len(rows)))
    planted = rows.select(
        "user_id",
        "track_id",
        learned_at=pl.col("cutoff_at") - timedelta(hours=1),
        future=pl.col("label_listened") + 0.5 * noise,
        is_odd=pl.Series(rng.random(len(rows)) < 0.5),
    ).rename({"is_odd": "is [red]odd"})
    # values learned after the cutoff never count
    later = planted.with_columns(pl.col("learned_at") + timedelta(hours=1), future=pl.lit(9.0))
    pl.concat([later, planted]).write_parquet(tmp_path / "new.parquet")
    flags = [f"--run={published.folder}", f"--table={tmp_path}/new.parquet", "--key=track_id,user_id"]
    flags += ["--known_at=learned_at", "--num_threads=1", f"--file={tmp_path}/found.json"]
    assert main(["signal", *flags]) == 3
    out = capsys.readouterr().out
    found = json.loads((tmp_path / "found.json").read_text())
    future, odd = found["columns"]
    assert (future["verdict"], odd["verdict"]) == ("leaks", "no evidence")
    assert "future: leaks" in out and "is [red]odd: no evidence" in out and "changes at the cutoff" in out
    assert not any("known_at" in caution for caution in future["cautions"])
    assert future["coverage"]["training"] == odd["coverage"]["validation"] == 1
    heads = [row["reward"] for row in future["rewards"]]
    assert heads == [*published.manifest["training"]["heads"], "all by weight"]
    assert all(f"\n {name} " in out for name in heads)
    assert found["candidates"] == len(published.table("holdout"))
    assert main(["signal", *flags, "--columns=is [red]odd"]) == 4


def test_unusable_runs_tables_and_keys_are_refused(
    published: Published, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = write_table(tmp_path, user_id=["stranger"], mood=[1.0])
    assert main(["signal", f"--run={published.folder}", f"--table={table}", "--key=user_id"]) == 2
    assert "have no user_id in common: the first of the table is 'stranger'" in capsys.readouterr().err
    late = write_table(
        tmp_path, "late.parquet", user_id=published.table("holdout")["user_id"][:1], at=[AS_OF], mood=[1.0]
    )
    flags = ["--key=user_id", "--known_at=at"]
    assert main(["signal", f"--run={published.folder}", f"--table={late}", *flags]) == 2
    assert "no value of theirs that was known before 2026-01-01" in capsys.readouterr().err
    nowhere = [f"--run={published.folder}", f"--table={table}", "--key=user_id", f"--file={tmp_path}/no/found.json"]
    assert main(["signal", *nowhere]) == 2 and "there is no such folder" in capsys.readouterr().err
    assert main(["signal", f"--run={tmp_path}", f"--table={table}", "--key=user_id"]) == 2
    assert "no published run there" in capsys.readouterr().err
    assert main(["signal", f"--run={published.folder}", f"--table={table}", "--key=artist_id"]) == 2
    assert "'artist_id' is none of user_id; track_id; user_id,track_id" in capsys.readouterr().err
