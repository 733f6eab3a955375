"""Who may import whom; read from the code, and held in a fresh process."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted(path for package in ("pipelines", "transforms", "models") for path in (ROOT / package).glob("*.py"))
# What a model is to the others: named arrays in, arrays out; and the models that load nothing.
CONTRACTS = {
    f"models.{name}" for name in ("contract", "interactions", "logistic", "metrics", "tower_contract", "user_tower")
}
# Where models are chosen: the ranker, and the baselines of an evaluation.
CHOOSE_MODELS = {f"pipelines.{name}" for name in ("learning", "evaluation", "tuning", "render_docs")}
TENSORFLOW = {"tensorflow", "tensorflow_recommenders", "tf_keras", "keras"}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def verbs() -> set[str]:
    """The stages: modules that hold a PTransform of their own name."""
    found = set()
    for path in (ROOT / "transforms").glob("*.py"):
        camel = "".join(word.title() for word in path.stem.split("_"))
        if re.search(rf"^class {camel}\(beam\.PTransform\)", path.read_text(), re.M):
            found.add(f"transforms.{path.stem}")
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_imports_go_one_way(path: Path) -> None:
    package, module, names = path.parent.name, f"{path.parent.name}.{path.stem}", set(imports(path))
    tops = {name.split(".")[0] for name in names}
    if package == "models":
        assert not tops & {"pipelines", "transforms", "apache_beam"}
    else:
        assert not tops & TENSORFLOW
    if package == "transforms":
        assert "pipelines" not in tops
        assert {name for name in names if name.startswith("models")} <= CONTRACTS
    if module in verbs():
        assert not (names & verbs()) - {module}, "a stage imports another stage"
    if package == "pipelines" and module not in CHOOSE_MODELS:
        assert {name for name in names if name.startswith("models")} <= CONTRACTS, "models are chosen elsewhere"


def test_nouns_know_no_stage_and_only_mechanics_know_beam() -> None:
    mechanics = {f"transforms.{name}" for name in ("buckets", "artifacts", "files", "measuring")}
    nouns = {f"transforms.{path.stem}": path for path in (ROOT / "transforms").glob("*.py")}
    nouns = {module: path for module, path in nouns.items() if module not in verbs()}
    assert not {module for module, path in nouns.items() if set(imports(path)) & verbs()}
    assert {
        m for m, path in nouns.items() if any(name.split(".")[0] == "apache_beam" for name in imports(path))
    } <= mechanics


def test_there_are_stages() -> None:
    assert {"transforms.assemble_pages", "transforms.clean_events", "transforms.publish_run"} <= verbs()


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("from pipelines.cli import main; main(['--help'])", {"apache_beam", "tensorflow", "polars"}),
        ("import pipelines.home_shelves", {"tensorflow"}),
        ("import transforms.score_candidates, models.contract", {"tensorflow"}),
    ],
)
def test_what_is_not_loaded(statement: str, absent: set[str]) -> None:
    code = f"import sys; {statement}; print([name for name in {sorted(absent)} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert found.stdout.splitlines()[-1] == "[]"


def test_the_checker_shares_no_code_with_the_assembler() -> None:
    composing = {
        "assemble_pages",
        "choices",
        "composition",
        "page_demands",
        "page_rows",
        "policies",
        "reasons",
        "rules",
    }
    composing |= {"shelf_filling", "shelf_instances", "shelves"}
    for path in (ROOT / "pipelines").glob("check*.py"):
        assert not {f"transforms.{name}" for name in composing} & set(imports(path)), path
