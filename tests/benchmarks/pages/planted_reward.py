"""The true reward of pages in the sample world: what its listeners would get out of one visit.

Attention is that of the served world (pipelines/sample_world/serving/response.py), which composition does not know: a
listener looks on from shelf to shelf and from card to card with fixed probabilities, starts cards by taste, and is
disappointed by a visit without a start. The expectation is exact but for the moods and streaks of skips.
"""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from pipelines.inputs.published import card_rows
from pipelines.sample_world.catalog import make_catalog, numbered_ids
from pipelines.sample_world.futures import WorldState, capture_state
from pipelines.sample_world.outcomes import own_log_odds
from pipelines.sample_world.serving.response import Response, start_log_odds
from pipelines.sample_world.sessions import DAY_MS
from pipelines.sample_world.world import WorldSpec, draw_block


@dataclass(frozen=True)
class PlantedWorld:
    """The sample world of a spec at a moment; states: of its blocks of users."""

    states: list[WorldState]

    @classmethod
    def at(cls, spec: WorldSpec, moment: datetime) -> "PlantedWorld":
        """Make the world anew as homeshelf sample makes it, and stop at the moment."""
        start, end = spec.span
        catalog = make_catalog(np.random.default_rng([spec.seed, 0]), spec.num_tracks, start // DAY_MS, end // DAY_MS)
        cutoff = int(moment.timestamp() * 1000)
        states = []
        for block, first in enumerate(range(0, spec.num_users, spec.users_per_block)):
            users = numbered_ids("user", np.arange(first, min(first + spec.users_per_block, spec.num_users)))
            drawn = draw_block(np.random.default_rng([spec.seed, 1, block]), catalog, users, spec.span, end)
            states.append(
                capture_state(cutoff, catalog, drawn.listeners, drawn.plays, drawn.outcomes.played_at, spec.span)
            )
        return cls(states)

    def reward(self, pages: pl.DataFrame) -> pl.DataFrame:
        """Return the expected joy of one visit to each page: user_id, reward; see Response."""
        cards = card_rows(pages).select(
            pl.col("user_id").cast(pl.String), "track_id", shelf="shelf_position", rank="position"
        )
        return pl.concat(_of_block(state, cards) for state in self.states).sort("user_id")


def _of_block(state: WorldState, cards: pl.DataFrame) -> pl.DataFrame:
    users = pl.DataFrame({"user_id": pl.from_arrow(state.listeners.user_id)}).with_row_index("user")
    tracks = pl.DataFrame({"track_id": pl.from_arrow(state.catalog.track_id)}).with_row_index("track")
    rows = cards.join(users, on="user_id").join(tracks, on="track_id").sort("user", "shelf", "rank")
    user, track, shelf, rank = (rows[name].to_numpy().astype(np.int64) for name in ("user", "track", "shelf", "rank"))
    response = Response()
    passed = (state.cutoff_at - state.starts_at) / (state.ends_at - state.starts_at)
    drifted = state.listeners.drift[user] * passed
    affinity = state.listeners.affinity(user, drifted, state.catalog.vector[track][:, None])[:, 0]
    num_plays = state.past.count(np.arange(len(users)))
    liking = affinity - (state.liked / np.maximum(num_plays, 1))[user]
    is_known = state.past.has_played(user, track)
    start = _sigmoid(start_log_odds(response, liking, is_known, np.zeros(len(user))))
    listen = 1 - _sigmoid(own_log_odds(state.listeners.skip_tendency[user], np.zeros(len(user)), liking))
    joy = listen * (1 + response.novelty * ~is_known) - response.skip * (1 - listen)
    look = response.shelf_look**shelf * response.card_look**rank
    gained = np.bincount(user, look * start * joy, minlength=len(users))
    reward = gained - response.nothing * _no_start(response, user, shelf, rank, start, len(users))
    shown = np.unique(user)
    return pl.DataFrame({"user_id": users["user_id"].gather(shown), "reward": reward[shown]})


def _no_start(
    response: Response, user: np.ndarray, shelf: np.ndarray, rank: np.ndarray, start: np.ndarray, num_users: int
) -> np.ndarray:
    """Return the probability that a visit ends without a start [users]: from the last card and shelf backwards."""
    passes = np.ones((num_users, int(shelf.max(initial=0)) + 1, int(rank.max(initial=0)) + 1))
    passes[user, shelf, rank] = 1 - start
    row = np.ones(passes.shape[:2])
    for card in reversed(range(passes.shape[2])):
        row = passes[:, :, card] * (1 - response.card_look + response.card_look * row)
    page = np.ones(num_users)
    for one in reversed(range(row.shape[1])):
        page = row[:, one] * (1 - response.shelf_look + response.shelf_look * page)
    return page


def _sigmoid(log_odds: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-log_odds)))
