"""The state of a sample world that is served pages, between two days."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa

from pipelines.sample_world.catalog import SampleCatalog, make_catalog, numbered_ids, track_table
from pipelines.sample_world.futures import capture_state
from pipelines.sample_world.listeners import ACTIVE_SHARE_LIMIT, Listeners
from pipelines.sample_world.past import Past
from pipelines.sample_world.serving.response import Fatigue, no_fatigue
from pipelines.sample_world.sessions import DAY_MS
from pipelines.sample_world.world import WorldSpec, block_tables, draw_block

_CATALOG, _LISTENERS = range(2)


@dataclass(frozen=True)
class ServedWorld:
    """U users at the start of a day.

    past: their plays so far. liked: sum of the affinity of these, by user. habit: log of the change of the share of
    active days, by user. span: start and end of the drift of tastes in ms since 1970.
    """

    catalog: SampleCatalog
    listeners: Listeners
    past: Past
    liked: np.ndarray
    habit: np.ndarray
    fatigue: Fatigue
    span: tuple[int, int]

    @cached_property
    def usual(self) -> np.ndarray:
        """Return the mean affinity of each user's plays so far [U]; 0 without any."""
        return self.liked / np.maximum(np.diff(self.past.first), 1)

    @property
    def listeners_today(self) -> Listeners:
        """Return the users, as often active as their habit has made them."""
        share = np.minimum(self.listeners.active_share * np.exp(self.habit), ACTIVE_SHARE_LIMIT)
        return replace(self.listeners, active_share=share)


def start_world(spec: WorldSpec, until: int) -> tuple[ServedWorld, dict[str, pa.Table]]:
    """Make a world that was not served any page until a moment in its span, in ms since 1970.

    Returns:
        The world then, and the tables events, users, impressions and tracks as the service knew them; users and tracks
        also hold those that are still to come.
    """
    catalog_rng = np.random.default_rng([spec.seed, _CATALOG])
    catalog = make_catalog(catalog_rng, spec.num_tracks, spec.span[0] // DAY_MS, spec.span[1] // DAY_MS)
    users = numbered_ids("user", np.arange(spec.num_users))
    block = draw_block(np.random.default_rng([spec.seed, _LISTENERS]), catalog, users, spec.span, until)
    state = capture_state(until, catalog, block.listeners, block.plays, block.outcomes.played_at, spec.span)
    world = ServedWorld(
        catalog, block.listeners, state.past, state.liked, np.zeros(spec.num_users), no_fatigue(), spec.span
    )
    return world, {**block_tables(catalog, block, until), "tracks": track_table(catalog, catalog_rng)}
