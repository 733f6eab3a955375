"""Print the report on a terminal."""

from rich.text import Text

from pipelines.evaluation.report_data import EvaluationReport
from pipelines.evaluation.report_tables import accuracy_table, oracle_tables, ranker_table
from pipelines.evaluation.report_values import ReportValues, headline_of, verdicts_of
from pipelines.rendering.console import PlainConsole
from pipelines.rendering.terminal_tables import print_tables


def print_report(console: PlainConsole, report: EvaluationReport) -> None:
    """Print the main tables, the verdicts on ours, and suspected leaks."""
    values = ReportValues(report)
    console.print(Text.assemble("\n", ("Evaluation", "bold"), f": {headline_of(report)}\n"))
    print_tables(console, [accuracy_table(report, values), *oracle_tables(report), ranker_table(values)])
    for verdict in verdicts_of(report):
        console.print(f"- {verdict.sentence}", highlight=False)
    for leak in report.leaks:
        if leak.is_suspect:
            text = f"suspect: {leak.system}: {leak.check} {leak.value:.2f}, at most {leak.limit:g}"
            console.print(text, style="red", highlight=False)
