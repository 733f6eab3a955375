"""Print a readout or a plan on a terminal."""

from rich.box import SIMPLE_HEAD
from rich.table import Table as RichTable
from rich.text import Text

from pipelines.experiment.readout_data import Readout
from pipelines.experiment.readout_tables import readout_headline, readout_tables, readout_title, readout_verdicts
from pipelines.rendering.console import PlainConsole
from pipelines.rendering.table_cells import Table

_PRINTED = ("Success metrics", "Guardrails", "Discovery ledger", "Sample ratio")


def print_readout(console: PlainConsole, readout: Readout, folder: str) -> None:
    """Print the tables that decide, the verdicts, and where the rest is."""
    console.print(Text.assemble("\n", (readout_title(readout), "bold"), f": {readout_headline(readout)}\n"))
    print_tables(console, [table for table in readout_tables(readout) if table.title in _PRINTED])
    for mark, sentence in readout_verdicts(readout):
        console.print(f"- {sentence}", highlight=False, style="red" if mark == "worse" else "")
    console.print(f"{folder}/readout.html", highlight=False, soft_wrap=True)


def print_tables(console: PlainConsole, tables: list[Table]) -> None:
    """Print tables without notes."""
    for table in tables:
        made = RichTable(title=table.title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
        made.add_column(table.name_of_rows, no_wrap=True)
        for group, head in table.heads:
            made.add_column(f"{group}\n{head}" if group else head, justify="right", no_wrap=True)
        for name, _, cells in table.rows:
            made.add_row(name, *(Text(cell.text, "bold" if cell.is_best else "") for cell in cells))
        console.print(made)
