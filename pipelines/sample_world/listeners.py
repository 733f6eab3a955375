"""The users of the sample world and their tastes."""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pyarrow as pa

from pipelines.sample_world.catalog import GENRES, SCENES_PER_GENRE, SampleCatalog, list_column, to_unit_length
from pipelines.sample_world.tables import SAMPLE_USERS
from transforms.tables.columns import Column, Schema

TRUTH = Schema(
    "truth",
    (
        Column("user_id", pa.string(), "the user"),
        Column("taste", pa.list_(pa.float32()), "share of each genre of GENRES at the start; sums to 1"),
        Column("later_taste", pa.list_(pa.float32()), "the same for the taste towards which the user drifts"),
        Column("drift", pa.float32(), "share of the way from `taste` to `later_taste` that the period covers"),
        Column("favourite_artist_ids", pa.list_(pa.string()), "artists to whom the user returns, most often first"),
        Column("favourite_weights", pa.list_(pa.float32()), "share of the returns to each; sums to 1"),
        Column("discovery_rate", pa.float32(), "share of explored artists who are not among the favourites"),
        Column("skip_tendency", pa.float32(), "added to the log-odds of every skip"),
        Column("peak_hour", pa.float32(), "hour of the day, UTC, from 0, around which the user listens most", "h"),
        Column("active_share", pa.float32(), "share of days with a play"),
    ),
)

# Country, hours ahead of UTC, share of users.
_MARKETS = (
    *(("US", -6, 0.30), ("BR", -3, 0.15), ("GB", 0, 0.10), ("DE", 1, 0.12), ("SE", 1, 0.05), ("TR", 3, 0.06)),
    *(("IN", 5.5, 0.12), ("JP", 9, 0.10)),
)
_PEAK_LOCAL_HOUR, _PEAK_SPREAD = 15.0, 1.5

# A user's genres are gamma shares of this shape: a few have most. Half of the shape follows the genre's popularity.
_TASTE_SHAPE = 0.35
TASTE_STRENGTH = 5.0  # weight of a cosine of 1, in units of log popularity, in a choice
_NUM_FAVOURITES = 24
_NUM_ARTIST_CHOICES = 6
FAVOURITE_WEIGHTS = (np.arange(_NUM_FAVOURITES) + 1.0) ** -0.7
FAVOURITE_WEIGHTS /= FAVOURITE_WEIGHTS.sum()

# Share of days with plays: small for most users, near 1 for some. Calibrated to about 3.3 plays a day and user.
_ACTIVE_SHARE_MEDIAN, _ACTIVE_SHARE_SIGMA, ACTIVE_SHARE_LIMIT = 0.031, 1.0, 0.95
_ERASED_SHARE = 0.002
_NEWCOMER_SHARE = 0.01  # joined in the last days, without a play
_NEWCOMER_DAYS = 2
_JOINED_SHARE = 0.10  # joined during the period
_OLDEST_ACCOUNT_DAYS = 8 * 365


@dataclass(frozen=True)
class Listeners:
    """U users; arrays by user. Times are in ms since 1970, UTC.

    taste [2, U, G], vector [2, U, D]: at the start and at the end of the drift; the vector is the mean of the user's
        scenes.
    scene [U, G]: the preferred scene of each genre.
    favourites [U, NUM_FAVOURITES]: rows of artists.
    """

    user_id: pa.Array
    market: np.ndarray
    created_at: np.ndarray
    erased: np.ndarray
    is_newcomer: np.ndarray
    taste: np.ndarray
    scene: np.ndarray
    vector: np.ndarray
    drift: np.ndarray
    favourites: np.ndarray
    discovery_rate: np.ndarray
    skip_tendency: np.ndarray
    peak_hour: np.ndarray
    active_share: np.ndarray

    def take(self, user: np.ndarray) -> "Listeners":
        """Return new listeners with the parameters of these users."""
        pairs = {name: getattr(self, name)[:, user] for name in ("taste", "vector")}
        rest = {name: column for name, column in vars(self).items() if name not in pairs}
        return Listeners(
            user_id=rest.pop("user_id").take(pa.array(user)), **pairs, **{n: c[user] for n, c in rest.items()}
        )

    def affinity(self, user: np.ndarray, drifted: np.ndarray, vector: np.ndarray) -> np.ndarray:
        """Return the cosine of taste and vectors [M, C, VECTOR_LENGTH] as [M, C]; `drifted` [M]: drift so far."""
        own = self.vector[0, user] * (1 - drifted)[:, None] + self.vector[1, user] * drifted[:, None]
        return np.einsum("mcd,md->mc", vector, own.astype(np.float32))


def make_listeners(
    rng: np.random.Generator, catalog: SampleCatalog, user_id: pa.Array, starts_at: int, ends_at: int
) -> Listeners:
    """Make the users of one block; times in ms since 1970."""
    count = len(user_id)
    taste = np.stack([_draw_tastes(rng, catalog, count), _draw_tastes(rng, catalog, count)])
    scene = rng.integers(SCENES_PER_GENRE, size=(count, len(GENRES)))
    vector = to_unit_length(np.einsum("pug,ugd->pud", taste, catalog.scene_vector[np.arange(len(GENRES)), scene]))
    market = rng.choice(len(_MARKETS), count, p=[share for _, _, share in _MARKETS])
    ahead = np.array([hours for _, hours, _ in _MARKETS])[market]
    is_newcomer = rng.random(count) < _NEWCOMER_SHARE
    active_share = _ACTIVE_SHARE_MEDIAN * np.exp(_ACTIVE_SHARE_SIGMA * rng.standard_normal(count))
    return Listeners(
        user_id=user_id,
        market=market,
        created_at=_draw_created(rng, is_newcomer, starts_at, ends_at),
        erased=rng.random(count) < _ERASED_SHARE,
        is_newcomer=is_newcomer,
        taste=taste,
        scene=scene,
        vector=vector,
        drift=rng.beta(2, 3, count),
        favourites=_draw_favourites(rng, catalog, taste[0], scene),
        discovery_rate=rng.beta(6, 4, count),
        skip_tendency=rng.standard_normal(count) * 0.3,
        peak_hour=(_PEAK_LOCAL_HOUR - ahead + _PEAK_SPREAD * rng.standard_normal(count)) % 24,
        active_share=np.where(is_newcomer, 0, np.minimum(active_share, ACTIVE_SHARE_LIMIT)),
    )


def _draw_tastes(rng: np.random.Generator, catalog: SampleCatalog, count: int) -> np.ndarray:
    """Draw the share of each genre, [count, G]."""
    popular = np.bincount(catalog.artist_genre, catalog.artist_popularity, minlength=len(GENRES))
    shape = _TASTE_SHAPE * (0.5 + 0.5 * popular * len(GENRES))
    # the smallest term keeps a row of gammas of small shape from summing to 0
    shares = rng.gamma(shape, size=(count, len(GENRES))) + 1e-9
    return shares / shares.sum(axis=1, keepdims=True)


def draw_genres(rng: np.random.Generator, shares: np.ndarray) -> np.ndarray:
    """Draw a genre for each row of shares [M, G]."""
    return _draw_by_weight(rng, np.cumsum(shares, axis=1, dtype=np.float32))


def _draw_by_weight(rng: np.random.Generator, cumulative: np.ndarray) -> np.ndarray:
    """Draw a column for each row of cumulative weights [M, C]."""
    drawn = rng.random(len(cumulative), dtype=np.float32) * cumulative[:, -1]
    return np.minimum((cumulative <= drawn[:, None]).sum(axis=1), cumulative.shape[1] - 1)


def draw_by_score(rng: np.random.Generator, score: np.ndarray) -> np.ndarray:
    """Draw a column for each row of scores [M, C] by softmax, through the Gumbel maximum."""
    return np.argmax(score + rng.gumbel(size=score.shape).astype(np.float32), axis=1)


def draw_artists(rng: np.random.Generator, catalog: SampleCatalog, genre: np.ndarray, scene: np.ndarray) -> np.ndarray:
    """Draw an artist for each genre and scene: of some popular ones of the genre, one near the scene."""
    proposals = _propose_artists(rng, catalog, genre)
    nearness = np.einsum("mcd,md->mc", catalog.artist_vector[proposals], catalog.scene_vector[genre, scene])
    return proposals[np.arange(len(genre)), draw_by_score(rng, TASTE_STRENGTH * nearness)]


def _propose_artists(rng: np.random.Generator, catalog: SampleCatalog, genre: np.ndarray) -> np.ndarray:
    """Draw artists of each genre by popularity, [M, NUM_ARTIST_CHOICES]; any artists if it has none."""
    by_genre = np.argsort(catalog.artist_genre, kind="stable")
    mass = np.append(0.0, np.cumsum(catalog.artist_popularity[by_genre]))
    edge = mass[np.searchsorted(catalog.artist_genre[by_genre], np.arange(len(GENRES) + 1))]
    low, high = edge[genre][:, None], edge[genre + 1][:, None]
    drawn = low + (high - low) * rng.random((len(genre), _NUM_ARTIST_CHOICES))
    index = np.searchsorted(mass, drawn, side="right") - 1
    return by_genre[np.minimum(index, len(by_genre) - 1)]


def _draw_favourites(
    rng: np.random.Generator, catalog: SampleCatalog, taste: np.ndarray, scene: np.ndarray
) -> np.ndarray:
    """Draw artists of the user's genres and scenes: [U, NUM_FAVOURITES], one may occur twice."""
    user = np.repeat(np.arange(len(taste)), _NUM_FAVOURITES)
    genre = draw_genres(rng, taste[user])
    return draw_artists(rng, catalog, genre, scene[user, genre]).reshape(-1, _NUM_FAVOURITES)


def _draw_created(rng: np.random.Generator, is_newcomer: np.ndarray, starts_at: int, ends_at: int) -> np.ndarray:
    """Draw the creation of accounts in ms: before the period, during it, or just before its end."""
    count, day = len(is_newcomer), timedelta(days=1) // timedelta(milliseconds=1)
    share = rng.random(count)
    joined = rng.random(count) < _JOINED_SHARE
    long_ago = starts_at - share * _OLDEST_ACCOUNT_DAYS * day
    within = starts_at + share * (ends_at - starts_at)
    newcomer = ends_at - share * _NEWCOMER_DAYS * day
    return np.select([is_newcomer, joined], [newcomer, within], long_ago).astype(np.int64)


def user_table(listeners: Listeners) -> pa.Table:
    """Return SAMPLE_USERS."""
    market = pa.array([market for market, _, _ in _MARKETS]).take(pa.array(listeners.market))
    columns = (listeners.user_id, market, to_timestamps(listeners.created_at), pa.array(listeners.erased))
    return pa.table(list(columns), schema=SAMPLE_USERS.arrow)


def truth_table(listeners: Listeners, catalog: SampleCatalog) -> pa.Table:
    """Return TRUTH."""
    count = len(listeners.user_id)
    offsets = np.arange(count + 1, dtype=np.int32) * _NUM_FAVOURITES
    artists = catalog.artist_id.take(pa.array(listeners.favourites.ravel()))
    columns = {
        "user_id": listeners.user_id,
        "taste": list_column(listeners.taste[0]),
        "later_taste": list_column(listeners.taste[1]),
        "drift": listeners.drift,
        "favourite_artist_ids": pa.ListArray.from_arrays(offsets, artists),
        "favourite_weights": list_column(np.tile(FAVOURITE_WEIGHTS, (count, 1))),
        "discovery_rate": listeners.discovery_rate,
        "skip_tendency": listeners.skip_tendency,
        "peak_hour": listeners.peak_hour,
        "active_share": listeners.active_share,
    }
    return pa.table({name: pa.array(column).cast(TRUTH[name].type) for name, column in columns.items()})


def to_timestamps(milliseconds: np.ndarray) -> pa.Array:
    """Return times in ms since 1970 as timestamps in µs, UTC."""
    return pa.array(milliseconds * 1000).cast(pa.timestamp("us", tz="UTC"))
