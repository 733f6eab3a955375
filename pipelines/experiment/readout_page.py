"""Write a readout as JSON, as Markdown, and as one HTML page that needs no network."""

from pipelines.experiment.readout_charts import draw_readout_charts
from pipelines.experiment.readout_data import Readout, readout_to_json
from pipelines.experiment.readout_tables import (
    readout_figures,
    readout_headline,
    readout_tables,
    readout_title,
    readout_verdicts,
)
from pipelines.rendering.html.links import write_page
from pipelines.rendering.html.report import Report, render_html, render_markdown
from transforms.tables.files import write_atomically


def write_readout(readout: Readout, folder: str) -> None:
    """Write readout.json, readout.md and readout.html."""
    write_atomically(f"{folder}/readout.json", readout_to_json(readout).encode())
    write_atomically(f"{folder}/readout.md", readout_to_markdown(readout).encode())
    write_page(f"{folder}/readout.html", readout_to_html(readout))


def readout_to_html(readout: Readout) -> str:
    """Return the whole readout as one HTML page."""
    return render_html(_report_of(readout), draw_readout_charts(readout))


def readout_to_markdown(readout: Readout) -> str:
    """Return the whole readout as Markdown."""
    return render_markdown(_report_of(readout))


def _report_of(readout: Readout) -> Report:
    title = readout_title(readout)
    return Report(
        title=f"Readout: {title}",
        heading=title,
        headline=readout_headline(readout),
        figures=readout_figures(readout),
        verdicts=readout_verdicts(readout),
        tables=readout_tables(readout),
        command=readout.command,
        homeshelf=readout.homeshelf,
        num_on_top=2,
    )
