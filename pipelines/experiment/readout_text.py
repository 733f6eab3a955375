"""Print a readout on a terminal."""

from rich.text import Text

from pipelines.experiment.readout_data import Readout
from pipelines.experiment.readout_tables import readout_headline, readout_tables, readout_title, readout_verdicts
from pipelines.rendering.console import PlainConsole
from pipelines.rendering.terminal_tables import print_tables

_PRINTED = ("Success metrics", "Guardrails", "Discovery ledger", "Sample ratio")


def print_readout(console: PlainConsole, readout: Readout, folder: str) -> None:
    """Print the tables that decide, the verdicts, and where the rest is."""
    console.print(Text.assemble("\n", (readout_title(readout), "bold"), f": {readout_headline(readout)}\n"))
    print_tables(console, [table for table in readout_tables(readout) if table.title in _PRINTED])
    for mark, sentence in readout_verdicts(readout):
        console.print(f"- {sentence}", highlight=False, style="red" if mark == "worse" else "")
    console.print(f"{folder}/readout.html", highlight=False, soft_wrap=True)
