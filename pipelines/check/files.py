"""Check that a run's files and counts are those of its manifest."""

from collections import Counter
from collections.abc import Iterator

import polars as pl

from pipelines.check.finding import Finding
from pipelines.inputs.published import PublishedRun
from transforms.publishing.manifest import TableFile
from transforms.publishing.stated_files import find_artifact_changes, find_changes
from transforms.tables.files import list_files, open_parquet

_VIOLATIONS = {"user_id": pl.String, "what": pl.String}


def check_files(run: PublishedRun) -> Iterator[Finding]:
    """Check sizes, hashes and rows of all files of tables and artifacts, and that table folders hold no other files."""
    manifest = run.manifest
    files = [file for table in manifest.tables.values() for file in table.files]
    stated = [file for artifact in manifest.artifact_files.values() for file in artifact]
    changed = list(find_changes(run.folder, files))
    for name, of_artifact in manifest.artifact_files.items():
        if path := run.resolved(name):
            changed += find_artifact_changes(path, of_artifact)
    yield _finding("files are those of the manifest", len(files) + len(stated), changed)
    named = {f"{run.folder}/{file.path}" for file in files}
    below = [file.path for name in manifest.tables for file in list_files(f"{run.folder}/{name}")]
    yield _finding("tables have no other files", len(below), [path for path in below if path not in named])
    yield _finding("files and tables have as many rows as stated", len(files), list(_wrong_rows(run)))


def _wrong_rows(run: PublishedRun) -> Iterator[str]:
    for name, table in run.manifest.tables.items():
        if table.rows != sum(file.rows for file in table.files):
            yield f"{name} has {table.rows:,} rows by the manifest, and its files {sum(f.rows for f in table.files):,}"
        for file in table.files:
            found = _rows_of(run, file)
            if found != file.rows:
                yield f"{file.path} has {found} rows, and {file.rows:,} by the manifest"


def _rows_of(run: PublishedRun, file: TableFile) -> int | None:
    """Return the rows by the footer; None: it cannot be read."""
    try:
        with open_parquet(f"{run.folder}/{file.path}") as parquet:
            return int(parquet.metadata.num_rows)
    except (OSError, ValueError):
        return None


def check_counts(run: PublishedRun, pages: pl.DataFrame, cards: pl.DataFrame) -> Iterator[Finding]:
    """Check the numbers of events, rejects, pages, shelves and tracks; an erasure has changed those of tables."""
    events, metrics = run.manifest.events, run.manifest.metrics
    wrong = []
    if events.kept + sum(events.rejected.values()) != events.read:
        wrong.append("events.read is not events.kept and events.rejected")
    if metrics.events != events.kept or metrics.rejected != events.errors:
        wrong.append("metrics.events and metrics.rejected are not those of events")
    yield _finding("the manifest's events add up", 2, wrong)
    if run.manifest.erasures:
        return
    yield _check_rejected(run)
    shelves = cards.unique(["user_id", "surface", "shelf_position"])
    found = {
        "pages": len(pages),
        "empty_pages": int((pages["shelves"].list.len().fill_null(0) == 0).sum()),
        "users_with_page": pages["user_id"].n_unique(),
        "tracks_on_pages": cards["track_id"].n_unique(),
        "tracks": len(run.catalog.tracks),
        "shelves": dict(Counter(shelves["shelf_id"])),
        "tracks_by_shelf": dict(Counter(cards["shelf_id"])),
    }
    off = [f"metrics.{name}" for name, value in found.items() if getattr(metrics, name) != value]
    yield _finding("metrics are those of the pages", len(found), off)


def _check_rejected(run: PublishedRun) -> Finding:
    """Check that the tables of rejected rows have as many of each reason as the manifest counts."""
    inputs = run.manifest.inputs
    stated = {"rejected": run.manifest.events.rejected}
    stated |= {f"rejected_{name}": table.rejected for name, table in inputs.items() if name != "events"}
    differing, num_checked = [], 0
    for table, counts in stated.items():
        is_there = table in run.manifest.tables
        found = Counter(run.table(table).select("reason").collect()["reason"].to_list()) if is_there else Counter()
        expected = Counter({reason: n for reason, n in counts.items() if n})
        num_checked += len(expected)
        differing += [
            f"{table} {reason}" for reason in sorted({*found, *expected}) if found[reason] != expected[reason]
        ]
    return _finding("rejected rows are those that the manifest counts", num_checked, differing)


def _finding(claim: str, num_checked: int, wrong: list[str]) -> Finding:
    """Return a finding that is of no user."""
    return Finding(claim, num_checked, pl.DataFrame({"user_id": ["-"] * len(wrong), "what": wrong}, _VIOLATIONS))
