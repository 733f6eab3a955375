"""Write the report as JSON, as Markdown, and as one HTML page that needs no network."""

from pipelines.evaluation.report_charts import charts_of
from pipelines.evaluation.report_data import EvaluationReport, report_to_json
from pipelines.evaluation.report_tables import tables_of
from pipelines.evaluation.report_text import report_to_markdown
from pipelines.evaluation.report_values import headline_of, verdicts_of
from pipelines.rendering.html_parts import html_charts, html_list, html_page, html_section, html_text, html_verdicts
from transforms.tables.files import write_atomically

# The first tables are above the charts, the others below; these are folded.
_NUM_TABLES_ON_TOP = 1
_FOLDED_TABLES = ("Systems", "Metrics", "Data", "NDCG@10 by cutoff", "Leak checks")


def write_report(report: EvaluationReport, folder: str) -> None:
    """Write report.json, report.md and report.html to a local or remote folder."""
    below = folder.rstrip("/")
    write_atomically(f"{below}/report.json", report_to_json(report).encode())
    write_atomically(f"{below}/report.md", report_to_markdown(report).encode())
    write_atomically(f"{below}/report.html", report_to_html(report).encode())


def report_to_html(report: EvaluationReport) -> str:
    """Return the whole report as one HTML page."""
    tables = [html_section(table, table.title in _FOLDED_TABLES) for table in tables_of(report)]
    warnings = [
        f"Suspected leak: {leak.system}: {leak.check} is {leak.value:.2f}, at most {leak.limit:g} is plausible"
        for leak in report.leaks
        if leak.is_suspect
    ]
    marks = [
        (one.verdict if one.verdict in ("better", "worse") else "none", one.sentence) for one in verdicts_of(report)
    ]
    parts = [
        html_verdicts(marks),
        html_list("warning", warnings),
        *tables[:_NUM_TABLES_ON_TOP],
        html_charts(charts_of(report)),
        *tables[_NUM_TABLES_ON_TOP:],
    ]
    footer = f"<p>homeshelf {html_text(report.homeshelf)}</p><pre>{html_text(report.protocol.command)}</pre>"
    title = f"Evaluation {report.protocol.cutoffs[0][:10]}"
    return html_page(title, "Evaluation", f"{headline_of(report)}.", parts, footer)
