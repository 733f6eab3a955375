"""One day of a served world: sessions, visits to Home, plays from there and from elsewhere, and what they change."""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.sample_world.events import Origins, event_table
from pipelines.sample_world.impressions import LOOK_MS
from pipelines.sample_world.listeners import Listeners, to_timestamps
from pipelines.sample_world.outcomes import Outcomes, draw_outcomes
from pipelines.sample_world.past import Traces
from pipelines.sample_world.plays import EXPLORE, Plays, draw_plays
from pipelines.sample_world.serving.response import (
    Cards,
    Response,
    ShownCards,
    draw_looks,
    draw_starts,
    habit_after,
    joy_of,
)
from pipelines.sample_world.serving.served_world import ServedWorld
from pipelines.sample_world.sessions import DAY_MS, Sessions, draw_sessions
from pipelines.sample_world.world import draw_controls, draw_surfaces
from transforms.events.impressions import IMPRESSIONS
from transforms.events.listening import SKIP_MS
from transforms.tables.groups import rank_in_run
from transforms.tables.surfaces import HOME


@dataclass(frozen=True)
class Visits:
    """R requests of pages, and what was started from them.

    session: of each request. looks: the cards shown. started: rows of `looks`, in order of sessions. is_known: of each
    of these, whether the user had played the track before.
    """

    session: np.ndarray
    looks: ShownCards
    started: np.ndarray
    is_known: np.ndarray


@dataclass(frozen=True)
class ServedDay:
    """A day: sessions, visits, and plays by session, those from Home first.

    look: by play, the row of the visits' looks that it started from; -1: from elsewhere. is_new: by play, whether the
    user had not played the track before the day. surface: of plays that did not start from Home.
    is_manual, is_shuffle: by play, see Origins.
    """

    starts_at: int
    sessions: Sessions
    cards: Cards
    visits: Visits
    plays: Plays
    outcomes: Outcomes
    look: np.ndarray
    is_new: np.ndarray
    surface: pa.Array
    is_manual: pa.Array
    is_shuffle: pa.Array

    @property
    def is_listened(self) -> np.ndarray:
        """Return whether each play lasted 30 s or more."""
        return self.outcomes.ms_played >= SKIP_MS

    @property
    def request_user(self) -> np.ndarray:
        """Return the user of each request."""
        return self.sessions.user[self.visits.session]


def serve_day(
    rng: np.random.Generator, world: ServedWorld, cards: Cards, response: Response, starts_at: int
) -> tuple[ServedWorld, ServedDay]:
    """Draw the day that begins at `starts_at`, in ms since 1970, and return the world after it."""
    listeners = world.listeners_today
    nobody = np.zeros(len(world.habit), dtype=bool)
    sessions = draw_sessions(rng, listeners, nobody, starts_at, starts_at + DAY_MS)
    is_request = rng.random(len(sessions.user)) < response.request_share
    visits = _visit(rng, world, cards, response, sessions, np.flatnonzero(is_request))
    home = _home_plays(world, cards, sessions, visits)
    past = world.past.extended(home.user, home.traces)
    left = replace(sessions, num_plays=sessions.num_plays - np.bincount(home.session, minlength=len(sessions.user)))
    other = draw_plays(rng, world.catalog, listeners, left, past, *world.span)
    plays, look = _joined(home, other, visits.started)
    outcomes = draw_outcomes(rng, world.catalog, listeners, sessions, plays, world.usual)
    is_new = ~world.past.has_played(plays.user, plays.track)
    surface = draw_surfaces(rng, len(sessions.user), plays)
    controls = draw_controls(rng, sessions, plays)
    day = ServedDay(starts_at, sessions, cards, visits, plays, outcomes, look, is_new, surface, *controls)
    extended = replace(world, past=past.extended(other.user, other.traces))
    return _after(extended, day, response), day


def _visit(
    rng: np.random.Generator,
    world: ServedWorld,
    cards: Cards,
    response: Response,
    sessions: Sessions,
    asked: np.ndarray,
) -> Visits:
    """Draw what the users look at and start; a session is never longer than it was drawn."""
    session = asked[np.diff(cards.first)[sessions.user[asked]] > 0]
    looks = draw_looks(rng, response, cards, sessions.user[session])
    seen = np.flatnonzero(looks.is_seen)
    of_session = session[looks.request[seen]]
    user, track = sessions.user[of_session], cards.track[looks.card[seen]]
    drifted = _drifted(world, sessions)[of_session]
    affinity = world.listeners.affinity(user, drifted, world.catalog.vector[track][:, None])[:, 0]
    is_known = world.past.has_played(user, track)
    wanted = draw_starts(rng, response, affinity - world.usual[user], is_known, world.fatigue.of(user, track))
    chosen = np.flatnonzero(wanted)
    kept = chosen[rank_in_run(of_session[chosen]) < sessions.num_plays[of_session[chosen]]]
    return Visits(session, looks, seen[kept], is_known[kept])


def _drifted(world: ServedWorld, sessions: Sessions) -> np.ndarray:
    """Return the drift of taste of the user of each session so far."""
    passed = (sessions.start - world.span[0]) / (world.span[1] - world.span[0])
    return world.listeners.drift[sessions.user] * passed


def _home_plays(world: ServedWorld, cards: Cards, sessions: Sessions, visits: Visits) -> Plays:
    """Return the plays that were started from Home: for later plays, they are found like explored ones."""
    session = visits.session[visits.looks.request[visits.started]]
    user, drifted = sessions.user[session], _drifted(world, sessions)[session]
    track = cards.track[visits.looks.card[visits.started]]
    artist = world.catalog.artist[track].astype(np.int64)
    none = np.zeros(len(track), dtype=np.int64)
    affinity = world.listeners.affinity(user, drifted, world.catalog.vector[track][:, None])[:, 0]
    traces = Traces(np.full(len(track), EXPLORE), none, artist, artist, track)
    return Plays(session, user, rank_in_run(session), drifted, traces, affinity)


def _joined(home: Plays, other: Plays, started: np.ndarray) -> tuple[Plays, np.ndarray]:
    """Join plays by session, those from Home first; return them, and the look of each (-1: from elsewhere)."""
    session = np.append(home.session, other.session)
    order = np.argsort(session, kind="stable")
    columns = {
        name: np.append(getattr(home, name), getattr(other, name))[order] for name in ("user", "drifted", "affinity")
    }
    traces = Traces(
        **{name: np.append(column, getattr(other.traces, name))[order] for name, column in vars(home.traces).items()}
    )
    look = np.append(started, np.full(len(other.session), -1))[order]
    session = session[order]
    return Plays(session=session, position=rank_in_run(session), traces=traces, **columns), look


def _after(world: ServedWorld, day: ServedDay, response: Response) -> ServedWorld:
    """Return the world with the habits, the fatigue and the mean affinity that a day leaves."""
    count, cards, looks = len(world.habit), day.cards, day.visits.looks
    from_home = day.look >= 0
    # the visits' starts and the plays from Home are in the same order
    joy = joy_of(response, day.is_listened[from_home], day.visits.is_known)
    num_starts = np.bincount(looks.request[day.visits.started], minlength=len(day.visits.session))
    in_vain = np.bincount(day.request_user[num_starts == 0], minlength=count)
    of_user = np.bincount(day.plays.user[from_home], joy, minlength=count) - response.nothing * in_vain
    num_requests = np.bincount(day.request_user, minlength=count)
    seen = np.flatnonzero(looks.is_seen)
    return replace(
        world,
        liked=world.liked + np.bincount(day.plays.user, day.plays.affinity, minlength=count),
        habit=habit_after(response, world.habit, of_user, num_requests),
        fatigue=world.fatigue.after(day.request_user[looks.request[seen]], cards.track[looks.card[seen]]),
    )


def day_tables(world: ServedWorld, day: ServedDay, policy: pa.Array) -> dict[str, pa.Table]:
    """Return the events and the impressions of a day; `policy`: the name of the policy that served each user."""
    plays = day.plays
    request = np.append(day.visits.looks.request, -1)[day.look]
    is_home = pa.array(day.look >= 0)
    card = pa.array(np.append(day.visits.looks.card, 0)[day.look], mask=day.look < 0)
    request_id = _request_ids(world.listeners, day)
    origins = Origins(
        surface=pc.if_else(is_home, HOME, day.surface),
        shelf_id=day.cards.shelf_id.take(card),
        request_id=request_id.take(pa.array(request, mask=day.look < 0)),
        is_manual=day.is_manual,
        is_shuffle=day.is_shuffle,
    )
    rows = np.arange(len(plays.user))
    events = event_table(world.catalog, world.listeners, plays, day.outcomes, origins, rows)
    return {"events": events, "impressions": _impressions(world, day, request_id, policy)}


def _request_ids(listeners: Listeners, day: ServedDay) -> pa.Array:
    """Return the id of each request: the user's id, the day since 1970 and the number of the request on it."""
    number = pa.array(rank_in_run(day.request_user)).cast(pa.string())
    user_id = listeners.user_id.take(pa.array(day.request_user))
    return pc.binary_join_element_wise(user_id, str(day.starts_at // DAY_MS), number, "-home-")


def _impressions(world: ServedWorld, day: ServedDay, request_id: pa.Array, policy: pa.Array) -> pa.Table:
    """Return IMPRESSIONS of all cards on the requested pages, seen or not."""
    looks, cards = day.visits.looks, day.cards
    card, request = pa.array(looks.card), pa.array(looks.request)
    first_play = np.searchsorted(day.plays.session, day.visits.session)
    user = pa.array(day.request_user).take(request)
    columns = {
        "user_id": world.listeners.user_id.take(user),
        "shown_at": to_timestamps(day.outcomes.played_at[first_play] - LOOK_MS).take(request),
        "surface": pa.repeat(HOME, len(looks.card)),
        "shelf_position": pa.array(cards.shelf.astype(np.int32)).take(card),
        "track_id": world.catalog.track_id.take(pa.array(cards.track[looks.card])),
        "position": pa.array(cards.position.astype(np.int32)).take(card),
        "propensity": pa.array(cards.propensity).take(card),
        "request_id": request_id.take(request),
        "shelf_id": cards.shelf_id.take(card),
        "shelf_propensity": pa.array(cards.shelf_propensity).take(card),
        "policy": policy.take(user),
    }
    return pa.table(columns, schema=IMPRESSIONS.arrow)
