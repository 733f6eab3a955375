"""Print the summary of a run: numbers of events and pages, the ranker, remarks and one page."""

import shlex
from collections.abc import Iterator

import polars as pl
from apache_beam.io.filesystems import FileSystems
from rich.box import ROUNDED
from rich.table import Table
from rich.text import Text

from pipelines.rendering.console import PlainConsole
from pipelines.rendering.plain_text import one_line
from transforms.catalog.catalog import Catalog, open_catalog
from transforms.publishing.manifest import InputSummary, JsonObject, Manifest, read_manifest
from transforms.publishing.run_paths import resolve_path

_MAX_TRACKS = 5
# Tables of runs for now_playing.
_NOW_PLAYING = ("queues", "seeds", "successors")


def print_summary(console: PlainConsole, folder: str, *, is_whole: bool) -> None:
    """Read the manifest of the run in `folder`; print what came of it, and what to do next.

    is_whole: with all counts, the models on held-out examples, the input and one page.
    """
    output = folder.rsplit("/", 2)[0]
    manifest = read_manifest(output, folder)
    if is_whole:
        _print_counts(console, manifest)
    for line in _outcome(manifest):
        console.print(line, highlight=False, soft_wrap=True)
    for line in _warnings(manifest):
        console.print(line, style="yellow", highlight=False, soft_wrap=True)
    if "pages" not in manifest.tables:
        made = ", ".join(f"{table.rows:,} {name}" for name, table in manifest.tables.items() if name in _NOW_PLAYING)
        said = made or f"no pages: --mode={manifest.options['mode']}"
        console.print(f"{said}; in {folder}", highlight=False, soft_wrap=True)
        return
    pages = manifest.tables["pages"]
    if is_whole and (files := [file.path for file in pages.files if file.rows]):
        catalog = open_catalog(resolve_path(manifest.artifacts["catalog"], output, folder))
        console.print(_page(f"{folder}/{files[0]}", catalog))
    console.print(Text.assemble((f"{pages.rows:,} pages", "bold"), f" in {folder}/pages"), soft_wrap=True)
    where = shlex.quote(output)
    for command in (f"preview --run={where} --file=home.html", f"report --run={where}", f"why --run={where} --user=ID"):
        console.print(f"  homeshelf {command}", style="dim", highlight=False, soft_wrap=True)


def _outcome(manifest: Manifest) -> Iterator[str]:
    """Yield what became of the events, and what the ranker gains."""
    events, as_of = manifest.events, manifest.as_of[:19].replace("T", " ")
    reasons = ", ".join(f"{reason} {n:,}" for reason, n in events.rejected.items())
    rejected = f"{events.read - events.kept:,} rejected{f' ({reasons})' if reasons else ''}"
    yield f"run as of {as_of}: {events.read:,} events, {rejected}"
    holdout = (manifest.training or {}).get("holdout", {})
    ours, merged = (holdout.get(name, {}).get("ndcg_at_10") for name in ("ranker", "blend"))
    if ours is not None and merged:
        gain = f"{ours / merged - 1:+.1%} against the merge of the sources ({merged:.4f})"
        yield f"ranker: NDCG@10 {ours:.4f} on held-out examples, {gain}"
    if len(manifest.disabled):
        yield f"disabled for lack of data: {', '.join(manifest.disabled)}"


def _warnings(manifest: Manifest) -> Iterator[str]:
    """Yield sentences on the input, the ranker, the gate and rules."""
    yield from manifest.remarks
    for name, table in manifest.inputs.items():
        if table != InputSummary(table.rows, table.files):
            yield f"{name}: {table.describe()}"
    if fallback := (manifest.training or {}).get("fallback"):
        yield f"the popularity baseline ranks: {fallback}"
    for sentence in manifest.gate.violated:
        yield f"out of its limits: {sentence}"
    for rule, count in manifest.conflicts.items():
        yield f"{rule!r} could not hold on {count:,} pages"


def _print_counts(console: PlainConsole, manifest: Manifest) -> None:
    """Print all numbers, the models on held-out examples, the input, and why entries are disabled."""
    console.print(_funnel(manifest))
    if manifest.training:
        console.print(_training(manifest.training))
    for name, table in manifest.inputs.items():
        console.print(f"{name}: {table.describe()}", style="dim", highlight=False)
    for what, reason in manifest.disabled.items():
        console.print(f"disabled: {what} ({reason})", style="dim", highlight=False)


def _funnel(manifest: Manifest) -> Table:
    """Build the table of the numbers from events to pages."""
    events, tables, metrics = manifest.events, manifest.tables, manifest.metrics
    title = f"Run as of {manifest.as_of[:19].replace('T', ' ')}"
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    rows = [("events read", events.read), ("events kept", events.kept)]
    rows += [(f"rejected: {reason}", n) for reason, n in events.rejected.items()]
    if "features" in tables:
        training = sum(table.rows for name, table in tables.items() if name.startswith("features"))
        rows += [("training examples", training), ("held-out examples", tables["holdout"].rows)]
    if "pages" in tables:
        rows += [
            ("candidates scored", tables["candidates"].rows),
            ("users with a page", metrics.users_with_page),
            ("new tracks", metrics.new_tracks.total),
            ("new tracks at --new_track_floor", metrics.new_tracks.at_floor),
        ]
    for name, n in rows:
        table.add_row(name, f"{n:,}")
    return table


def _training(report: JsonObject) -> Table:
    """Build the table of the models on the held-out examples."""
    table = Table(
        title="Held-out examples of the last label window", title_justify="left", box=None, header_style="dim"
    )
    for title in ("model", "AUC", "log loss", "NDCG@10"):
        table.add_column(title, justify="left" if title == "model" else "right")
    for model, metrics in report["holdout"].items():
        row = (metrics[name] for name in ("auc", "log_loss", "ndcg_at_10"))
        table.add_row(model, *("-" if value is None else f"{value:.4f}" for value in row))
    return table


def _page(path: str, catalog: Catalog) -> Table:
    """Build the table of one page, a row per shelf: of the pages of a file, the one with the most shelves."""
    with FileSystems.open(path) as file:
        pages = pl.read_parquet(file)
    page = pages.sort(pl.col("shelves").list.len(), descending=True, maintain_order=True).head(1)
    shelves = page.select("shelves").explode("shelves", empty_as_null=True).unnest("shelves")
    shown = shelves.with_columns(pl.col("tracks").list.head(_MAX_TRACKS)).explode("tracks", empty_as_null=True)
    names = catalog.tracks.select("track_id", "artist_name", name="title")
    cards = shown.select("position", "title", "reason", pl.col("tracks").struct.field("track_id", "score"))
    named = cards.join(names, on="track_id", how="left", maintain_order="left")
    title = f"Home of {one_line(page['user_id'][0])} (first {_MAX_TRACKS} tracks of each shelf)"
    table = Table(title=title, title_justify="left", box=ROUNDED, show_lines=True, expand=True, header_style="dim")
    table.add_column("shelf, and why", ratio=2)
    table.add_column("score   track", ratio=3, no_wrap=True, overflow="ellipsis")
    for (_, head, reason), tracks in named.group_by("position", "title", "reason", maintain_order=True):
        lines = Text("\n").join(_card(track) for track in tracks.iter_rows(named=True))
        table.add_row(Text.assemble((str(head), "bold"), "\n", (str(reason), "dim")), lines)
    return table


def _card(track: JsonObject) -> Text:
    artist = f" · {track['artist_name']}" if track["artist_name"] else ""
    return Text.assemble((f"{track['score']:.3f}", "dim"), f"   {track['name']}", (artist, "dim"))
