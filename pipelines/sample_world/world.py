"""The sample world: a music service that does not exist, whose users listen as people do (see sample_profile.py)."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.sample_world.catalog import SampleCatalog, make_catalog, numbered_ids, track_table
from pipelines.sample_world.futures import capture_state
from pipelines.sample_world.impressions import HOME, SHELF_ID, Requests, draw_requests, impression_table, request_ids
from pipelines.sample_world.listeners import Listeners, make_listeners, to_timestamps, truth_table, user_table
from pipelines.sample_world.oracle_lists import draw_oracle_lists
from pipelines.sample_world.outcomes import Outcomes, draw_outcomes
from pipelines.sample_world.past import no_past
from pipelines.sample_world.plays import Plays, draw_plays
from pipelines.sample_world.sessions import DAY_MS, draw_sessions
from pipelines.sample_world.tables import SAMPLE_EVENTS
from transforms.tables.schemas import ACTIONS

# Blocks of users are drawn, and written, one at a time: this many plays fit into a few hundred MB.
PLAYS_PER_BLOCK = 400_000
PLAYS_PER_DAY = 3.33  # and user, on average
# Where plays start that do not start from Home.
SURFACES, SURFACE_SHARES = ("library", "playlist", "search", "radio"), (0.35, 0.35, 0.12, 0.18)

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_CATALOG, _BLOCK = range(2)  # streams of random numbers
_FUTURES = 1  # and of a block


def write_sample_world(
    output: Path,
    *,
    num_users: int,
    num_tracks: int,
    num_days: int,
    seed: int,
    ends_at: datetime,
    oracle_at: Sequence[datetime] = (),
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, int]:
    """Write the folders events, tracks, users, impressions and truth below `output`; return their numbers of rows.

    The log holds what the service knew at `ends_at` of the `num_days` before. With moments `oracle_at` within these
    days there is a folder oracle_lists, too. `on_progress` gets the number of users written so far, and of
    all. Same arguments, same bytes; a user depends on the seed, the catalog and its own block.
    """
    end, *cutoffs = ((moment - EPOCH) // timedelta(milliseconds=1) for moment in (ends_at, *oracle_at))
    start = end - num_days * DAY_MS
    rng = np.random.default_rng([seed, _CATALOG])
    catalog = make_catalog(rng, num_tracks, start // DAY_MS, end // DAY_MS)
    rows = _write(output, 0, {"tracks": track_table(catalog, rng)})
    users_per_block = int(np.clip(PLAYS_PER_BLOCK / (PLAYS_PER_DAY * num_days), 1, 4096))
    for block, first in enumerate(range(0, num_users, users_per_block)):
        number = np.arange(first, min(first + users_per_block, num_users))
        tables = make_block([seed, _BLOCK, block], catalog, numbered_ids("user", number), start, end, cutoffs)
        for name, count in _write(output, block, tables).items():
            rows[name] = rows.get(name, 0) + count
        on_progress(int(number[-1]) + 1, num_users)
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
    rng = np.random.default_rng(seed)
    listeners = make_listeners(rng, catalog, user_id, starts_at, ends_at)
    sessions = draw_sessions(rng, listeners, ~listeners.is_newcomer, starts_at, ends_at)
    plays = draw_plays(rng, catalog, listeners, sessions, no_past(len(user_id)), starts_at, ends_at)
    outcomes = draw_outcomes(rng, catalog, listeners, sessions, plays)
    requests = draw_requests(rng, catalog, listeners, plays)
    impressions = impression_table(catalog, listeners, plays, requests, outcomes.played_at)
    surface = rng.choice(len(SURFACES), len(sessions.user), p=SURFACE_SHARES)[plays.session]
    tables = {
        "events": _event_table(catalog, listeners, plays, outcomes, requests, surface, ends_at),
        "users": user_table(listeners),
        "impressions": impressions.filter(pc.less(impressions["shown_at"], to_timestamps(np.array([ends_at]))[0])),
        "truth": truth_table(listeners, catalog),
    }
    span = starts_at, ends_at
    moments = [capture_state(cutoff_at, catalog, listeners, plays, outcomes.played_at, span) for cutoff_at in oracle_at]
    best = [draw_oracle_lists(np.random.default_rng([*seed, _FUTURES, moment.cutoff_at]), moment) for moment in moments]
    return {**tables, "oracle_lists": pa.concat_tables(best)} if best else tables


def _event_table(
    catalog: SampleCatalog,
    listeners: Listeners,
    plays: Plays,
    outcomes: Outcomes,
    requests: Requests,
    surface: np.ndarray,
    ends_at: int,
) -> pa.Table:
    """Return SAMPLE_EVENTS: the plays, then the further actions, of which the service knew before `ends_at`."""
    known = np.flatnonzero(outcomes.arrived_at < ends_at)
    acted = known[outcomes.action[known] > 0]
    play = np.concatenate([known, acted])
    is_action = np.arange(len(play)) >= len(known)
    code = np.where(is_action, outcomes.action[play], 0)
    # an action falls within its play
    at = outcomes.played_at[play] + np.where(is_action, outcomes.ms_played[play] // 2, 0)
    started = requests.play[requests.started >= 0]
    request = np.full(len(plays.user), -1)
    request[started] = np.arange(len(started))
    is_home = pa.array(request[play] >= 0)
    request_id = request_ids(listeners, plays, started)
    columns = {
        "user_id": listeners.user_id.take(pa.array(plays.user[play])),
        "track_id": catalog.track_id.take(pa.array(plays.track[play])),
        "played_at": to_timestamps(at),
        "ms_played": pa.array(outcomes.ms_played[play], mask=is_action),
        "action": pa.array(ACTIONS).take(pa.array(code)),
        "surface": pc.if_else(is_home, HOME, pa.array(SURFACES).take(pa.array(surface[play]))),
        "shelf_id": pc.if_else(is_home, SHELF_ID, pa.scalar(None, pa.string())),
        "request_id": request_id.take(pa.array(request[play], mask=request[play] < 0)),
        "arrived_at": to_timestamps(outcomes.arrived_at[play]),
    }
    return pa.table(columns, schema=SAMPLE_EVENTS.arrow)
