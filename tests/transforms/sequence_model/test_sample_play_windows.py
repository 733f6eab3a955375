"""The stage that samples windows: known plays only, whole users, the same rows for any buckets, back as arrays."""

from dataclasses import fields
from pathlib import Path

import apache_beam as beam
import numpy as np
import polars as pl

from tests.stages import element_of, joined, run_graph, tables_of
from tests.worlds import AS_OF, DAY, by_bucket, random_plays, tracks_of
from transforms.catalog.collect_tracks import write_tracks
from transforms.catalog.track_codes import READ_TRACKS, open_tracks
from transforms.sequence_model.play_windows import PLAY_WINDOWS, stream_windows, windows_of
from transforms.sequence_model.sample_play_windows import SamplePlayWindows, sample_play_windows
from transforms.sequence_model.user_plays import training_windows, user_plays
from transforms.tables.columns import to_table
from transforms.tables.schemas import PLAYS
from transforms.tables.write_tables import WriteTables

AT = AS_OF - 20 * DAY
KEYS = ["user_key", "number"]


def tracks_at(folder: Path) -> str:
    folder.mkdir()
    write_tracks(folder, tracks=(0, to_table(tracks_of(40), READ_TRACKS)), match_names=False)
    return str(folder)


def sample(plays: pl.DataFrame, tracks: pl.DataFrame, share: float) -> pl.DataFrame:
    return sample_play_windows(plays, tracks=tracks, share=share, as_of=AT, seed=1)


def test_windows_are_of_known_plays_and_whole_users(tmp_path: Path) -> None:
    tracks, plays = open_tracks(tracks_at(tmp_path / "tracks")), random_plays(81, num_plays=4000)
    whole = sample(plays, tracks, 1.0)
    assert sample(plays.filter(pl.col("known_at") < AT), tracks, 1.0).equals(whole)
    half = sample(plays, tracks, 0.5)
    assert 0 < half["user_key"].n_unique() < whole["user_key"].n_unique()
    assert half.equals(whole.join(half.select("user_key").unique(), on="user_key", how="semi"))
    parts = [sample(part, tracks, 1.0) for part in by_bucket(plays, 5)]
    assert pl.concat(parts).sort(KEYS).equals(whole.sort(KEYS))


def test_sample_play_windows_as_a_transform_and_back_from_files(tmp_path: Path) -> None:
    path, plays = tracks_at(tmp_path / "tracks"), random_plays(82, num_plays=3000)

    def build(root: beam.Pipeline) -> beam.PCollection:
        buckets = tables_of(root, "plays", PLAYS, by_bucket(plays, 3))
        return buckets | SamplePlayWindows(element_of(root, "tracks", path), AT, 10_000, 1)

    expected = sample(plays, open_tracks(path), 1.0).sort(KEYS)
    assert joined(run_graph(build)).sort(KEYS).equals(expected)

    def write(root: beam.Pipeline) -> beam.PCollection:
        made = tables_of(root, "windows", PLAY_WINDOWS, [expected.reverse()])
        return made | WriteTables(PLAY_WINDOWS, str(tmp_path), 2, ("user_key", "number"))

    files = sorted(run_graph(write))
    streamed = list(stream_windows([file.path for file in files]))
    assert sum(map(len, streamed)) == len(expected) == sum(file.rows for file in files)
    arrays = windows_of(expected)
    again = training_windows(
        user_plays(plays.filter(pl.col("known_at") < AT), open_tracks(path)["duration_ms"])
    ).windows
    for one in fields(arrays):
        values = np.sort(getattr(arrays, one.name).reshape(len(arrays), -1).sum(axis=1))
        assert np.allclose(values, np.sort(getattr(again, one.name).reshape(len(arrays), -1).sum(axis=1)))
