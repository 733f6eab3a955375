"""Write a readout as JSON, as Markdown, and as one HTML page that needs no network."""

from pipelines.evaluation.report_text import markdown_table
from pipelines.experiment.readout_charts import draw_readout_charts
from pipelines.experiment.readout_data import Readout, readout_to_json
from pipelines.experiment.readout_tables import readout_headline, readout_tables, readout_title, readout_verdicts
from pipelines.rendering.html_parts import html_charts, html_page, html_section, html_text, html_verdicts
from pipelines.rendering.plain_text import printable
from transforms.tables.files import write_atomically

# The first tables are above the charts.
_NUM_TABLES_ON_TOP = 2
_FOLDED_TABLES = ("Other metrics", "Metrics", "Data")


def write_readout(readout: Readout, folder: str) -> None:
    """Write readout.json, readout.md and readout.html."""
    write_atomically(f"{folder}/readout.json", readout_to_json(readout).encode())
    write_atomically(f"{folder}/readout.md", readout_to_markdown(readout).encode())
    write_atomically(f"{folder}/readout.html", readout_to_html(readout).encode())


def readout_to_html(readout: Readout) -> str:
    """Return the whole readout as one HTML page."""
    tables = [html_section(table, table.title in _FOLDED_TABLES) for table in readout_tables(readout)]
    parts = [
        html_verdicts(readout_verdicts(readout)),
        *tables[:_NUM_TABLES_ON_TOP],
        html_charts(draw_readout_charts(readout)),
        *tables[_NUM_TABLES_ON_TOP:],
    ]
    footer = f"<p>homeshelf {html_text(readout.homeshelf)}</p><pre>{html_text(readout.command)}</pre>"
    title = readout_title(readout)
    return html_page(f"Readout: {title}", title, f"{readout_headline(readout)}.", parts, footer)


def readout_to_markdown(readout: Readout) -> str:
    """Return the whole readout as Markdown."""
    parts = [f"# {printable(readout_title(readout))}", readout_headline(readout) + ".", f"`{readout.command}`"]
    parts.append("\n".join(f"- {printable(sentence)}" for _, sentence in readout_verdicts(readout)))
    for table in readout_tables(readout):
        parts += [f"## {table.title}", markdown_table(table), table.note]
    return "\n\n".join(part for part in parts if part) + "\n"
