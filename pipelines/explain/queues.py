"""homeshelf why --surface=now_playing: the queues of a user, with why each track comes next."""

import sys

import polars as pl

from pipelines.inputs.published import PublishedRun
from pipelines.options.options import UsageError
from pipelines.options.published_options import WhyOptions
from pipelines.rendering.console import PlainConsole
from pipelines.rendering.plain_text import one_line


def explain_queues(run: PublishedRun, user: str, track: str) -> pl.DataFrame:
    """Return the tracks of a user's queues, with their names; track: empty: all, else those queues that hold it.

    Raises:
        UsageError: the run has no queues, none of this user, or none with the track.
    """
    if "queues" not in run.manifest.tables:
        raise UsageError(f"{run.folder} has no queues: --surfaces=now_playing makes them")
    queues = run.table("queues").filter(pl.col("user_id") == user).collect()
    if queues.is_empty():
        raise UsageError(f"--user={user}: the run has no queue of this user")
    cards = queues.with_row_index("queue").explode("tracks", empty_as_null=True).unnest("tracks")
    named = cards.join(
        run.catalog.tracks.select("track_id", "title", "artist_name"), on="track_id", how="left", maintain_order="left"
    )
    found = named if not track else named.filter((pl.col("track_id") == track).any().over("queue"))
    if found.is_empty():
        raise UsageError(f"--track={track}: no queue of {user} holds it")
    return found


def print_queues(options: WhyOptions, run: PublishedRun, console: PlainConsole) -> int:
    """Print the queues of a user, two lines a track; or as JSON lines."""
    cards = explain_queues(run, options.user, options.track)
    if options.json:
        cards.drop("queue").write_ndjson(sys.stdout)
        return 0
    for (_, context), queue in cards.group_by("queue", "context", maintain_order=True):
        wish, name = queue["familiar_per_10"][0], queue["name"][0] or queue["context_id"][0]
        title = f"\nafter the {context} {one_line(name)}: {wish} of ten known"
        console.print(title, style="bold", highlight=False, soft_wrap=True)
        for card in queue.iter_rows(named=True):
            name = one_line(f"{card['title']} by {card['artist_name'] or 'unknown'}")
            known = "known" if card["is_familiar"] else "new"
            figures = f"skip {card['p_skipped']:.2f}, completion {card['p_completed']:.2f}, p {card['propensity']:.3g}"
            console.print(f"  {card['position']:2}  {name}", highlight=False, soft_wrap=True)
            console.print(f"      {figures}, {known}: {card['reason']}", highlight=False, soft_wrap=True)
        for name in queue["relaxed"][0]:
            console.print(f"  relaxed: {name}", style="yellow", highlight=False)
    return 0
