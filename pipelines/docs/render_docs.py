"""Render the documents' tables from the code: python -m pipelines.docs.render_docs (a test compares them)."""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from pipelines.docs.command_sections import describe_commands, list_commands, list_exit_statuses
from pipelines.docs.config_schema import write_schemas
from pipelines.docs.entry_sections import entry_tables, schema_table
from pipelines.docs.run_sections import BENCHMARKS, list_benchmark_figures, list_manifest_keys, list_run_files
from transforms.catalog.reject_tracks import REJECTED_TRACKS
from transforms.events.impressions import IMPRESSIONS, REJECTED_IMPRESSIONS
from transforms.events.reject_users import REJECTED_USERS
from transforms.experiments.off_policy.schemas import REPLAY_COLUMNS
from transforms.experiments.readout.schemas import ASSIGNMENTS, EXPOSURES, REJECTED_ENROLMENTS
from transforms.features.feature_tables import FEATURE_ROWS
from transforms.features.features import FEATURES
from transforms.now_playing.queues.list_seeds import SEEDS
from transforms.now_playing.queues.queue_tables import QUEUES
from transforms.now_playing.successor_tables import SUCCESSORS
from transforms.pages.list_cards import CARDS
from transforms.pages.published_candidates import CANDIDATE_FEATURES, RANKED
from transforms.tables.columns import Schema
from transforms.tables.schemas import EVENTS, PAGES, REJECTED, TRACKS, USERS

_ROOT = Path(__file__).parents[2]
DOCUMENTS = (_ROOT / "README.md", *sorted((_ROOT / "docs" / "reference").glob("*.md")), BENCHMARKS / "index.md")


def render_sections(text: str) -> str:
    """Replace the text between `<!-- begin NAME -->` and `<!-- end NAME -->` (KeyError: there is no such section)."""
    sections = _sections()

    def replaced(match: re.Match[str]) -> str:
        name = match[1]
        return f"<!-- begin {name} -->\n\n{sections[name]}\n\n<!-- end {name} -->"

    return re.sub(r"<!-- begin ([\w ]+) -->.*?<!-- end \1 -->", replaced, text, flags=re.DOTALL)


def _sections() -> dict[str, str]:
    rejected = (REJECTED, REJECTED_IMPRESSIONS, REJECTED_TRACKS, REJECTED_USERS)
    of_runs = (EVENTS, TRACKS, USERS, IMPRESSIONS, REPLAY_COLUMNS, PAGES, CARDS, QUEUES, SEEDS, SUCCESSORS, *rejected)
    of_experiments = (ASSIGNMENTS, EXPOSURES, REJECTED_ENROLMENTS)
    return {
        **{schema.name: schema_table(schema) for schema in (*of_runs, *of_experiments)},
        "candidates": schema_table(RANKED),
        "candidate features": schema_table(_without_features(CANDIDATE_FEATURES)),
        "examples": schema_table(_without_features(FEATURE_ROWS)),
        **entry_tables(),
        "list of commands": list_commands(),
        "commands": describe_commands(),
        "exit statuses": list_exit_statuses(),
        "files of a run": list_run_files(),
        "manifest": list_manifest_keys(),
        "figures of benchmarks": list_benchmark_figures(),
    }


def _without_features(schema: Schema) -> Schema:
    """Return a schema without the column of each feature."""
    names = {one.name for one in FEATURES}
    return Schema(schema.name, tuple(column for column in schema.columns if column.name not in names))


def _main(argv: Sequence[str] | None = None) -> None:
    """Rewrite the documents."""
    argparse.ArgumentParser(description=__doc__).parse_args(argv)
    for path in DOCUMENTS:
        path.write_text(render_sections(path.read_text(encoding="utf-8")), encoding="utf-8")
    write_schemas()


if __name__ == "__main__":
    _main()
