"""A component of each kind from one file each, named in HOMESHELF_PLUGINS: in a run, its check and an evaluation."""

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from tests.runs import FAST, Published, cards

ROOT = Path(__file__).parents[2]
KINDS = ("source", "feature", "reward", "shelf", "claim", "rule", "metric", "baseline", "ranker", "command")
RULES = "rules:\n  - name: no ballads\n    toy_ban_titles: {prefixes: [A, B]}\n"


def homeshelf(*argv: str) -> str:
    plugins = ",".join(f"tests.plugins.{kind}" for kind in KINDS)
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.cli", *argv],
        cwd=ROOT,
        env={**os.environ, "HOMESHELF_PLUGINS": plugins},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def tables(world: Path) -> list[str]:
    return [f"--events={world / 'events'}", f"--tracks={world / 'tracks'}", f"--users_table={world / 'users'}"]


@pytest.fixture(scope="module")
def plugged(tables: list[str], tmp_path_factory: pytest.TempPathFactory) -> Published:
    folder = tmp_path_factory.mktemp("plugged")
    (folder / "rules.yaml").write_text(RULES)
    homeshelf(
        "run", *tables, f"--output={folder}/out", *FAST, "--ranker_model=toy_blend", f"--rules={folder}/rules.yaml"
    )
    return Published(folder / "out")


def test_source_feature_and_reward_reach_the_candidates(plugged: Published, world: Path) -> None:
    candidates = plugged.table("candidates")
    first = pl.read_parquet(world / "tracks")["track_id"].sort().head(7)
    proposed = candidates.filter(pl.col("score_toy_first") > -99)
    assert set(proposed["track_id"]) == set(first) and proposed["rank_score_toy_first"].min() > 0
    assert set(candidates.filter(pl.col("score_toy_first") == -99)["rank_score_toy_first"]) == {0.0}
    assert set(candidates["toy_digit"].unique()) == set(range(10))
    assert candidates["p_toy_started"].null_count() == 0
    features = plugged.table("features")
    started, listened = features["label_toy_started"], features["label_listened"]
    assert 0 < listened.sum() < started.sum() and (started >= listened).all()


def test_the_ranker_is_the_one_that_was_asked_for(plugged: Published) -> None:
    candidates = plugged.table("candidates")
    assert (candidates["p_listened"] - candidates["blend_score"]).abs().max() == 0
    (model,) = plugged.folder.glob("models/*/model.json")
    assert json.loads(model.read_text()) == {"model": "toy_blend"}


def test_shelf_and_rule_reach_the_pages_and_the_check(plugged: Published, world: Path) -> None:
    shown = cards(plugged.table("pages"))
    codes = {track: code for code, track in enumerate(pl.read_parquet(world / "tracks")["track_id"].sort())}
    even = shown.filter(pl.col("shelf_id") == "toy_even")
    assert len(even) > 100 and all(codes[track] % 2 == 0 for track in even["track_id"])
    titles = shown.join(pl.read_parquet(world / "tracks").select("track_id", "title"), on="track_id")["title"]
    assert not titles.str.contains("^[AB]").any()
    assert "toy_ban_titles" in plugged.manifest["rules"]
    assert "0 violations" in homeshelf("check", f"--run={plugged.folder}")


def test_metric_and_baseline_reach_the_evaluation(tables: list[str], tmp_path: Path) -> None:
    flags = ["--as_of=2025-12-24", "--baselines=toy_by_code,most_popular", "--num_replicates=20"]
    models = [flag for flag in FAST if not flag.startswith("--as_of")]
    homeshelf("evaluate", *tables, f"--output={tmp_path}", *flags, *models, "--ranker_model=toy_blend")
    report = json.loads((tmp_path / "report.json").read_text())
    rows = pl.DataFrame(report["values"], infer_schema_length=None).filter(
        (pl.col("targets") == "all") & (pl.col("segment") == "everyone") & (pl.col("cutoff") == "")
    )
    hits = rows.filter(pl.col("metric") == "toy_hits").select("system", "value")
    assert {"toy_by_code", "most_popular", "page", "toy_first"} <= set(hits["system"])
    assert "toy hits" in (tmp_path / "report.md").read_text()


def test_the_command_runs_and_is_listed() -> None:
    assert homeshelf("toy", "--name=you") == "hello you\n"
    assert "homeshelf toy" in homeshelf("--help")


ENTRY_MODULES = (
    "transforms.candidates.source",
    "transforms.features.feature",
    "transforms.features.reward",
    "transforms.pages.shelves.shelf",
    "transforms.pages.rules.rule",
    "transforms.evaluation.metrics.metric",
    "models.baselines.interactions",
    "models.ranker.entry",
    "pipelines.command",
    "pipelines.check.claim",
)


def test_the_classes_of_entries_load_no_tuple() -> None:
    code = f"import importlib, sys\nfor name in {ENTRY_MODULES}: importlib.import_module(name)\n"
    code += "print([name for name in list(sys.modules) if hasattr(sys.modules[name], 'plugin_entries')])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() in ("[]", "['transforms.plugins']")


def test_a_plugin_that_needs_its_own_tuple_is_refused(tmp_path: Path) -> None:
    (tmp_path / "circular.py").write_text(
        "from transforms.candidates.sources import SOURCES as known\nSOURCES = known\n"
    )
    environment = {**os.environ, "HOMESHELF_PLUGINS": "circular", "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    code = "import transforms.candidates.sources"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert "ImportError" in done.stderr and "circular" in done.stderr


def test_documents_list_every_component() -> None:
    code = "from pipelines.docs.render_docs import render_sections, DOCUMENTS\n"
    code += "print(''.join(render_sections(path.read_text()) for path in DOCUMENTS))"
    plugins = ",".join(f"tests.plugins.{kind}" for kind in KINDS)
    environment = {**os.environ, "HOMESHELF_PLUGINS": plugins}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    for name in ("toy_first", "toy_digit", "toy_started", "toy_even", "toy_hits", "toy_by_code", "homeshelf toy"):
        assert name in done.stdout, name
