"""homeshelf report: one HTML page on a run, which needs no network; everything on it is read from the run."""

from pipelines.inputs.published import review_run
from pipelines.options.published_options import ReportOptions
from pipelines.rendering.console import PlainConsole
from pipelines.rendering.html_parts import html_charts, html_page, html_section, html_text, html_verdicts
from pipelines.rendering.plain_text import minute_of
from pipelines.runs.report_data import RunReportData, read_report_data
from pipelines.runs.run_charts import draw_run_charts
from pipelines.runs.run_tables import (
    exposure_table,
    holdout_table,
    limits_table,
    options_table,
    run_headline,
    run_verdicts,
    stages_table,
    tables_table,
)
from transforms.publishing.run_paths import REPORT_FILE
from transforms.tables.files import write_atomically


def run_report(options: ReportOptions) -> int:
    """Write the page and print its path (UsageError: there is no such run)."""
    published = review_run(options.run, needs_pages=False)
    path = options.file or f"{published.folder}/{REPORT_FILE}"
    write_atomically(path, render_run_report(read_report_data(published)).encode())
    PlainConsole().print(f"report of {published.folder}: {path}", highlight=False, soft_wrap=True)
    return 0


def render_run_report(data: RunReportData) -> str:
    """Return the HTML page of a run."""
    title = f"Run as of {minute_of(data.manifest.as_of)}"
    parts = [
        html_verdicts(run_verdicts(data)),
        html_charts(draw_run_charts(data), "flowing"),
        html_section(limits_table(data), is_folded=False),
        *(
            html_section(table, is_folded=False)
            for table in [holdout_table(data), exposure_table(data), data.queues]
            if table
        ),
        html_section(tables_table(data), is_folded=True),
        *(html_section(table, is_folded=True) for table in [stages_table(data)] if table),
        html_section(options_table(data), is_folded=True),
    ]
    footer = f"<p>homeshelf {html_text(data.manifest.homeshelf)}</p>"
    return html_page(title, title, f"{run_headline(data)}.", parts, footer)
