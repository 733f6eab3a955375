"""The response of listeners of the sample world to a page: attention by place, starts, fatigue and habit.

A request shows the whole page. The listener looks on from shelf to shelf and from card to card with fixed
probabilities, and starts cards by taste: a track nearer to it than their usual ones, more so if they know it, less so
if they were shown it lately. Sessions keep their length: what is started from Home is not played from elsewhere. But a
day on which Home was worth the visit makes further days with listening more likely, which fades.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from transforms.tables.groups import rank_in_run


@dataclass(frozen=True, kw_only=True)
class Response:
    """Strengths of the response; log-odds unless said otherwise.

    request_share: share of sessions that begin on Home. shelf_look, card_look: probability of looking on to the next.
    start: of starting a card that is looked at. taste: added for a cosine of 1 above the user's usual. known: added if
    the user has played the track. fatigue: subtracted for each earlier look, of FATIGUE_HALF_LIFE_DAYS.
    novelty: joy of a listen to a track unplayed before, beside 1 of any listen. skip, nothing: loss of joy by a skip,
    and by a request without a start. habit: change of the log of the share of active days by a day's mean joy.
    """

    request_share: float = 0.5
    shelf_look: float = 0.8
    card_look: float = 0.85
    start: float = -2.0
    taste: float = 4.0
    known: float = 0.7
    fatigue: float = 0.6
    novelty: float = 1.0
    skip: float = 1.0
    nothing: float = 0.5
    habit: float = 0.02


FATIGUE_HALF_LIFE_DAYS, HABIT_HALF_LIFE_DAYS = 5.0, 30.0
_MAX_HABIT = 1.0
_FORGOTTEN = 0.05
_TRACK_BITS = 32


@dataclass(frozen=True)
class Cards:
    """The cards of the pages of U users, by user and then as they are read.

    first: int [U + 1], the first card of each user. shelf, position: of the shelf on the page, of the card on it.
    track: rows of the catalog. propensity, shelf_propensity: probabilities of the choices. shelf_id: by card.
    """

    first: np.ndarray
    shelf: np.ndarray
    position: np.ndarray
    track: np.ndarray
    propensity: np.ndarray
    shelf_propensity: np.ndarray
    shelf_id: pa.Array


@dataclass(frozen=True)
class ShownCards:
    """The cards that were shown in R requests, in order of requests; is_seen: whether the listener looked at it."""

    request: np.ndarray
    card: np.ndarray
    is_seen: np.ndarray


@dataclass(frozen=True)
class Fatigue:
    """Looks at tracks lately: keys of user and track in ascending order, and their faded number."""

    key: np.ndarray
    weight: np.ndarray

    def of(self, user: np.ndarray, track: np.ndarray) -> np.ndarray:
        """Return the faded number of looks of each user at a track, elementwise."""
        key = _keys(user, track)
        at = np.searchsorted(self.key, key)
        found = np.append(self.key, -1)[at] == key
        return np.where(found, np.append(self.weight, 0.0)[at], 0.0)

    def after(self, user: np.ndarray, track: np.ndarray) -> "Fatigue":
        """Return the fatigue a day later, with the day's looks."""
        faded = self.weight * 0.5 ** (1 / FATIGUE_HALF_LIFE_DAYS)
        kept = faded >= _FORGOTTEN
        key, row = np.unique(np.append(self.key[kept], _keys(user, track)), return_inverse=True)
        return Fatigue(key, np.bincount(row, np.append(faded[kept], np.ones(len(user))), minlength=len(key)))


def no_fatigue() -> Fatigue:
    """Return the fatigue of listeners who have seen nothing."""
    return Fatigue(np.zeros(0, dtype=np.int64), np.zeros(0))


def _keys(user: np.ndarray, track: np.ndarray) -> np.ndarray:
    return user.astype(np.int64) << _TRACK_BITS | track


def draw_looks(rng: np.random.Generator, response: Response, cards: Cards, user: np.ndarray) -> ShownCards:
    """Draw the cards that the users of R requests look at."""
    num_cards = np.diff(cards.first)[user]
    request = np.repeat(np.arange(len(user)), num_cards)
    card = np.repeat(cards.first[user], num_cards) + rank_in_run(request)
    num_shelves = int(cards.shelf.max(initial=0)) + 1
    num_seen_shelves = rng.geometric(1 - response.shelf_look, len(user))
    num_seen_cards = rng.geometric(1 - response.card_look, (len(user), num_shelves))
    shelf = cards.shelf[card]
    is_seen = (shelf < num_seen_shelves[request]) & (cards.position[card] < num_seen_cards[request, shelf])
    return ShownCards(request, card, is_seen)


def draw_starts(
    rng: np.random.Generator, response: Response, liking: np.ndarray, is_known: np.ndarray, fatigue: np.ndarray
) -> np.ndarray:
    """Draw whether each card that was looked at is started; `liking`: cosine above the user's usual."""
    log_odds = start_log_odds(response, liking, is_known, fatigue)
    return rng.logistic(size=len(log_odds)) < log_odds


def start_log_odds(response: Response, liking: np.ndarray, is_known: np.ndarray, fatigue: np.ndarray) -> np.ndarray:
    """Return the log-odds of starting each card that is looked at; see draw_starts()."""
    return np.asarray(response.start + response.taste * liking + response.known * is_known - response.fatigue * fatigue)


def joy_of(response: Response, is_listened: np.ndarray, is_known: np.ndarray) -> np.ndarray:
    """Return the joy of each play that was started from Home."""
    return np.where(is_listened, 1 + response.novelty * ~is_known, -response.skip)


def habit_after(response: Response, habit: np.ndarray, joy: np.ndarray, num_requests: np.ndarray) -> np.ndarray:
    """Return the habit of each user a day later; joy, num_requests: of the day, by user."""
    mean = joy / np.maximum(num_requests, 1)
    return np.clip(habit * 0.5 ** (1 / HABIT_HALF_LIFE_DAYS) + response.habit * mean, -_MAX_HABIT, _MAX_HABIT)
