"""The report as files: JSON, Markdown, and one HTML page that needs no network."""

import json

from pipelines.evaluation.report_charts import charts_of
from pipelines.evaluation.report_tables import tables_of
from pipelines.evaluation.report_text import as_markdown
from pipelines.evaluation.report_values import Report, headline_of, verdicts_of
from pipelines.rendering.html_parts import html_charts, html_list, html_page, html_section, html_text, html_verdicts
from transforms.tables.files import write_atomically

# These stand at the top; the others below the charts, folded.
OPEN = 1
FOLDED = ("Systems", "Metrics", "Data", "NDCG@10 by cutoff", "Leak checks")


def write_report(report: Report, folder: str) -> None:
    """Write report.json, report.md and report.html below a local or remote folder."""
    below = folder.rstrip("/")
    write_atomically(f"{below}/report.json", json.dumps(report, indent=1).encode())
    write_atomically(f"{below}/report.md", as_markdown(report).encode())
    write_atomically(f"{below}/report.html", as_page(report).encode())


def as_page(report: Report) -> str:
    """Return the whole report as one HTML page."""
    tables = [html_section(table, table.title in FOLDED) for table in tables_of(report)]
    suspects = [leak for leak in report["leaks"] if leak["is_suspect"]]
    warnings = [
        f"Suspected leak: {leak['system']}: {leak['check']} is {leak['value']:.2f},"
        f" at most {leak['limit']:g} is plausible"
        for leak in suspects
    ]
    parts = [
        html_verdicts([(_mark(line), line) for line in verdicts_of(report)]),
        html_list("warning", warnings),
        *tables[:OPEN],
        html_charts(charts_of(report)),
        *tables[OPEN:],
    ]
    footer = f"<p>homeshelf {html_text(report['homeshelf'])}</p><pre>{html_text(report['protocol']['command'])}</pre>"
    title = f"Evaluation {report['protocol']['cutoffs'][0][:10]}"
    return html_page(title, "Evaluation", f"{headline_of(report)}.", parts, footer)


def _mark(line: str) -> str:
    """What a sentence says, as a mark."""
    marks = {" is better than": "better", " is worse than": "worse"}
    return next((mark for text, mark in marks.items() if text in line), "none")
