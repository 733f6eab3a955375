"""Each example is one file, and yet arrives in schemas, models, evaluations and documents: no whole graph here."""

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.built_once import built_once
from tests.examples.running import EXAMPLES, MODULES, ROOT, homeshelf, python
from transforms.evaluation.metrics.system import PAGE
from transforms.evaluation.schemas import PLAYED_BEFORE, TARGET

NAMES = ("rising", "share_of_decade", "saved_after_listen", "throwbacks", "unfamiliar_genre_share", "rp3beta")
HOW_TO = sorted((ROOT / "docs" / "how-to").glob("add-a-*.md"))


@pytest.fixture(scope="module")
def folder() -> Path:
    def write_facts(folder: Path) -> None:
        done = python("-m", "tests.examples.facts", str(folder))
        assert done.returncode == 0, done.stderr[-3000:]
        (folder / "stdout").write_text(done.stdout)

    return built_once("facts of the examples", write_facts)


@pytest.fixture(scope="module")
def facts(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "facts.json").read_text())
    return found


def test_a_feature_has_its_value_for_every_candidate(folder: Path) -> None:
    candidates = pl.read_parquet(folder / "candidates.parquet")
    released = pl.read_parquet(folder / "tracks.parquet")["release_date"].to_list()
    plays: dict[str, Counter[int | None]] = defaultdict(Counter)
    for row in candidates.iter_rows(named=True):
        day = released[row["track"]]
        plays[row["user_id"]][day.year // 10 if day else None] += int(row["plays_of_track"])
    for row in candidates.iter_rows(named=True):
        day, of_user = released[row["track"]], plays[row["user_id"]]
        expected = of_user[day.year // 10] / of_user.total() if day and of_user.total() else 0.0
        assert row["share_of_decade"] == pytest.approx(expected, abs=1e-6)
    assert candidates["share_of_decade"].n_unique() > 20


def test_a_feature_is_in_every_schema_and_the_last_input_of_the_ranker(facts: dict[str, Any]) -> None:
    found = facts["feature"]
    assert found["rows"][0] == found["rows"][1] > 0 and all(found["in_schemas"])
    assert found["last_input"] == "share_of_decade" and found["is_encoded"]


def test_a_reward_is_labelled_by_its_sentence_and_unsettled_until_its_delay_is_over(facts: dict[str, Any]) -> None:
    found = facts["reward"]
    # saved 6 days after the listen, 7.5 days after, before; liked after a skip; disliked; listened too late; added
    assert found["labels"] == [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]
    assert found["early"] == [None] * 7


def test_a_reward_is_in_schemas_and_counts_in_the_score(facts: dict[str, Any]) -> None:
    found = facts["reward"]
    assert all(found["in_schemas"]) and found["score"] == [0.25]
    assert found["max_reward"][0] == pytest.approx(found["max_reward"][1])
    assert found["last_described"] == "saved_after_listen"


def test_a_ranker_model_is_chosen_trained_saved_and_loaded_without_tensorflow(facts: dict[str, Any]) -> None:
    found = facts["ranker"]
    assert found["type"] == "LogisticRanker" and found["is_same_spec"] and not found["has_tensorflow"]
    assert found["holdout"]["ranker"]["log_loss"] < found["holdout"]["blend"]["log_loss"]
    for head in ("played", "replayed"):
        assert found["heads"][head]["mean_probability"] == pytest.approx(found["heads"][head]["share"], abs=0.05)


def test_scores_of_a_ranker_model_do_not_depend_on_the_rest_of_the_batch(facts: dict[str, Any]) -> None:
    assert facts["ranker"]["is_row_by_row"]


def test_a_metric_has_the_value_of_a_slow_loop_and_a_column_in_the_report(folder: Path, facts: dict[str, Any]) -> None:
    rows = pl.read_parquet(folder / "rows.parquet").with_columns(pl.col("user_id", "system").cast(pl.String))
    genre = pl.read_parquet(folder / "tracks.parquet")["genre"].to_list()
    values = []
    for user in rows.filter(pl.col("system") == TARGET)["user_id"].unique():
        mine = rows.filter(pl.col("user_id") == user)
        plays: Counter[int] = Counter()
        for track, n in mine.filter(pl.col("system") == PLAYED_BEFORE).select("track", "n_plays").iter_rows():
            plays[genre[track]] += n if genre[track] is not None else 0
        top = mine.filter(pl.col("system") == PAGE).sort("rank")["track"].head(10)
        known = [genre[track] for track in top if genre[track] is not None]
        if plays.total() and known:
            values.append(sum(plays[one] / plays.total() < 0.05 for one in known) / len(known))
    value = facts["evaluation"]["values"]["page"]
    assert value == pytest.approx(sum(values) / len(values), abs=1e-5) and 0.1 < value < 0.95
    assert "unfamiliar" in facts["evaluation"]["heads"]


def test_a_source_and_a_baseline_are_systems_that_every_metric_measures(facts: dict[str, Any]) -> None:
    found = facts["evaluation"]
    assert set(found["hits"]) == {"page", "rising", "rp3beta", "most_popular"} == set(found["values"])


def test_the_documents_list_every_component(facts: dict[str, Any]) -> None:
    for name in (*NAMES, "logistic", "homeshelf shelf-shares", "a shelf is rarer than `--min_share`"):
        assert name in facts["documents"], name
    assert facts["documents"].count("| unfamiliar_genre_share |") == facts["documents"].count("| rp3beta |") == 1


def test_a_command_is_listed_and_refuses_a_flag_that_it_does_not_have() -> None:
    # nothing is loaded but the commands
    listed, refused = homeshelf(["--help"], ["shelf-shares", "--rnu=x"], modules=("shelf_shares_command",))
    assert "shelf-shares" in listed.stdout
    assert refused.returncode == 2 and refused.stderr.startswith("homeshelf: error: ")


def test_source_and_baseline_keep_the_contracts_of_all(facts: dict[str, Any], folder: Path) -> None:
    assert facts["contracts"] == 0, (folder / "stdout").read_text()[-3000:]


@pytest.mark.parametrize("module", MODULES)
def test_every_example_is_shown_on_a_page_that_names_it(module: str) -> None:
    texts = [path.read_text() for path in HOW_TO]
    assert f'"{module}"' in (ROOT / "pyproject.toml").read_text(), "mypy does not check it"
    assert any(f'--8<-- "docs/examples/{module}.py"' in text and f"{module}" in text for text in texts)


def test_the_classes_of_entries_load_no_tuple_and_a_plugin_that_needs_its_own_is_refused(tmp_path: Path) -> None:
    imports = [line for name in MODULES for line in (EXAMPLES / f"{name}.py").read_text().splitlines()]
    entry = sorted({line.split()[1] for line in imports if line.startswith("from ")} - {"pathlib", "typing"})
    code = f"import importlib, sys\nfor name in {entry}: importlib.import_module(name)\n"
    code += "print([name for name in list(sys.modules) if hasattr(sys.modules[name], 'plugin_entries')])\n"
    code += f"import os; os.environ.update(HOMESHELF_PLUGINS='circular'); sys.path.insert(0, {str(tmp_path)!r})\n"
    code += "import transforms.candidates.sources"
    (tmp_path / "circular.py").write_text(
        "from transforms.candidates.sources import SOURCES as known\nSOURCES = known\n"
    )
    done = python("-c", code, modules=())
    assert done.stdout.strip() in ("[]", "['transforms.plugins']"), done.stderr
    assert "ImportError" in done.stderr and "circular" in done.stderr
