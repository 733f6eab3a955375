"""Queues of a preview: what plays next after each context, and what would after a skip of one of its first tracks."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from pipelines.inputs.published import PublishedRun
from transforms.catalog.track_content import open_content_keys
from transforms.now_playing.queues.queue_tables import CONTEXTS, TRACK
from transforms.now_playing.queues.skip_branches import TrackVectors, skip_branches
from transforms.now_playing.skips.skip_model import read_skip_model
from transforms.now_playing.skips.track_facts import short_vectors

# First tracks of a queue for which the page knows what follows a skip.
_NUM_SKIPS = 5
_CARD = ("track_id", "p_completed", "p_skipped", "source", "is_familiar", "reason", "propensity")


def read_queues(published: PublishedRun, is_asked: pl.Expr) -> pl.DataFrame:
    """Return QUEUES of the users that were asked for, likely starts of sessions first; no row where there are none."""
    if "queues" not in published.manifest.tables:
        return pl.DataFrame()
    queues = published.table("queues").filter(is_asked).collect()
    kind = pl.col("context").replace_strict(CONTEXTS, range(len(CONTEXTS)), return_dtype=pl.Int8)
    return queues.sort("user_id", kind, maintain_order=True)


def queue_cards(queues: pl.DataFrame) -> pl.DataFrame:
    """Return track_id, source and reason of all tracks of queues, and those that queues start from."""
    if queues.is_empty():
        return pl.DataFrame(schema=dict.fromkeys(("track_id", "source", "reason"), pl.String))
    cards = queues.select("tracks").explode("tracks", empty_as_null=False).unnest("tracks")
    starts = queues.filter(pl.col("context") == TRACK).select(track_id="context_id")
    return pl.concat([cards.select("track_id", "source", "reason"), starts], how="diagonal")


def queue_views(
    published: PublishedRun, queues: pl.DataFrame, places: Mapping[str, Mapping[str, int]]
) -> dict[str, list[dict[str, object]]]:
    """Return the queues of each user as a page shows them.

    places: the index of every track, source and reason, by column. A view has context, name, start, familiar, relaxed,
    tracks as [track, completion, skip, source, is known, reason, propensity], and for a skip at each of the first
    tracks the places of what follows.
    """
    if queues.is_empty():
        return {}
    branches = queue_branches(published, queues, _NUM_SKIPS)
    views: dict[str, list[dict[str, object]]] = {}
    for queue, following in zip(queues.iter_rows(named=True), branches, strict=True):
        view: dict[str, object] = {
            "context": queue["context"],
            "name": queue["name"] or queue["context_id"],
            "start": places["track_id"].get(queue["context_id"]) if queue["context"] == TRACK else None,
            "familiar": queue["familiar_per_10"],
            "relaxed": queue["relaxed"],
            "tracks": [_card(card, places) for card in queue["tracks"]],
            "branches": following,
        }
        views.setdefault(queue["user_id"], []).append(view)
    return views


def queue_branches(published: PublishedRun, queues: pl.DataFrame, num_skips: int) -> list[list[list[int]]]:
    """Return what follows a skip of each of the first tracks of QUEUES of a run, see skip_branches()."""
    catalog = published.catalog.tracks.select("track_id", "artist").with_row_index("track")
    found = catalog.join(queue_cards(queues), on="track_id", how="semi", maintain_order="left")
    content = open_content_keys(published.artifact("tracks"))["vector"]
    vectors = short_vectors(np.asarray(content[found["track"].to_numpy()]))
    tracks = TrackVectors(found["track_id"], found["artist"].fill_null(-1).to_numpy(), vectors)
    return skip_branches(queues, tracks, read_skip_model(published.artifact("skips")).order, num_skips)


def _card(card: Mapping[str, object], places: Mapping[str, Mapping[str, int]]) -> list[object]:
    values = {name: places[name][str(card[name])] if name in places else card[name] for name in _CARD}
    return [float(f"{one:.4g}") if isinstance(one, float) else int(one) for one in values.values()]  # type: ignore[call-overload]
