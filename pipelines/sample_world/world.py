"""The sample world: a music service that does not exist, whose users listen as people do (profile.py)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.sample_world.catalog import SampleCatalog, make_catalog, numbered_ids, track_table
from pipelines.sample_world.events import Origins, event_table
from pipelines.sample_world.futures import capture_state
from pipelines.sample_world.impressions import SHELF_ID, Requests, draw_requests, impression_table, request_ids
from pipelines.sample_world.listeners import Listeners, make_listeners, to_timestamps, truth_table, user_table
from pipelines.sample_world.oracle_lists import draw_oracle_lists
from pipelines.sample_world.outcomes import Outcomes, draw_outcomes, usual_affinity
from pipelines.sample_world.past import no_past
from pipelines.sample_world.plays import Plays, draw_plays
from pipelines.sample_world.sessions import DAY_MS, Sessions, draw_sessions
from transforms.tables.surfaces import HOME

# Blocks of users are drawn and written one at a time: this many plays take a few hundred MB.
PLAYS_PER_BLOCK = 400_000
_PLAYS_PER_DAY = 3.33  # of a user, on average
# Surfaces of the plays that do not start from Home.
_OTHER_SURFACES, _OTHER_SURFACE_SHARES = ("library", "playlist", "search", "radio"), (0.35, 0.35, 0.12, 0.18)

# Share of shuffled sessions; share of tracks that users choose themselves: of the
# first play of a session, and of later ones.
_SHUFFLE_SHARE, _MANUAL_SHARES = 0.15, (0.7, 0.1)

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_CATALOG, _BLOCK = range(2)  # streams of random numbers: of the world
_FUTURES = 1  # of a block


@dataclass(frozen=True, kw_only=True)
class WorldSpec:
    """The size and the times of a sample world: it holds what the service knew at `ends_at` of the `num_days` before.

    oracle_at: cutoffs within these days for which oracle lists are drawn.
    """

    num_users: int
    num_tracks: int
    num_days: int
    seed: int
    ends_at: datetime
    oracle_at: Sequence[datetime] = ()

    @property
    def span(self) -> tuple[int, int]:
        """Return the start and the end of the world in ms since 1970."""
        end = _to_ms(self.ends_at)
        return end - self.num_days * DAY_MS, end

    @property
    def users_per_block(self) -> int:
        """Return the number of users that are drawn at once."""
        return int(np.clip(PLAYS_PER_BLOCK / (_PLAYS_PER_DAY * self.num_days), 1, 4096))


def _to_ms(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def write_sample_world(
    output: Path, spec: WorldSpec, on_progress: Callable[[int, int], None] = lambda done, total: None
) -> dict[str, int]:
    """Write the folders events, tracks, users, impressions and truth, and oracle_lists if asked for.

    The same spec gives the same bytes. A user depends on the seed, the catalog and its own block alone.

    Args:
        output: the folder above them.
        spec: the size and the times of the world.
        on_progress: called with the number of users written so far, and of all users.

    Returns:
        The number of rows in each folder.
    """
    start, end = spec.span
    rng = np.random.default_rng([spec.seed, _CATALOG])
    catalog = make_catalog(rng, spec.num_tracks, start // DAY_MS, end // DAY_MS)
    rows = _write(output, 0, {"tracks": track_table(catalog, rng)})
    cutoffs = [_to_ms(moment) for moment in spec.oracle_at]
    for block, first in enumerate(range(0, spec.num_users, spec.users_per_block)):
        number = np.arange(first, min(first + spec.users_per_block, spec.num_users))
        tables = make_block([spec.seed, _BLOCK, block], catalog, numbered_ids("user", number), start, end, cutoffs)
        for name, count in _write(output, block, tables).items():
            rows[name] = rows.get(name, 0) + count
        on_progress(int(number[-1]) + 1, spec.num_users)
    return rows


def _write(output: Path, part: int, tables: dict[str, pa.Table]) -> dict[str, int]:
    """Write one file of each table; return the numbers of rows."""
    for name, table in tables.items():
        (output / name).mkdir(parents=True, exist_ok=True)
        pq.write_table(table, output / name / f"part-{part:05d}.parquet", compression="zstd", compression_level=1)
    return {name: table.num_rows for name, table in tables.items()}


def make_block(
    seed: list[int],
    catalog: SampleCatalog,
    user_id: pa.Array,
    starts_at: int,
    ends_at: int,
    oracle_at: Sequence[int] = (),
) -> dict[str, pa.Table]:
    """Make all tables of a block of users; times in ms since 1970."""
    block = draw_block(np.random.default_rng(seed), catalog, user_id, (starts_at, ends_at), ends_at)
    tables = {**block_tables(catalog, block, ends_at), "truth": truth_table(block.listeners, catalog)}
    states = [
        capture_state(cutoff, catalog, block.listeners, block.plays, block.outcomes.played_at, (starts_at, ends_at))
        for cutoff in oracle_at
    ]
    lists = [draw_oracle_lists(np.random.default_rng([*seed, _FUTURES, state.cutoff_at]), state) for state in states]
    return {**tables, "oracle_lists": pa.concat_tables(lists)} if lists else tables


@dataclass(frozen=True)
class Block:
    """A block of users, their sessions and plays, and the surface of each play that did not start from Home."""

    listeners: Listeners
    sessions: Sessions
    plays: Plays
    outcomes: Outcomes
    requests: Requests
    surface: pa.Array
    is_manual: pa.Array
    is_shuffle: pa.Array


def draw_block(
    rng: np.random.Generator, catalog: SampleCatalog, user_id: pa.Array, span: tuple[int, int], until: int
) -> Block:
    """Draw users whose tastes drift over `span`, and their plays up to `until` in it; times in ms since 1970."""
    listeners = make_listeners(rng, catalog, user_id, *span)
    is_due = ~listeners.is_newcomer & (listeners.created_at < until)
    sessions = draw_sessions(rng, listeners, is_due, span[0], until)
    plays = draw_plays(rng, catalog, listeners, sessions, no_past(len(user_id)), *span)
    outcomes = draw_outcomes(rng, catalog, listeners, sessions, plays, usual_affinity(plays))
    requests = draw_requests(rng, catalog, listeners, plays)
    surface = draw_surfaces(rng, len(sessions.user), plays)
    return Block(listeners, sessions, plays, outcomes, requests, surface, *draw_controls(rng, sessions, plays))


def draw_surfaces(rng: np.random.Generator, num_sessions: int, plays: Plays) -> pa.Array:
    """Draw the surface of the plays of each session that do not start from Home."""
    surface = rng.choice(len(_OTHER_SURFACES), num_sessions, p=_OTHER_SURFACE_SHARES)
    return pa.array(_OTHER_SURFACES).take(pa.array(surface[plays.session]))


def draw_controls(rng: np.random.Generator, sessions: Sessions, plays: Plays) -> tuple[pa.Array, pa.Array]:
    """Draw which plays their users chose themselves, and which are of shuffled sessions."""
    is_shuffle = (rng.random(len(sessions.user)) < _SHUFFLE_SHARE)[plays.session]
    share = np.where(plays.position == 0, *_MANUAL_SHARES)
    return pa.array((rng.random(len(share)) < share) & ~is_shuffle), pa.array(is_shuffle)


def block_tables(catalog: SampleCatalog, block: Block, until: int) -> dict[str, pa.Table]:
    """Return events, users and impressions that the service knew at `until`, in ms since 1970."""
    listeners, plays, outcomes, requests = block.listeners, block.plays, block.outcomes, block.requests
    impressions = impression_table(catalog, listeners, plays, requests, outcomes.played_at)
    reported = np.flatnonzero(outcomes.arrived_at < until)
    return {
        "events": event_table(catalog, listeners, plays, outcomes, _origins_of(block), reported),
        "users": user_table(listeners),
        "impressions": impressions.filter(pc.less(impressions["shown_at"], to_timestamps(np.array([until]))[0])),
    }


def _origins_of(block: Block) -> Origins:
    """Return where each play of a block started."""
    started = block.requests.play[block.requests.started >= 0]
    request = np.full(len(block.plays.user), -1)
    request[started] = np.arange(len(started))
    is_home = pa.array(request >= 0)
    request_id = request_ids(block.listeners, block.plays, started)
    return Origins(
        surface=pc.if_else(is_home, HOME, block.surface),
        shelf_id=pc.if_else(is_home, SHELF_ID, pa.scalar(None, pa.string())),
        request_id=request_id.take(pa.array(request, mask=request < 0)),
        is_manual=block.is_manual,
        is_shuffle=block.is_shuffle,
    )
