"""Write the report as JSON, as Markdown, and as one HTML page that needs no network."""

from pipelines.evaluation.report_charts import charts_of
from pipelines.evaluation.report_data import EvaluationReport, report_to_json
from pipelines.evaluation.report_tables import tables_of
from pipelines.evaluation.report_values import headline_of, key_figures, verdicts_of
from pipelines.rendering.html.links import write_page
from pipelines.rendering.html.report import Report, render_html, render_markdown
from transforms.tables.files import write_atomically


def write_report(report: EvaluationReport, folder: str) -> None:
    """Write report.json, report.md and report.html to a local or remote folder."""
    below = folder.rstrip("/")
    write_atomically(f"{below}/report.json", report_to_json(report).encode())
    write_atomically(f"{below}/report.md", report_to_markdown(report).encode())
    write_page(f"{below}/report.html", report_to_html(report))


def report_to_html(report: EvaluationReport) -> str:
    """Return the whole report as one HTML page, for write_page()."""
    warnings = [
        f"Suspected leak: {leak.system}: {leak.check} is {leak.value:.2f}, at most {leak.limit:g} is plausible"
        for leak in report.leaks
        if leak.is_suspect
    ]
    return render_html(_report_of(report), charts_of(report), warnings)


def report_to_markdown(report: EvaluationReport) -> str:
    """Return the whole report as Markdown."""
    return render_markdown(_report_of(report))


def _report_of(report: EvaluationReport) -> Report:
    return Report(
        title=f"Evaluation {report.protocol.cutoffs[0][:10]}",
        heading="Evaluation",
        headline=headline_of(report),
        figures=key_figures(report),
        verdicts=[
            (one.verdict if one.verdict in ("better", "worse") else "none", one.sentence) for one in verdicts_of(report)
        ],
        tables=tables_of(report),
        command=report.protocol.command,
        homeshelf=report.homeshelf,
        num_on_top=1,
    )
