"""Graphs whose command reads what they wrote."""

import apache_beam as beam

from pipelines.launch.graph_stages import find_stages
from pipelines.launch.progress import progress_display
from pipelines.launch.workers import watch_workers
from pipelines.rendering.console import error_console


def run_to_end(pipeline: beam.Pipeline) -> None:
    """Run a graph to its end, with its progress on standard error."""
    with progress_display(error_console(), find_stages(pipeline)), watch_workers():
        pipeline.run().wait_until_finish()
