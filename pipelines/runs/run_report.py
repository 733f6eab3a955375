"""homeshelf report: what a run did, as one HTML page that needs no network; everything on it is read from the run."""

from collections.abc import Sequence

from rich.console import Console

from pipelines.inputs.published import PublishedRun
from pipelines.options.options import parse_all_flags
from pipelines.options.published_options import ReportOptions
from pipelines.rendering.html_parts import charts, marked, page_of, section, text_of
from pipelines.runs.report_data import Story, story_of
from pipelines.runs.run_charts import charts_of
from pipelines.runs.run_tables import (
    headline_of,
    holdout_table,
    limits_table,
    options_table,
    published_table,
    stages_table,
    verdicts_of,
)
from transforms.publishing.manifest import REPORT
from transforms.tables.files import write_atomically


def run(argv: Sequence[str]) -> int:
    """Write the page and say where it is (UsageError: no such run)."""
    options = parse_all_flags(ReportOptions, argv)
    published = PublishedRun(options.run, needs_pages=False)
    path = options.output or f"{published.folder}/{REPORT}"
    write_atomically(path, as_page(story_of(published)).encode())
    Console().print(f"report of {published.folder}: {path}", highlight=False, soft_wrap=True, markup=False)
    return 0


def as_page(story: Story) -> str:
    """The page."""
    title = f"Run as of {story.manifest['as_of'][:16].replace('T', ' ')}"
    parts = [
        marked(verdicts_of(story)),
        charts(charts_of(story), "flowing"),
        section(limits_table(story), is_folded=False),
        *(section(table, is_folded=False) for table in [holdout_table(story)] if table),
        section(published_table(story), is_folded=True),
        *(section(table, is_folded=True) for table in [stages_table(story)] if table),
        section(options_table(story), is_folded=True),
    ]
    footer = f"<p>homeshelf {text_of(story.manifest['homeshelf'])}</p>"
    return page_of(title, title, f"{headline_of(story)}.", parts, footer)
