"""Check the code against the conventions of CONTRIBUTING.md: python -m tests.conventions (part of make lint).

It lists every place that breaks one, prints the figures, and exits with 1 if there is any place. Standard library only.
"""

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

PACKAGES = ("homeshelf", "pipelines", "transforms", "models")
MAX_FILES, MAX_TWINS, MAX_FILE_LINES, MAX_FUNCTION_LINES, MAX_PARAMETERS, MAX_ANY = 15, 5, 300, 40, 7, 100
CLAUSE = re.compile(r"(What|Which|How|Whether|Where|Who|Whom|Whose)\b")
VAGUE_FILES = {"utils", "util", "helpers", "helper", "common", "misc", "base", "manager"}
VAGUE_NAMES = re.compile(r"^(df|tbl|cfg)$|(DoFn|Fn|Transform|Manager|Helper|Utils)$")
# names that the command line, Beam, MkDocs, Python or an importer outside the packages looks up
LOOKED_UP = re.compile(r"^(main|on_files|on_page_markdown|__\w+__)$")


@dataclass(frozen=True)
class Module:
    """One Python file: its path from the root, its text and its syntax tree."""

    path: Path
    text: str
    tree: ast.Module

    @property
    def is_documented(self) -> bool:
        """Return whether ruff wants docstrings: in the product, and in the examples of its documents."""
        return self.is_product or self.path.parts[0] == "docs"

    @property
    def is_product(self) -> bool:
        """Return whether the file belongs to one of the three packages."""
        return self.path.parts[0] in PACKAGES

    def public_names(self) -> Iterator[tuple[str, int]]:
        """Yield the public names that the module defines at its top level, with their lines."""
        for node in self.tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                names = [node.name]
            elif isinstance(node, ast.Assign):
                flat = [part for target in node.targets for part in ast.walk(target)]
                names = [part.id for part in flat if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)]
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                names = [node.target.id]
            else:
                continue
            yield from ((name, node.lineno) for name in names if not name.startswith("_"))

    def words(self) -> Counter[str]:
        """Count the identifiers of the module, those in strings too: f-strings, annotations, "module:function"."""
        found: Counter[str] = Counter()
        for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
            if token.type == tokenize.NAME:
                found[token.string] += 1
            elif token.type != tokenize.COMMENT:
                found.update(re.findall(r"\w+", token.string))
        return found


@dataclass
class Findings:
    """The places that break a convention, and the figures printed below them."""

    places: list[str] = field(default_factory=list)
    figures: dict[str, str] = field(default_factory=dict)

    def add(self, path: Path, line: int, text: str) -> None:
        """Note one place."""
        self.places.append(f"{path}:{line}: {text}")


def read_modules(root: Path) -> list[Module]:
    """Read the Python files below `root` that git tracks or would add."""
    command = ["git", "ls-files", "-co", "--exclude-standard", "*.py"]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.split()
    texts = {Path(name): (root / name).read_text() for name in sorted(set(listed)) if (root / name).is_file()}
    return [Module(path, text, ast.parse(text)) for path, text in texts.items()]


def check_folders(modules: list[Module], found: Findings) -> None:
    """Find folders of more than MAX_FILES files, and files whose names say nothing."""
    sizes = Counter(module.path.parent for module in modules if module.path.stem != "__init__")
    product = {folder: size for folder, size in sizes.items() if folder.parts and folder.parts[0] in PACKAGES}
    found.figures["files in the largest folder"] = f"{max(product.values(), default=0)} (at most {MAX_FILES})"
    for folder, size in product.items():
        if size > MAX_FILES:
            found.add(folder, 1, f"{size} files in one folder")
    for module in modules:
        if module.path.stem in VAGUE_FILES:
            found.add(module.path, 1, "a name that says nothing")


def check_names(modules: list[Module], found: Findings) -> None:
    """Find public names that two modules define, that nothing uses, or that say nothing."""
    homes: Mapping[str, list[tuple[Path, int]]] = defaultdict(list)
    product = [module for module in modules if module.is_product]
    for module in product:
        for name, line in dict(module.public_names()).items():
            homes[name].append((module.path, line))
            if VAGUE_NAMES.search(name):
                found.add(module.path, line, f"name {name}")
    twins = {name: places for name, places in homes.items() if len(places) > 1}
    found.figures["public names in two modules"] = f"{len(twins)} (at most {MAX_TWINS})"
    if len(twins) > MAX_TWINS:
        for name, places in twins.items():
            found.add(*places[0], f"{name} is defined in {', '.join(str(path) for path, _ in places)}")
    uses = sum((module.words() for module in product), Counter[str]())
    unused = [name for name, places in homes.items() if uses[name] <= len(places) and not LOOKED_UP.match(name)]
    found.figures["public names that only tests use, or nothing"] = str(len(unused))
    for name in unused:
        found.add(*homes[name][0], f"{name} is used nowhere in the packages")


def check_docstrings(modules: list[Module], found: Findings) -> None:
    """Find docstrings that begin with a clause; ruff holds the rest of their form."""
    documented = clauses = 0
    for module in modules:
        for node in ast.walk(module.tree):
            if not (module.is_documented and isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module)):
                continue
            if text := ast.get_docstring(node):
                documented += 1
                if CLAUSE.match(text):
                    clauses += 1
                    found.add(module.path, getattr(node, "lineno", 1), f"begins with a clause: {text.splitlines()[0]}")
    found.figures["docstrings that begin with a clause"] = f"{clauses} of {documented}"


def check_sizes(modules: list[Module], found: Findings) -> None:
    """Find long files, long functions and functions of many parameters."""
    longest = most = 0
    for module in modules:
        if (lines := module.text.count("\n")) > MAX_FILE_LINES:
            found.add(module.path, 1, f"{lines} lines")
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            taken = [one.arg for one in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
            count = len([name for name in taken if name not in ("self", "cls")])
            longest, most = max(longest, length), max(most, count)
            if length > MAX_FUNCTION_LINES:
                found.add(module.path, node.lineno, f"{node.name}() has {length} lines")
            if count > MAX_PARAMETERS:
                found.add(module.path, node.lineno, f"{node.name}() takes {count} parameters")
    found.figures["lines of the longest function"] = f"{longest} (at most {MAX_FUNCTION_LINES})"
    found.figures["parameters of the widest function"] = f"{most} (at most {MAX_PARAMETERS})"


def check_types(modules: list[Module], found: Findings) -> None:
    """Count the annotations that are Any in the three packages."""
    used = [
        module.path
        for module in modules
        if module.is_product
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Name) and node.id == "Any"
    ]
    found.figures["annotations Any"] = f"{len(used)} (at most {MAX_ANY})"
    if len(used) > MAX_ANY:
        for path, count in Counter(used).most_common(10):
            found.add(path, 1, f"{count} annotations Any")


def check(root: Path) -> Findings:
    """Check all Python files below `root`."""
    modules, found = read_modules(root), Findings()
    for one in (check_folders, check_names, check_docstrings, check_sizes, check_types):
        one(modules, found)
    return found


def main() -> int:
    """Print places and figures; 1 if a convention is broken."""
    found = check(Path(__file__).parents[1])
    for place in sorted(found.places):
        print(place)
    for name, value in found.figures.items():
        print(f"{name}: {value}")
    print(f"{len(found.places)} places")
    return int(bool(found.places))


if __name__ == "__main__":
    sys.exit(main())
