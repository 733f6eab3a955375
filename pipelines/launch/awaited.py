"""Graphs whose command reads what they wrote."""

import apache_beam as beam

from pipelines.launch.progress import progress_display
from pipelines.launch.workers import watch_workers
from pipelines.rendering.console import PlainConsole


def run_to_end(pipeline: beam.Pipeline, console: PlainConsole) -> None:
    """Run a graph to its end, with its progress on the console."""
    with progress_display(console), watch_workers():
        pipeline.run().wait_until_finish()
