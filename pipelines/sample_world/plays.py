"""The tracks that the users of the sample world play: new ones by taste, and earlier ones again.

All plays of a block of users are drawn at once. A play that takes up an earlier one points to it; the pointers form
trees, and each play has the artist or track of the root of its tree. Exploration and preferential return: Song et al.
2010, "Modelling the scaling properties of human mobility".

    play      0        1        2        3        4        5
    kind      EXPLORE  FOLLOW   REPEAT   EXPLORE  RETURN   REPEAT
    points to          0        0                 2        1
    artist    a        a        a        b        a        a
    track     t        u        t        v        w        u

Draws may continue earlier plays: none where the world is written, its own plays where its possible futures are drawn
(futures.py).
"""

from dataclasses import dataclass

import numpy as np

from pipelines.sample_world.catalog import SampleCatalog
from pipelines.sample_world.listeners import (
    FAVOURITE_WEIGHTS,
    TASTE_STRENGTH,
    Listeners,
    draw_artists,
    draw_by_score,
    draw_genres,
)
from pipelines.sample_world.past import Past, Traces
from pipelines.sample_world.profile import REPEAT_DISTANCE
from pipelines.sample_world.sessions import DAY_MS, Sessions
from transforms.tables.groups import rank_in_run

# EXPLORE: any artist; FOLLOW: another track by the artist of the play before; RETURN: a new track by an artist played
# before; REPEAT: a track played before; AGAIN: the track of the play before.
EXPLORE, FOLLOW, RETURN, REPEAT, AGAIN = range(5)

# Distinct tracks in n plays: HEAPS_SCALE * n^HEAPS_POWER (Heaps' law), fitted to REPEAT_SHARE_BY_THOUSAND_PLAYS.
_HEAPS_POWER = 0.73
_HEAPS_SCALE = 3.29
# Share of FOLLOW among all plays, and at most among the new ones; share of EXPLORE among the other new ones: calibrated
# to SAME_ARTIST_NEXT and ARTISTS_PER_PLAY_IN_LONG_SESSIONS.
_FOLLOW_SHARE, _FOLLOW_LIMIT, _EXPLORE_SHARE = 0.17, 0.75, 0.8
# Calibrated to SAME_TRACK_NEXT; a repeat of two such plays plays the track twice as well.
_AGAIN_SHARE = 0.026
# Probability that a repeat after a repeat takes up the next earlier play, as in an album or a playlist.
_REPLAY_ON = 0.85
# Weights in the choice of an earlier play, of a cosine of 1 to the user's taste and to the session's genre.
_NUM_REPEAT_CHOICES = 4
_REPEAT_TASTE, _REPEAT_MOOD = 4.0, 4.0
_SESSION_GENRE_SHARE = 0.6  # of explored artists beside the favourites
_NUM_TRACK_CHOICES = 4
# Log-odds, for users who have played the artist: of a new track among the artist's, and of an artist with a new track.
_NEW_RELEASE_BONUS, _NEW_RELEASE_CALL = 3.0, 2.5
_MAX_TRIES = 8  # at a track that the user has not played; after _SAME_ARTIST_TRIES by an artist beyond the favourites
_SAME_ARTIST_TRIES = 5


@dataclass(frozen=True)
class Plays:
    """N plays, by user and then by time.

    session, user: rows of Sessions and Listeners.
    position: in the session, from 0.
    drifted: the user's drift of taste so far.
    affinity: cosine of the user's taste and the track.
    """

    session: np.ndarray
    user: np.ndarray
    position: np.ndarray
    drifted: np.ndarray
    traces: Traces
    affinity: np.ndarray

    @property
    def track(self) -> np.ndarray:
        """Return the row of the catalog of each play."""
        return self.traces.track


def draw_plays(
    rng: np.random.Generator,
    catalog: SampleCatalog,
    listeners: Listeners,
    sessions: Sessions,
    past: Past,
    starts_at: int,
    ends_at: int,
) -> Plays:
    """Draw the tracks of all sessions; tastes drift from `starts_at` to `ends_at`, in ms since 1970."""
    session = np.repeat(np.arange(len(sessions.user)), sessions.num_plays)
    user = sessions.user[session]
    position = rank_in_run(session)
    nth = past.count(user) + rank_in_run(user)
    passed = (sessions.start - starts_at) / (ends_at - starts_at)
    drifted = listeners.drift[sessions.user] * passed
    genre = draw_genres(rng, _tastes(rng, listeners, sessions.user, drifted))
    day = sessions.start[session] // DAY_MS
    draw = _Draw(rng, catalog, listeners, past, user, nth, drifted[session], genre[session], day)
    traces = draw.traces(_draw_kinds(rng, nth, position))
    affinity = listeners.affinity(user, draw.drifted, catalog.vector[traces.track][:, None])[:, 0]
    return Plays(session, user, position, draw.drifted, traces, affinity)


def _tastes(rng: np.random.Generator, listeners: Listeners, user: np.ndarray, drifted: np.ndarray) -> np.ndarray:
    """Return a taste for each user: the later one with the probability `drifted`."""
    return listeners.taste[(rng.random(len(user)) < drifted).astype(np.int64), user]


def _draw_kinds(rng: np.random.Generator, nth: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Draw the kind of each play; the first of a user is EXPLORE, the first of a session never FOLLOW."""
    p_new = np.minimum(1.0, _HEAPS_SCALE * _HEAPS_POWER * (nth + 1.0) ** (_HEAPS_POWER - 1))
    p_again = np.where(position > 0, _AGAIN_SHARE, 0.0)
    drawn = rng.random(len(nth))
    follows = drawn < np.minimum(_FOLLOW_SHARE, _FOLLOW_LIMIT * p_new)
    other = np.where(rng.random(len(nth)) < _EXPLORE_SHARE, EXPLORE, RETURN)
    kind = np.where(drawn < p_new, np.where(follows, FOLLOW, other), REPEAT)
    kind = np.where((drawn >= p_new) & (drawn > 1 - p_again), AGAIN, kind)
    kind = np.where((kind == FOLLOW) & (position == 0), RETURN, kind)
    return np.where(nth == 0, EXPLORE, kind)


def find_roots(parent: np.ndarray) -> np.ndarray:
    """Return the root of each node; a root is its own parent. Doubles the distance each time: log2(depth) rounds."""
    while True:
        grandparent = parent[parent]
        if np.array_equal(grandparent, parent):
            return parent
        parent = grandparent


@dataclass(frozen=True)
class _Draw:
    """Inputs of the draws for a block of plays; by play: user, plays before it, drift so far, session's genre, day."""

    rng: np.random.Generator
    catalog: SampleCatalog
    listeners: Listeners
    past: Past
    user: np.ndarray
    nth: np.ndarray
    drifted: np.ndarray
    genre: np.ndarray
    day: np.ndarray

    def traces(self, kind: np.ndarray) -> Traces:
        """Draw the origin and the track of each play."""
        plays = np.arange(len(kind))
        artist = np.zeros(len(kind), dtype=np.int64)
        explored = np.flatnonzero(kind == EXPLORE)
        artist[explored] = self._explore(explored)
        distance, guess = self._distances(kind, artist)
        source = self._back(plays, distance)
        artist = self._settle(self.past.traces.artist, artist, source)
        track = self._new_tracks(kind, artist.copy())
        source = np.where(kind <= RETURN, self._back(plays, 0), source)
        return Traces(kind, distance, guess, artist, self._settle(self.past.traces.track, track, source))

    def _back(self, plays: np.ndarray, distance: np.ndarray | int) -> np.ndarray:
        """Return the play `distance` plays before each; plays of the past are numbered first, then those to draw."""
        nth, user = self.nth[plays] - distance, self.user[plays]
        drawn = len(self.past.traces.kind) + plays - distance
        return np.where(nth < self.past.count(user), self.past.first[self.past.whose[user]] + nth, drawn)

    def _settle(self, past: np.ndarray, drawn: np.ndarray, source: np.ndarray) -> np.ndarray:
        """Return for each play to draw the value at the root of its tree; plays of the past keep their own."""
        roots = find_roots(np.append(np.arange(len(past)), source))
        return np.append(past, drawn)[roots[len(past) :]]

    def _distances(self, kind: np.ndarray, explored: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Draw the distance back to the play that each takes up: one of some offers, by taste and session's genre.

        Returns distances [N], and the artist of each play [N] if all took up their first offer.
        """
        plays, past = np.arange(len(kind)), self.past.traces
        is_repeat, before = kind == REPEAT, self._back(plays, 1)
        follows_repeat = np.append(past.kind, kind)[before] == REPEAT
        goes_on = is_repeat & follows_repeat & (self.nth > 1) & (self.rng.random(len(kind)) < _REPLAY_ON)
        resumed = np.flatnonzero(goes_on & (before < len(past.kind)))
        run_start = np.where(goes_on, 0, plays)
        run_start[resumed] = resumed
        run_start = np.maximum.accumulate(run_start)
        # at most back to the user's first play, and never to the play before, which is AGAIN
        nearest, furthest = REPEAT_DISTANCE.share_below(1.5), REPEAT_DISTANCE.share_below(self.nth)
        share = nearest + (furthest - nearest) * self.rng.random((_NUM_REPEAT_CHOICES, len(kind)))
        offered = np.clip(np.rint(REPEAT_DISTANCE.at(share)).astype(np.int64), 1, np.maximum(self.nth, 1))
        offered[:, kind == EXPLORE] = 0
        offered[:, (kind == FOLLOW) | (kind == AGAIN)] = 1
        offered[:, resumed] = past.distance[before[resumed]]
        guess = self._settle(past.guess, explored, self._back(plays, offered[0, run_start]))
        starts = np.flatnonzero((is_repeat & ~goes_on) | (kind == RETURN))
        guesses = np.append(past.guess, guess)
        score = [self._liking(kind, starts, guesses[self._back(starts, distance[starts])]) for distance in offered]
        chosen = np.zeros(len(kind), dtype=np.int64)
        chosen[starts] = draw_by_score(self.rng, np.stack(score, axis=1))
        return offered[chosen, plays][run_start], guess

    def _liking(self, kind: np.ndarray, plays: np.ndarray, artist: np.ndarray) -> np.ndarray:
        """Score artists that the plays may return to; new releases attract plays of new tracks."""
        vector = self.catalog.artist_vector[artist]
        own = self.listeners.affinity(self.user[plays], self.drifted[plays], vector[:, None])[:, 0]
        mood = np.einsum("md,md->m", vector, self.catalog.genre_vector[self.genre[plays]])
        calls = (kind[plays] == RETURN) & self.catalog.is_new(self.catalog.newest(artist, day := self.day[plays]), day)
        return _REPEAT_TASTE * own + _REPEAT_MOOD * mood + _NEW_RELEASE_CALL * calls

    def _new_tracks(self, kind: np.ndarray, artist: np.ndarray) -> np.ndarray:
        """Draw tracks new to the user for plays up to RETURN; values of other plays have no meaning."""
        track = np.full(len(artist), -1, dtype=np.int64)
        todo = new = np.flatnonzero(kind <= RETURN)
        for attempt in range(_MAX_TRIES):
            if attempt >= _SAME_ARTIST_TRIES:
                artist[todo] = self._explore_widely(todo)
            # users who have played an artist's best tracks choose more evenly among the others
            care = 1 / (1 + attempt)
            track[todo] = self._choose_tracks(todo, artist[todo], is_fan=kind[todo] != EXPLORE, care=care)
            todo = self._not_new(new, todo, track)
        return track

    def _explore(self, plays: np.ndarray) -> np.ndarray:
        """Draw artists: a favourite, or any of the user's genres."""
        rng, user = self.rng, self.user[plays]
        slot = np.searchsorted(np.cumsum(FAVOURITE_WEIGHTS), rng.random(len(plays)) * (1 - 1e-9))
        artist = self.listeners.favourites[user, slot]
        wide = np.flatnonzero(rng.random(len(plays)) < self.listeners.discovery_rate[user])
        artist[wide] = self._explore_widely(plays[wide])
        return artist

    def _explore_widely(self, plays: np.ndarray) -> np.ndarray:
        """Draw artists of the session's or the user's genres, of the user's scenes."""
        rng, user, drifted = self.rng, self.user[plays], self.drifted[plays]
        own_genre = draw_genres(rng, _tastes(rng, self.listeners, user, drifted))
        genre = np.where(rng.random(len(plays)) < _SESSION_GENRE_SHARE, self.genre[plays], own_genre)
        return draw_artists(rng, self.catalog, genre, self.listeners.scene[user, genre])

    def _choose_tracks(self, plays: np.ndarray, artist: np.ndarray, is_fan: np.ndarray, care: float) -> np.ndarray:
        """Draw one of a few released tracks of each artist, by popularity and taste; fans prefer the newest."""
        rng, catalog = self.rng, self.catalog
        num_out, first = catalog.num_released(artist, self.day[plays]), catalog.first_track[artist]
        offered = first[:, None] + (rng.random((len(plays), _NUM_TRACK_CHOICES)) * num_out[:, None]).astype(np.int64)
        newest = first + num_out - 1
        offered[:, 0] = np.where(is_fan & catalog.is_new(newest, self.day[plays]), newest, offered[:, 0])
        nearness = self.listeners.affinity(self.user[plays], self.drifted[plays], catalog.vector[offered])
        is_new = is_fan[:, None] & catalog.is_new(offered, self.day[plays][:, None])
        score = catalog.popularity[offered] + TASTE_STRENGTH * nearness + _NEW_RELEASE_BONUS * is_new
        return offered[np.arange(len(plays)), draw_by_score(rng, care * score)]

    def _not_new(self, new: np.ndarray, drawn: np.ndarray, track: np.ndarray) -> np.ndarray:
        """Return the plays among `new` whose track the user played before; the tracks of `drawn` were drawn last."""
        key = self.user[new] * len(self.catalog.artist) + track[new]
        order = np.argsort(key, kind="stable")
        is_repeated = np.zeros(len(track), dtype=bool)
        is_repeated[new[order[1:][np.diff(key[order]) == 0]]] = True
        is_repeated[drawn] |= self.past.has_played(self.user[drawn], track[drawn])
        return np.flatnonzero(is_repeated)
