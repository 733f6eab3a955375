"""The end of a run in a few lines, all of it with -v, and the plan of a run that is not carried out."""

import io
import json
from pathlib import Path

import pytest

from pipelines.cli import main
from pipelines.launch.summary import print_summary
from pipelines.rendering.console import PlainConsole
from tests.runs import FAST, Published


def said(folder: str, *, is_whole: bool) -> str:
    console = PlainConsole(file=io.StringIO(), width=80)
    print_summary(console, folder, is_whole=is_whole)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_a_few_lines_say_what_came_of_a_run_and_verbose_says_all(published: Published) -> None:
    short, long = (said(str(published.folder), is_whole=one) for one in (False, True))
    events, holdout = published.manifest["events"], published.manifest["training"]["holdout"]
    assert f"{events['read']:,} events, {events['read'] - events['kept']:,} rejected" in short
    gain = holdout["ranker"]["ndcg_at_10"] / holdout["blend"]["ndcg_at_10"] - 1
    assert f"{gain:+.1%} against the merge" in short and f"in {published.folder}/pages" in short
    assert len(short.splitlines()) <= 12 and "homeshelf preview --run=" in short
    assert {*short.splitlines()} <= {*long.splitlines()} and "candidates scored" in long and "Home of" in long


def test_a_dry_run_says_what_a_run_would_do_and_writes_nothing(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tables = [f"--events={world / 'events'}", f"--tracks={world / 'tracks'}"]
    assert main(["run", *tables, f"--output={tmp_path}/out", *FAST, "--dry_run", "--run_id=a"]) == 0
    out, err = capsys.readouterr()
    plan = json.loads(out)
    assert plan["folder"] == f"{tmp_path}/out/ds=2025-12-31/run=a" and list(tmp_path.iterdir()) == []
    assert plan["inputs"]["events"]["rows"] > 0 and {"pages", "candidates", "rejected"} <= set(plan["tables"])
    assert "train_ranker" in plan["stages"] and "nothing was written" in err
    assert main(["run", *tables, f"--output={tmp_path}/out", *FAST, "--dry_run", "--rules=gone.yaml"]) == 2
