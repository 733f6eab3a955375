"""A first file of flags from tables as other services have them, and what validate finds in these."""

from pathlib import Path

import polars as pl
import pytest

from pipelines.cli import main

DAYS, START = 30, 1_735_689_600


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a CSV of integer ids and epoch seconds, and one of songs, one of which is lacking."""
    rows = [(user, (user + day) % 5, START + 86_400 * day, 200) for user in range(4) for day in range(DAYS)]
    pl.DataFrame(rows, ["userid", "song", "ts", "seconds"], orient="row").write_csv(tmp_path / "listens.csv")
    songs = [(song, f"Song {song}", f"artist {song % 2}", "rock;pop") for song in range(4)]
    pl.DataFrame(songs, ["song", "name", "artist", "tags"], orient="row").write_csv(tmp_path / "songs.csv")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_from_init_to_flags_that_a_run_takes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "--events=listens.csv", "--tracks=songs.csv"]) == 0
    assert "homeshelf validate --config=homeshelf.yaml" in capsys.readouterr().out
    assert main(["run", "--config=homeshelf.yaml", "--print_config"]) == 0
    flags = capsys.readouterr().out
    assert "events_columns: user_id:userid,track_id:song,played_at:ts@s,ms_played:seconds*1000  # home" in flags
    assert "tracks_columns: track_id:song,title:name,artist_id:artist,genres:tags@split(;)  # home" in flags
    assert main(["init", "--events=listens.csv"]) == 2
    assert "--file=homeshelf.yaml: it is there already" in capsys.readouterr().err


def test_a_column_that_nothing_looks_like_is_asked_for(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pl.read_csv("listens.csv").rename({"song": "piece"}).write_csv("odd.csv")
    assert main(["init", "--events=odd.csv"]) == 2 and not (folder / "homeshelf.yaml").exists()
    err = capsys.readouterr().err
    assert "--events: no column looks like track_id" in err and "--events_columns=track_id:THEIRS" in err
    assert main(["init", "--events=odd.csv", "--events_columns=track_id:piece"]) == 0
    assert "track_id: piece  # given" in (folder / "homeshelf.yaml").read_text()


def test_validate_counts_what_does_not_join(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "--events=listens.csv", "--tracks=songs.csv"]) == 0
    (folder / "rules.yaml").write_text(
        "rules:\n  - exclude:\n      genres: [ROCK, polka]\n  - exclude:\n      artists: [artist 1, nobody]\n"
    )
    capsys.readouterr()
    assert main(["validate", "--config=homeshelf.yaml", "--rules=rules.yaml"]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "events: 120 rows in 1 file" in said and "events from 2025-01-01 00:00 to 2025-01-30 00:00" in said
    assert "4 users, 5 tracks" in said and "a run would reject 24 of 120 events: unknown_track 24" in said
    assert "1 tracks of 20.0% of the events are not in --tracks: '4'" in said
    assert "20.0% of the events would be rejected as invalid: a run fails above --max_rejected_fraction=0.05" in said
    assert "rules.yaml line 2: no track has genre 'polka'" in said and "rock" not in said.rpartition("rules")[2]
    assert "rules.yaml line 4: no track has artist_id 'nobody'" in said and "'artist 1'" not in said


def test_validate_ends_well_where_a_run_would(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "--events=listens.csv"]) == 0 and main(["validate", "--config=homeshelf.yaml"]) == 0
    assert "a run would take these tables" in capsys.readouterr().out


def test_validate_abbreviates_vectors_so_that_other_columns_can_be_read(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    songs = pl.DataFrame({"track_id": ["song 1"], "vector": [[0.123456789 * n for n in range(300)]]})
    songs.write_parquet("vectors.parquet")
    flags = ["--events_columns=user_id:userid,track_id:song,played_at:ts@s"]
    main(["validate", "--events=listens.csv", "--tracks=vectors.parquet", *flags])
    out = capsys.readouterr().out
    assert "song 1" in out and "[0, 0.1235, ...]" in out
