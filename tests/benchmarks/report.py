"""Results of a benchmark: figures against targets, and tables; on the terminal and as Markdown."""

import os
import platform
import shlex
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table as RichTable

LIBRARIES = ("apache-beam", "polars", "pyarrow", "numpy", "tensorflow", "tensorflow-recommenders")
FIGURE_COLUMNS = ("figure", "measured", "target", "", "what limits it")


@dataclass(frozen=True)
class Figure:
    """One figure; without a target it is only reported. `limits`: one line on what bounds it."""

    name: str
    measured: str
    target: str
    is_met: bool | None
    limits: str

    @property
    def cells(self) -> tuple[str, ...]:
        """Return the table row."""
        verdict = {True: "met", False: "MISSED", None: ""}[self.is_met]
        return self.name, self.measured, self.target, verdict, self.limits


@dataclass(frozen=True)
class Table:
    """Rows of text; all columns but the first are numbers."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


@dataclass
class Section:
    """The result of one benchmark."""

    title: str
    about: str
    figures: list[Figure] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)


@dataclass(frozen=True)
class Ratio:
    """Ratios of two measurements, from pairs measured in turn."""

    values: tuple[float, ...]

    @staticmethod
    def of(above: Sequence[float], below: Sequence[float]) -> "Ratio":
        """Divide pair by pair."""
        return Ratio(tuple(a / b for a, b in zip(above, below, strict=True)))

    @property
    def median(self) -> float:
        """Return the median ratio."""
        return statistics.median(self.values)

    def __str__(self) -> str:
        """Format the median, and the range over all pairs."""
        return f"{self.median:.2f}x ({min(self.values):.2f} to {max(self.values):.2f}, {len(self.values)} pairs)"


def at_most(name: str, ratio: Ratio, limit: float, limits: str) -> Figure:
    """Make a figure of a ratio that should be small."""
    return Figure(name, str(ratio), f"at most {limit:g}x", ratio.median <= limit, limits)


def at_least(name: str, ratio: Ratio, limit: float, limits: str) -> Figure:
    """Make a figure of a ratio that should be large."""
    return Figure(name, str(ratio), f"at least {limit:g}x", ratio.median >= limit, limits)


def spread(seconds: Sequence[float]) -> str:
    """Format the median and range of times."""
    return f"{statistics.median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f})"


def megabytes(count: float) -> str:
    """Format bytes as megabytes."""
    return f"{count / 1e6:,.0f} MB"


def circumstances() -> list[tuple[str, str]]:
    """Return commit, command and machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return [
        ("commit", _git("rev-parse", "HEAD") + (" with changes" if _git("status", "--porcelain", "-uno") else "")),
        ("command", shlex.join(["python", "-m", "tests.benchmarks", *sys.argv[1:]])),
        ("machine", f"{_cpu()}, {os.cpu_count()} cores, {memory / 2**30:.0f} GiB"),
        ("load before", f"{os.getloadavg()[0]:.2f}"),
        ("Python", f"{platform.python_version()}, {platform.platform()}"),
        ("libraries", ", ".join(f"{name} {version(name)}" for name in LIBRARIES)),
    ]


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(": ", 1)[1] for line in lines if line.startswith("model name")), platform.machine())


def show(console: Console, section: Section) -> None:
    """Print one section."""
    console.rule(section.title, align="left")
    console.print(section.about, style="dim", highlight=False)
    for table in _tables(section):
        shown = RichTable(title=table.title, title_justify="left", show_lines=table.title == "Figures")
        for index, column in enumerate(table.columns):
            is_text = index == 0 or table.title == "Figures"
            shown.add_column(column, justify="left" if is_text else "right", overflow="fold")
        for row in table.rows:
            shown.add_row(*row)
        console.print(shown)


def markdown(about: Sequence[tuple[str, str]], section: Section) -> str:
    """Return the page of one benchmark."""
    lines = [f"# {section.title}", "", section.about, ""]
    for table in _tables(section):
        lines += [f"**{table.title}**", "", *_lines(table), ""]
    lines += ["**Measured on**", "", *(f"- {name}: {text}" for name, text in about)]
    return "\n".join(lines) + "\n"


def _tables(section: Section) -> list[Table]:
    figures = Table("Figures", FIGURE_COLUMNS, [figure.cells for figure in section.figures])
    return [figures, *section.tables] if section.figures else section.tables


def _lines(table: Table) -> list[str]:
    is_text = table.title == "Figures"
    rule = ["---" if index == 0 or is_text else "---:" for index in range(len(table.columns))]
    return [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in (table.columns, rule, *table.rows)]
