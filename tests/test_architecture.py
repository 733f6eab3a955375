"""Which module may import which; read from the code, and confirmed in fresh processes."""

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("homeshelf", "pipelines", "transforms", "models")
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
}
# transforms/ in the order in which data flows: a folder imports from those before it only
LAYERS = (
    "tables",
    "reading",
    "events",
    "catalog",
    "embeddings",
    "sequence_model",
    "candidates",
    "features",
    "ranking",
    "pages.shelves",
    "pages.rules",
    "pages.composition",
    "pages",
    "now_playing",
    "now_playing.skips",
    "now_playing.queues",
    "publishing",
    "state",
    "evaluation.metrics",
    "evaluation",
    "evaluation.next_track",
    "experiments",
    "experiments.inference",
    "experiments.readout",
    "experiments.ledger",
    "experiments.off_policy",
)
MAX_FILES = 15
# Contracts of models, and models that load nothing heavy: named arrays in, arrays out.
CONTRACTS = {
    "models.ranker.contract",
    "models.ranker.entry",
    "models.ranker.entries",
    "models.ranker.saved_graph",
    "models.sequence.contract",
    "models.sequence.sequence_data",
    "models.sequence.successors",
    "models.towers.contract",
    "models.towers.user_tower",
    "models.baselines.interactions",
    "models.skips.fitted",
    "models.next_track.contract",
    "models.next_track.mixture",
    "models.next_track.ranks",
    "models.logistic",
    "models.metrics",
}
# Where models are chosen: the ranker and the towers, and the baselines of an evaluation.
MODEL_CHOICE = {
    "pipelines.learning",
    "pipelines.evaluation.baselines",
    "pipelines.evaluation.tuning",
    "pipelines.next_track.baselines",
}
BEAM_MECHANICS = {f"transforms.tables.{name}" for name in ("buckets", "artifacts", "files", "stage_counters")}
TENSORFLOW = {"tensorflow", "tensorflow_recommenders", "tf_keras", "keras"}


@cache
def imports(module: str) -> frozenset[str]:
    """Return the modules that a module imports, anywhere in it; packages of names are resolved to modules."""
    return frozenset(_imports(MODULES[module]))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            submodules = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in MODULES else node.module for name in submodules)


def folder_of(module: str) -> str:
    return module if MODULES[module].name == "__init__.py" else module.rpartition(".")[0]


@cache
def stages() -> frozenset[str]:
    """Return the modules that hold a PTransform of their own name."""
    found = set()
    for module, path in MODULES.items():
        camel = "".join(word.title() for word in path.stem.split("_"))
        if module.startswith("transforms.") and re.search(
            rf"^class {camel}\(beam\.PTransform\)", path.read_text(), re.M
        ):
            found.add(module)
    return frozenset(found)


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_one_way(module: str) -> None:
    package, names = module.split(".")[0], imports(module)
    tops = {name.split(".")[0] for name in names}
    if package == "models":
        assert not tops & {"pipelines", "transforms", "apache_beam"}
    else:
        assert not tops & TENSORFLOW
    if package == "transforms":
        assert "pipelines" not in tops
        assert {name for name in names if name.startswith("models")} <= CONTRACTS
    if module in stages():
        assert not (names & stages()) - {module}, "a stage imports another stage"
    if package == "pipelines" and module not in MODEL_CHOICE:
        assert {name for name in names if name.startswith("models")} <= CONTRACTS, "models are chosen elsewhere"


def test_folders_of_transforms_stand_in_the_order_in_which_data_flows() -> None:
    rank = {f"transforms.{name}": number for number, name in enumerate(LAYERS)}
    ranked = {module: rank[folder_of(module)] for module in MODULES if folder_of(module) in rank}
    assert {folder_of(module) for module in ranked} == set(rank)
    assert set(MODULES) - set(ranked) <= {m for m in MODULES if not m.startswith("transforms.")} | {
        "transforms",
        "transforms.plugins",
    }
    assert not [(m, name) for m in ranked for name in imports(m) if ranked.get(name, -1) > ranked[m]]


def test_folders_do_not_import_each_other_in_circles() -> None:
    folders: dict[str, set[str]] = {}
    for module in MODULES:
        for name in imports(module) & set(MODULES):
            if folder_of(name) != folder_of(module):
                folders.setdefault(folder_of(module), set()).add(folder_of(name))
    assert list(TopologicalSorter(folders).static_order())


def test_no_folder_is_a_drawer() -> None:
    sizes = Counter(path.parent for path in MODULES.values() if path.stem != "__init__")
    assert {folder: size for folder, size in sizes.items() if size > MAX_FILES} == {}


def test_what_stages_share_knows_no_stage_and_only_mechanics_know_beam() -> None:
    shared = {module for module in MODULES if module.startswith("transforms.")} - stages()
    assert not {module for module in shared if imports(module) & stages()}
    assert {m for m in shared if any(name.split(".")[0] == "apache_beam" for name in imports(m))} <= BEAM_MECHANICS


def test_there_are_stages() -> None:
    expected = {"pages.assemble_pages", "events.clean_events", "publishing.publish_run"}
    assert {f"transforms.{name}" for name in expected} <= stages()


def test_every_stage_has_a_test_of_its_name_in_the_same_folder() -> None:
    folders = {module: MODULES[module].parent.relative_to(ROOT) for module in stages()}
    tests = {module: ROOT / "tests" / folder / f"test_{MODULES[module].name}" for module, folder in folders.items()}
    assert not [path for path in tests.values() if not path.is_file()]
    assert not [m for m, path in tests.items() if not any(name.startswith(m) for name in _imports(path))]


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("from pipelines.cli import main; main(['--help'])", {"apache_beam", "tensorflow", "polars"}),
        (
            "from pipelines.cli import main; main(['why', '--help']); main(['whi']); main(['why', '--usr=a'])",
            {"apache_beam", "polars", "yaml", "pydantic", "pipelines.options.setup_options", "importlib.metadata"},
        ),
        ("import homeshelf.runs, homeshelf.actions, pipelines.home_shelves", {"tensorflow", "rich", "altair"}),
        ("import transforms.ranking.score_candidates, models.ranker.contract", {"tensorflow"}),
    ],
)
def test_what_is_not_loaded(statement: str, absent: set[str]) -> None:
    code = f"import sys; {statement}; print([name for name in {sorted(absent)} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert found.stdout.splitlines()[-1] == "[]"


# Kinds of rules judge published pages by the cards alone. All else about pages the checker claims on its own.
RULE_KINDS = {f"transforms.pages.rules.{name}" for name in ("rule", "rule_kinds", "page_state", "values")}
COMPOSERS = ("transforms.pages.", "transforms.now_playing.")
COMPOSING = {module for module in MODULES if module.startswith(COMPOSERS)} - RULE_KINDS


def test_the_checker_shares_no_code_with_the_assembler() -> None:
    checking = [module for module in MODULES if module.startswith("pipelines.check.")]
    assert checking
    for module in checking:
        assert not COMPOSING & imports(module), module
    for module in RULE_KINDS:
        assert not COMPOSING & imports(module), module
