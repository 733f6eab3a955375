"""Print what a run did, from what it published."""

import json
from typing import Any

import polars as pl
from apache_beam.io.filesystems import FileSystems
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from transforms.catalog import Catalog, open_catalog
from transforms.publish_run import MANIFEST

TRACKS_SHOWN = 5


def show_summary(console: Console, folder: str) -> None:
    """Read the manifest and one page of the run in `folder`; print them."""
    with FileSystems.open(f"{folder}/{MANIFEST}") as file:
        manifest = json.load(file)
    console.print(_funnel(manifest))
    console.print(_training(manifest["training"]))
    for what, reason in manifest["withheld"].items():
        console.print(f"withheld: {what} ({reason})", style="dim", highlight=False)
    pages = [f"{folder}/{file['path']}" for file in manifest["tables"]["pages"]["files"] if file["rows"]]
    if pages:
        _show_page(console, pages[0], open_catalog(manifest["artifacts"]["catalog"]))
    console.print(
        f"\n[bold]{manifest['tables']['pages']['rows']:,} pages[/] in {escape(folder)}/pages", highlight=False
    )


def _funnel(manifest: dict[str, Any]) -> Table:
    events, tables = manifest["events"], manifest["tables"]
    table = Table(
        title=f"Run as of {manifest['as_of'][:19].replace('T', ' ')}", title_justify="left", show_header=False
    )
    table.add_column(style="bold")
    table.add_column(justify="right")
    rows = [("events read", events["read"]), ("events kept", events["kept"])]
    rows += [(f"rejected: {reason}", n) for reason, n in events["rejected"].items()]
    if "features" in tables:
        rows.append(("training and held-out examples", tables["features"]["rows"]))
    rows += [("candidates scored", tables["candidates"]["rows"]), ("users with a page", tables["pages"]["rows"])]
    for name, n in rows:
        table.add_row(name, f"{n:,}")
    return table


def _training(report: dict[str, Any]) -> Table:
    table = Table(
        title="Held-out examples of the last label window", title_justify="left", box=None, header_style="dim"
    )
    for title in ("model", "AUC", "log loss", "NDCG@10", "examples"):
        table.add_column(title, justify="left" if title == "model" else "right")
    for model, figures in report["holdout"].items():
        row = (f"{figures['auc']:.4f}", f"{figures['log_loss']:.4f}", f"{figures['ndcg_at_10']:.4f}")
        table.add_row(model, *row, f"{figures['examples']:,}")
    return table


def _show_page(console: Console, path: str, catalog: Catalog) -> None:
    with FileSystems.open(path) as file:
        pages = pl.read_parquet(file)
    page = pages.sort(pl.col("shelves").list.len(), descending=True, maintain_order=True).head(1)
    shelves = page.explode("shelves").unnest("shelves")
    shown = shelves.with_columns(pl.col("tracks").list.head(TRACKS_SHOWN)).explode("tracks")
    cards = shown.select("title", "reason", pl.col("tracks").struct.field("track_id", "score"))
    names = catalog.tracks.select("track_id", "artist_name", name="title")
    table = Table(title=f"Home of {escape(page['user_id'][0])}", title_justify="left", header_style="dim")
    for title in ("shelf", "track", "artist", "score"):
        table.add_column(title, justify="right" if title == "score" else "left")
    before = None
    for card in cards.join(names, on="track_id", how="left", maintain_order="left").iter_rows(named=True):
        if card["title"] != before and before is not None:
            table.add_section()
        head = f"[bold]{escape(card['title'])}[/]\n[dim]{escape(card['reason'])}[/]" if card["title"] != before else ""
        table.add_row(head, escape(card["name"]), escape(card["artist_name"] or ""), f"{card['score']:.3f}")
        before = card["title"]
    console.print(table)
