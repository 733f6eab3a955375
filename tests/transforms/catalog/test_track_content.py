"""Track content as arrays: equal texts have equal keys, missing values are zeros."""

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from models.towers.contract import NUM_GENRES, NUM_WORDS
from tests.worlds import AS_OF, catalog_of, random_plays, tracks_of
from transforms.catalog.collect_tracks import collect_tracks, distinct_tracks
from transforms.catalog.track_codes import READ_TRACKS
from transforms.catalog.track_content import ContentKeys, content_keys, track_content_as_of

ROWS = [
    {"track_id": "a", "title": "Blue Moon", "artist_id": "x", "genres": ["jazz", "swing", "pop", "rock"]},
    {"track_id": "b", "title": "blue  MOON (live)", "artist_id": "y", "genres": ["swing", None]},
    {"track_id": "c", "title": None, "artist_name": "y", "genres": []},
    {"track_id": "d", "title": " ".join(f"w{n}" for n in range(30))},
]
VECTORS = [[3.0, 4.0], [0.0, 0.0], [1.0, 2.0, 3.0], [float("nan"), 1.0]]


def keys_of(rows: list[dict]) -> ContentKeys:
    tracks = distinct_tracks(READ_TRACKS.frame(rows))
    return content_keys(tracks, collect_tracks(tracks, match_names=True))


def test_equal_texts_have_equal_keys() -> None:
    keys = keys_of(ROWS)
    assert keys["words"].shape == (4, NUM_WORDS) and keys["genres"].shape == (4, NUM_GENRES)
    blue, moon = keys["words"][0, :2]
    assert {blue, moon} < set(keys["words"][1].tolist()) and blue != moon
    assert (keys["words"][3] != 0).all(), "of many words the first count"
    # "y" is an id for one and a name, for want of an id, for the other
    assert keys["artist"][1] == keys["artist"][2] != keys["artist"][0] and keys["artist"][3] == 0
    assert keys["genres"][0, 1] == keys["genres"][1, 0] != 0 and not keys["genres"][1, 1:].any()
    assert not keys["genres"][2:].any() and keys["vector"].shape == (4, 0)


def test_vectors_of_another_length_or_without_one_are_zeros() -> None:
    rows = [{**row, "vector": vector} for row, vector in zip(ROWS, VECTORS, strict=True)]
    vectors = keys_of(rows)["vector"]
    assert vectors[0] == pytest.approx([0.6, 0.8]) and not vectors[1:].any()


def test_content_is_as_of_the_moment(tmp_path: Path) -> None:
    plays, tracks = random_plays(1), tracks_of(40)
    catalog = catalog_of(plays, tracks, tmp_path)
    rows = distinct_tracks(tracks)
    keys = content_keys(rows, collect_tracks(rows, match_names=True))
    content = track_content_as_of(keys, catalog.tracks, catalog.tracks["n_plays"].to_numpy(), AS_OF.date())
    for name, width in (("artist", None), ("genres", NUM_GENRES), ("words", NUM_WORDS)):
        values = getattr(content, name)
        assert values.shape == ((40,) if width is None else (40, width))
        table = {"genres": "genre", "words": "word"}.get(name, name)
        assert values.max() < content.num_rows[table] and content.num_rows[table].bit_count() == 1
    # equal artists share a row, and only they: four rows of the table for each make collisions rare
    artists = catalog.tracks["artist"].to_list()
    by_artist = pl.DataFrame({"artist": artists, "row": content.artist}).drop_nulls().unique()
    assert len(by_artist) == len(set(artists) - {None}) == by_artist["row"].n_unique()
    assert np.array_equal(content.num_plays, catalog.tracks["n_plays"])
    earlier = track_content_as_of(keys, catalog.tracks, catalog.tracks["n_plays"].to_numpy(), date(2025, 1, 1))
    is_new = catalog.tracks["release_date"].to_numpy() > np.datetime64("2025-01-01")
    assert is_new.sum() == 3 and not earlier.facts[is_new, 0].any()
    assert (content.facts[:, 0] > earlier.facts[:, 0]).all()


def test_one_huge_vector_does_not_make_all_huge() -> None:
    known = collect_tracks(
        tracks := READ_TRACKS.frame([{"track_id": "a", "vector": [1.0] * 100_000}, {"track_id": "b"}]), match_names=True
    )
    assert content_keys(tracks, known)["vector"].shape == (2, 0)
