"""The catalog of the sample world: genres, artists and tracks as points of one space of tastes."""

import functools
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.sample_world.names import artist_names, title_names
from pipelines.sample_world.profile import NEW_RELEASE_WINDOW_DAYS, RELEASE_AGE_DAYS
from pipelines.sample_world.tables import SAMPLE_TRACKS
from transforms.tables.groups import rank_in_run

GENRES = (
    *(
        "pop",
        "hip hop",
        "rock",
        "latin",
        "electronic",
        "indie pop",
        "r&b",
        "country",
        "house",
        "metal",
        "k-pop",
        "folk",
    ),
    *(
        "reggaeton",
        "punk",
        "jazz",
        "techno",
        "soul",
        "ambient",
        "afrobeats",
        "classical",
        "blues",
        "reggae",
        "bossa nova",
    ),
    "chanson",
)
VECTOR_LENGTH = 16
_MEAN_TRACKS_PER_ARTIST = 10
_CATALOG_POWER = 0.75  # an artist's number of tracks grows with popularity to this power
_TRACKS_PER_ALBUM = 6

# Distance of a scene from its genre, of an artist from the scene, of a track from the artist, and of the published
# vector from the track. No table names the scenes: they show in co-listening and in the vectors alone.
SCENES_PER_GENRE = 4
_SCENE_SPREAD = 0.9
_ARTIST_SPREAD = 0.4
_TRACK_SPREAD = 0.5
_VECTOR_NOISE = 0.3
# An artist's popularity is (rank + HEAD)^-EXPONENT (Zipf-Mandelbrot): without HEAD one artist would have a tenth of all
# plays.
_POPULARITY_EXPONENT = 1.1
_POPULARITY_HEAD = 5
_GENRE_EXPONENT = 0.7
_TRACK_POPULARITY_SPREAD = 1.0

_DAY_BITS, _DAY_SHIFT = 17, 40_000


@dataclass(frozen=True)
class SampleCatalog:
    """G genres of S scenes each, A artists and T tracks, sorted by artist, then by release.

    genre_vector [G, D], scene_vector [G, S, D], artist_vector [A, D], vector [T, D]: float32, of length 1; D is
        VECTOR_LENGTH. They are not published.
    artist: int32 [T]. first_track: int [A + 1], the first track of each artist.
    release_day: int [T], days since 1970.
    """

    genre_vector: np.ndarray
    scene_vector: np.ndarray
    artist_vector: np.ndarray
    artist_genre: np.ndarray
    artist_popularity: np.ndarray
    artist: np.ndarray
    first_track: np.ndarray
    release_day: np.ndarray
    duration_ms: np.ndarray
    popularity: np.ndarray
    vector: np.ndarray
    track_id: pa.Array
    artist_id: pa.Array

    def num_released(self, artist: np.ndarray, day: np.ndarray) -> np.ndarray:
        """Return the number of tracks that an artist has released by a day, elementwise."""
        after = np.searchsorted(self._release_keys, _release_keys(artist, day), side="right")
        return after - self.first_track[artist]

    @functools.cached_property
    def _release_keys(self) -> np.ndarray:
        return _release_keys(self.artist, self.release_day)

    def newest(self, artist: np.ndarray, day: np.ndarray) -> np.ndarray:
        """Return the latest track that an artist has released by a day, elementwise."""
        return self.first_track[artist] + self.num_released(artist, day) - 1

    def is_new(self, track: np.ndarray, day: np.ndarray) -> np.ndarray:
        """Return whether a track was released in the weeks up to a day, elementwise."""
        age = day - self.release_day[track]
        return (age >= 0) & (age < NEW_RELEASE_WINDOW_DAYS)


def _release_keys(artist: np.ndarray, day: np.ndarray) -> np.ndarray:
    """Return integers that sort by artist, then by day."""
    return (artist.astype(np.int64) << _DAY_BITS) + day + _DAY_SHIFT


def make_catalog(rng: np.random.Generator, num_tracks: int, first_day: int, last_day: int) -> SampleCatalog:
    """Make artists and tracks; every artist has a track before `first_day`, and some release more until `last_day`."""
    num_artists = max(1, num_tracks // _MEAN_TRACKS_PER_ARTIST)
    genre_vector = to_unit_length(rng.standard_normal((len(GENRES), VECTOR_LENGTH)))
    genre_share = (np.arange(len(GENRES)) + 1.0) ** -_GENRE_EXPONENT
    artist_genre = rng.choice(len(GENRES), num_artists, p=genre_share / genre_share.sum())
    scene_vector = _near(rng, np.repeat(genre_vector[:, None], SCENES_PER_GENRE, axis=1), _SCENE_SPREAD)
    artist_scene = rng.integers(SCENES_PER_GENRE, size=num_artists)
    artist_vector = _near(rng, scene_vector[artist_genre, artist_scene], _ARTIST_SPREAD)
    artist_popularity = (rng.permutation(num_artists) + 1.0 + _POPULARITY_HEAD) ** -_POPULARITY_EXPONENT
    artist = _assign_artists(rng, num_tracks, artist_popularity)
    release_day = _draw_releases(rng, artist, first_day, last_day)
    order = np.lexsort((release_day, artist))
    artist, release_day = artist[order], release_day[order]
    number = rng.permutation(num_tracks)
    return SampleCatalog(
        genre_vector=genre_vector,
        scene_vector=scene_vector,
        artist_vector=artist_vector,
        artist_genre=artist_genre,
        artist_popularity=artist_popularity / artist_popularity.sum(),
        artist=artist,
        first_track=np.searchsorted(artist, np.arange(num_artists + 1)),
        release_day=release_day,
        duration_ms=np.clip(rng.lognormal(np.log(208_000), 0.27, num_tracks), 45_000, 900_000).astype(np.int64),
        popularity=(rng.standard_normal(num_tracks) * _TRACK_POPULARITY_SPREAD).astype(np.float32),
        vector=_near(rng, artist_vector[artist], _TRACK_SPREAD),
        track_id=numbered_ids("track", number),
        artist_id=numbered_ids("artist", np.arange(num_artists)),
    )


def to_unit_length(vectors: np.ndarray) -> np.ndarray:
    """Scale vectors to length 1, float32."""
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def _near(rng: np.random.Generator, centres: np.ndarray, spread: float) -> np.ndarray:
    """Return a point near each centre; `spread` is about its distance."""
    noise = rng.standard_normal(centres.shape, dtype=np.float32)
    return to_unit_length(centres + noise * np.float32(spread / np.sqrt(VECTOR_LENGTH)))


def numbered_ids(kind: str, number: np.ndarray) -> pa.Array:
    """Return ids such as track-0000042."""
    return pc.binary_join_element_wise(kind, pc.utf8_lpad(pa.array(number).cast(pa.string()), 7, "0"), "-")


def _assign_artists(rng: np.random.Generator, num_tracks: int, popularity: np.ndarray) -> np.ndarray:
    """Return the artist of each track, int32 [T], sorted: one track each, and more for popular artists."""
    weight = popularity**_CATALOG_POWER
    more = rng.choice(len(popularity), num_tracks - len(popularity), p=weight / weight.sum())
    return np.sort(np.concatenate([np.arange(len(popularity)), more])).astype(np.int32)


def _draw_releases(rng: np.random.Generator, artist: np.ndarray, first_day: int, last_day: int) -> np.ndarray:
    """Return the release day of each track; the tracks of an album share it."""
    index = rank_in_run(artist)
    album = np.cumsum(index % _TRACKS_PER_ALBUM == 0) - 1
    age = RELEASE_AGE_DAYS.at(rng.random(album[-1] + 1)).astype(np.int64)
    # every artist has a track on any day of the world
    is_first = index[index % _TRACKS_PER_ALBUM == 0] == 0
    day = last_day - age
    return np.where(is_first & (day >= first_day), day - (last_day - first_day) - 1, day)[album]


def track_table(catalog: SampleCatalog, rng: np.random.Generator) -> pa.Table:
    """Return SAMPLE_TRACKS, in the order of the catalog."""
    count, artist = len(catalog.artist), pa.array(catalog.artist)
    is_album_start = np.append(True, (np.diff(catalog.artist) != 0) | (np.diff(catalog.release_day) != 0))
    album = np.cumsum(is_album_start) - 1
    album_index = pa.array(album)
    num_albums = int(album[-1]) + 1
    noisy = _near(rng, catalog.vector, _VECTOR_NOISE)
    columns = {
        "track_id": catalog.track_id,
        "title": title_names(rng, count),
        "artist_id": catalog.artist_id.take(artist),
        "artist_name": artist_names(rng, len(catalog.artist_id)).take(artist),
        "album_id": numbered_ids("album", np.arange(num_albums)).take(album_index),
        "album_title": title_names(rng, num_albums).take(album_index),
        "disc_number": pa.repeat(pa.scalar(1, pa.int32()), count),
        "track_number": pa.array((rank_in_run(album) + 1).astype(np.int32)),
        "release_date": pa.array(catalog.release_day.astype(np.int32)).cast(pa.date32()),
        "duration_ms": pa.array(catalog.duration_ms),
        "genres": _genre_lists(catalog, rng),
        "explicit": pa.array(rng.random(count) < 0.12),
        "markets": pa.nulls(count, SAMPLE_TRACKS["markets"].type),
        "vector": list_column(noisy),
    }
    return pa.table(columns, schema=SAMPLE_TRACKS.arrow)


def _genre_lists(catalog: SampleCatalog, rng: np.random.Generator) -> pa.Array:
    """Return one to three genres per track: the artist's own, then the nearest others."""
    nearness = catalog.artist_vector @ catalog.genre_vector.T
    nearness[np.arange(len(nearness)), catalog.artist_genre] = np.inf
    nearest = np.argsort(-nearness, axis=1, kind="stable")[:, :3]
    length = rng.choice((1, 2, 3), len(nearest), p=(0.4, 0.4, 0.2))[catalog.artist]
    is_kept = np.arange(3) < length[:, None]
    offsets = np.append(0, np.cumsum(length)).astype(np.int32)
    names = pa.array(GENRES).take(pa.array(nearest[catalog.artist][is_kept]))
    return pa.ListArray.from_arrays(offsets, names)


def list_column(rows: np.ndarray) -> pa.Array:
    """Return a matrix as a column of lists of float32."""
    offsets = np.arange(0, rows.size + 1, rows.shape[1], dtype=np.int32)
    return pa.ListArray.from_arrays(offsets, pa.array(np.ascontiguousarray(rows, dtype=np.float32).ravel()))
