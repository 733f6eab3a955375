"""homeshelf report: one HTML page on a run, which needs no network; everything on it is read from the run."""

from pipelines.inputs.published import review_run
from pipelines.options.published_options import ReportOptions
from pipelines.rendering.console import PlainConsole
from pipelines.rendering.html.links import write_page
from pipelines.rendering.html.report import Report, render_html
from pipelines.rendering.plain_text import minute_of
from pipelines.runs.report_data import RunReportData, read_report_data
from pipelines.runs.run_charts import draw_run_charts
from pipelines.runs.run_tables import (
    exposure_table,
    holdout_table,
    ledger_table,
    limits_table,
    options_table,
    run_figures,
    run_headline,
    run_verdicts,
    stages_table,
    tables_table,
)
from transforms.publishing.run_paths import REPORT_FILE


def run_report(options: ReportOptions) -> int:
    """Write the page and print its path (UsageError: there is no such run)."""
    published = review_run(options.run, needs_pages=False)
    path = options.file or f"{published.folder}/{REPORT_FILE}"
    write_page(path, render_run_report(read_report_data(published)))
    PlainConsole().print(f"report of {published.folder}: {path}", highlight=False, soft_wrap=True)
    return 0


def render_run_report(data: RunReportData) -> str:
    """Return the HTML page of a run, for write_page()."""
    title = f"Run as of {minute_of(data.manifest.as_of)}"
    on_quality = (limits_table(data), holdout_table(data), exposure_table(data), ledger_table(data), data.queues)
    on_the_run = (tables_table(data), stages_table(data), options_table(data))
    report = Report(
        title=title,
        heading=title,
        headline=run_headline(data),
        figures=list(run_figures(data)),
        verdicts=run_verdicts(data),
        tables=[table for table in (*on_quality, *on_the_run) if table],
        command="",
        homeshelf=data.manifest.homeshelf,
        num_on_top=0,
    )
    return render_html(report, draw_run_charts(data))
