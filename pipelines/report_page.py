"""The report as files: JSON, Markdown, and one HTML page."""

import json

from pipelines.report_tables import Report
from pipelines.report_text import as_markdown
from transforms.files import put


def write_report(report: Report, folder: str) -> None:
    """Write report.json and report.md below a local or remote folder."""
    put(f"{folder}/report.json", json.dumps(report, indent=1).encode())
    put(f"{folder}/report.md", as_markdown(report).encode())
