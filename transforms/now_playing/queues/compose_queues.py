"""Compose the queues of every listener: contexts, pools, a set by chance, its order, chances of skips."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import apache_beam as beam
import numpy as np
import polars as pl

from transforms.catalog.catalog import Catalog, open_catalog
from transforms.catalog.track_content import ContentKeys, open_content_keys
from transforms.now_playing.queues.build_sets import build_sets, draw_from_pools, order_weights, wishes
from transforms.now_playing.queues.contexts import Contexts, find_contexts
from transforms.now_playing.queues.listeners import QueueListeners, queue_listeners
from transforms.now_playing.queues.order_queues import order_queues
from transforms.now_playing.queues.playable import find_playable
from transforms.now_playing.queues.pools import make_pools
from transforms.now_playing.queues.queue_rows import chances_in_order, queue_table, relaxed_names, sources_of
from transforms.now_playing.queues.queue_tables import ALBUM, CONTEXTS, QUEUES, SESSION, TRACK, QueuePolicy
from transforms.now_playing.skips.skip_features import TrackFigures
from transforms.now_playing.skips.skip_model import OpenTrees, SkipModel, read_skip_model
from transforms.now_playing.skips.track_facts import track_facts
from transforms.now_playing.successor_lists import SuccessorLists, open_successor_lists
from transforms.pages.rules.rule import Rule
from transforms.tables.buckets import MapBlocks, Opened, open_frame

_USERS_PER_BLOCK = 250
# Weight of ln of a chance of being liked beside ln of the chance of no skip; of a familiar track in the first place.
_LIKING, _FAMILIAR_FIRST = 0.1, 0.3


class QueueRecipe(NamedTuple):
    """Rules, settings, and the function that opens trees."""

    rules: Sequence[Rule]
    policy: QueuePolicy
    open_trees: OpenTrees


class QueueModels(NamedTuple):
    """Artifacts and facts as of the run."""

    catalog: Catalog
    successors: SuccessorLists
    skips: SkipModel
    facts: TrackFigures


@dataclass(eq=False)
class ComposeQueues(beam.PTransform):
    """compose_queues() on every bucket, in blocks of users; counts: TRACK_COUNTS as of the run."""

    counts: beam.PCollection
    catalog_path: beam.PCollection
    tracks_path: beam.PCollection
    successors_path: beam.PCollection
    skips_path: beam.PCollection
    recipe: QueueRecipe

    def expand(self, plays: beam.PCollection) -> beam.PCollection:
        """Map every bucket."""
        return plays | MapBlocks(
            compose_queues,
            _USERS_PER_BLOCK,
            out=QUEUES,
            catalog=Opened(self.catalog_path, open_catalog),
            keys=Opened(self.tracks_path, open_content_keys),
            counts=Opened(self.counts, open_frame),
            successors=Opened(self.successors_path, open_successor_lists),
            skips=Opened(self.skips_path, read_skip_model),
            recipe=self.recipe,
        )


def compose_queues(
    plays: pl.DataFrame,
    *,
    catalog: Catalog,
    keys: ContentKeys,
    counts: pl.DataFrame,
    successors: SuccessorLists,
    skips: SkipModel,
    recipe: QueueRecipe,
) -> pl.DataFrame:
    """PLAYS of whole users, in order -> QUEUES of those who have listened to anything."""
    facts = track_facts(catalog.tracks, counts, keys["vector"])
    known = plays.filter((pl.col("known_at") < recipe.policy.as_of).fill_null(False))
    models = QueueModels(catalog, successors, skips, facts)
    return _queues_of(known, models, recipe) if len(known) else QUEUES.frame()


def _queues_of(plays: pl.DataFrame, models: QueueModels, recipe: QueueRecipe) -> pl.DataFrame:
    """Compose the queues of users from their PLAYS before the moment of the policy."""
    catalog, facts, policy = models.catalog, models.facts, recipe.policy
    duration_ms = catalog.tracks["duration_ms"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    listeners = queue_listeners(plays, facts, duration_ms, policy.as_of.timestamp())
    playable = find_playable(listeners.users, catalog, recipe.rules, policy.as_of, policy.max_artist_tracks)
    contexts = find_contexts(listeners, catalog, playable, policy)
    if contexts.queues.is_empty():
        return QUEUES.frame()
    pools = make_pools(contexts, listeners, catalog, models.successors, playable, policy)
    wish = pl.Series(wishes(pools, contexts.queues, listeners, policy.length))
    queues = contexts.queues.with_columns(familiar_per_10=wish)
    played = _played(contexts)
    drawn = build_sets(
        draw_from_pools(pools, queues, listeners, policy), queues, played, listeners, facts, models.skips.order
    )
    weights = order_weights(models.skips.order, _LIKING, _FAMILIAR_FIRST)
    ordered = order_queues(drawn.sets, weights, policy.length, policy.width)
    is_card = ordered.place >= 0
    row = np.take_along_axis(drawn.row, np.maximum(ordered.place, 0), axis=1)[is_card]
    chosen = drawn.rows[row]
    cards = chosen.with_columns(sources_of(chosen), is_asked=pl.lit(True))
    shown = _after_contexts(cards, played, listeners, facts)
    known = chances_in_order(shown, listeners, facts, models.skips, recipe.open_trees, duration_ms)
    relaxed = queues.with_columns(relaxed_names(ordered.relaxed))
    return queue_table(known, relaxed, listeners, catalog)


def _played(contexts: Contexts) -> pl.DataFrame:
    """Return the tracks of contexts that are played: of albums, of a session, and the start of one."""
    kinds = [CONTEXTS.index(name) for name in (ALBUM, TRACK, SESSION)]
    return contexts.tracks.join(contexts.queues, on="queue", maintain_order="left").filter(
        pl.col("context").is_in(kinds)
    )


def _after_contexts(
    cards: pl.DataFrame, of_context: pl.DataFrame, listeners: QueueListeners, facts: TrackFigures
) -> pl.DataFrame:
    """Put the tracks of contexts before the cards: those of albums are shown, others were played before."""
    heard = listeners.own.filter(pl.col("listens") > 0).select("user", "track", is_familiar=pl.lit(True))
    before = of_context.join(heard, on=["user", "track"], how="left", maintain_order="left").select(
        "queue",
        "user",
        "track",
        artist=pl.Series(facts.artist).gather(of_context["track"]),
        is_familiar=pl.col("is_familiar").fill_null(False),
        source=pl.lit("context"),
        propensity=pl.lit(1.0),
        is_asked=pl.col("context") == CONTEXTS.index(ALBUM),
    )
    names = before.columns
    both = pl.concat([before, cards.select(names)], how="vertical_relaxed")
    return both.sort("queue", maintain_order=True)
