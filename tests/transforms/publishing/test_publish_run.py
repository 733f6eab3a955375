"""What PublishRun's one worker does, in which order."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from transforms.publishing import publish_run
from transforms.publishing.gates import GateFailedError, GateSettings
from transforms.publishing.publish_run import (
    COUNTS,
    PublishRun,
    TooManyRejectedError,
    check_counts,
    count_plays,
    count_reasons,
    sum_counts,
    summarize_tables,
)
from transforms.tables.columns import to_frame, to_table
from transforms.tables.files import PublishedFile
from transforms.tables.schemas import PLAYS, REJECTED


def counted(**counts: int) -> Any:
    return 0, to_table(COUNTS.frame([{"what": what, "n": n} for what, n in counts.items()]), COUNTS)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bytes]]:
    """Every file that publish() puts, in order; catalog and ranker are not under test."""
    found: list[tuple[str, bytes]] = []
    monkeypatch.setattr(publish_run, "write_atomically", lambda path, content: found.append((path, content)))
    monkeypatch.setattr(publish_run, "open_catalog", lambda path: SimpleNamespace(has=lambda column: True))
    monkeypatch.setattr(publish_run, "local_copy", Path)
    monkeypatch.setattr(publish_run, "read_training_report", lambda path: REPORT)
    monkeypatch.setattr(publish_run, "read_histograms", lambda path: {})
    return found


REPORT = {"holdout": {"ranker": {"auc": 0.7}}, "disabled_rewards": {"saved": "0 of 9 examples have it"}}
FIGURES = {
    "users": 3, "pages": 3, "empty_pages": 0, "users_with_page": 3,
    "shelves": {"fresh": 6}, "tracks_on": {"fresh": 60}, "tracks_shown": 30,
    "tracks": 100, "histograms": {"score": {"4": 10}},
}  # fmt: skip


def publish(rejected: dict[str, int], *, read: int = 10, mode: str = "fail", **figures: int) -> str:
    checks = GateSettings(0.2, mode, {"rejected": 0.2}, {})
    about = {"as_of": "now"}
    stage = PublishRun(
        "out/ds=d",
        "run=r",
        None,
        None,
        None,
        None,
        None,
        {},
        None,
        about,
        lambda: "later",
        checks,
        moves_pointer=True,
    )
    artifacts = {"catalog": "out/ds=d/run=r/catalogs/c", "ranker": "elsewhere/ranker"}
    files = [PublishedFile("pages", "out/ds=d/run=r/pages/p", 3, 9, "hash")]
    counts = {
        "read": counted(events=read),
        "kept": counted(events=read - sum(rejected.values())),
        "rejected": counted(**rejected),
        "erased": counted(erased=4),
        "conflicts": counted(pin=2),
    }
    return stage.publish("run=r", files=files, figures=json.dumps({**FIGURES, **figures}), **counts, **artifacts)


def test_the_pointer_is_moved_after_the_manifest(written: list[tuple[str, bytes]]) -> None:
    path = publish({"unknown_track": 2, "in_the_future": 5}, read=20)
    assert [name for name, _ in written] == ["out/ds=d/run=r/manifest.json", "out/ds=d/CURRENT"]
    assert path == written[0][0] and written[1][1] == b"run=r\n"
    manifest = json.loads(written[0][1])
    assert manifest["events"] == {
        "read": 20,
        "kept": 13,
        "rejected": {"unknown_track": 2, "in_the_future": 5},
        "erased": 4,
    }
    assert manifest["artifacts"] == {"catalog": "catalogs/c", "ranker": "elsewhere/ranker"}
    assert manifest["tables"]["pages"]["files"][0]["path"] == "pages/p"
    assert manifest["conflicts"] == {"pin": 2}
    assert manifest["withheld"] == {"reward saved": "0 of 9 examples have it"}
    assert (manifest["as_of"], manifest["training"], manifest["run"]) == (
        "now",
        REPORT,
        "run=r",
    )
    assert manifest["published_at"] == "later" and manifest["gate"]["failed"] == []
    assert manifest["gate"]["values"]["auc"] == {"value": 0.7, "bound": 0.5}


@pytest.mark.parametrize(("mode", "moved"), [("fail", False), ("warn", True), ("off", True)])
def test_a_broken_limit_keeps_the_pointer_where_it_was(
    written: list[tuple[str, bytes]], mode: str, moved: bool
) -> None:
    if moved:
        publish({}, mode=mode, users_with_page=2)
    else:
        with pytest.raises(GateFailedError, match="users_without_page is 1, at most 0"):
            publish({}, mode=mode, users_with_page=2)
    assert [name.rsplit("/", 1)[-1] for name, _ in written] == ["manifest.json", *(["CURRENT"] if moved else [])]
    gate = json.loads(written[0][1])["gate"]
    assert gate["broken"] == ([] if mode == "off" else ["users_without_page is 1, at most 0"])
    assert gate["failed"] == (gate["broken"] if mode == "fail" else [])


def test_nothing_is_written_when_too_many_were_rejected(written: list[tuple[str, bytes]]) -> None:
    with pytest.raises(TooManyRejectedError, match="unknown_track 3"):
        publish({"unknown_track": 3})
    assert not written


def test_a_run_without_events_is_published(written: list[tuple[str, bytes]]) -> None:
    publish({}, read=0)
    assert json.loads(written[0][1])["events"] == {"read": 0, "kept": 0, "rejected": {}, "erased": 4}


@pytest.mark.parametrize(
    ("rejected", "allowed", "fails"),
    [
        ({}, 0.0, False),
        ({"unknown_track": 5}, 0.05, False),
        ({"unknown_track": 6}, 0.05, True),
        ({"unknown_track": 3, "exact_duplicate": 3}, 0.05, True),
        ({"in_the_future": 90}, 0.0, False),
        ({"unknown_track": 100}, 1.0, False),
    ],
)
def test_too_many_rejects(rejected: dict[str, int], allowed: float, fails: bool) -> None:
    events: dict[str, Any] = {"read": 100, "kept": 100 - sum(rejected.values()), "rejected": rejected}
    if not fails:
        check_counts(events, allowed)
        return
    with pytest.raises(TooManyRejectedError) as error:
        check_counts(events, allowed)
    assert all(f"{reason} {n}" in str(error.value) for reason, n in rejected.items())
    assert "--max_rejected_fraction" in str(error.value)


def test_a_lost_row_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="not the events read"):
        check_counts({"read": 3, "kept": 1, "rejected": {"unknown_track": 1}}, 1.0)


def test_counting() -> None:
    plays = PLAYS.frame([{"user_id": "a", "track": 1}, {"user_id": "b", "track": None}])
    assert count_plays(plays).rows() == [("events", 1)]
    rejected = REJECTED.frame([{"reason": "unknown_track"}, {"reason": "missing_user"}, {"reason": "unknown_track"}])
    counts = count_reasons(rejected)
    both = to_frame(to_table(sum_counts(pl.concat([counts, counts])), COUNTS))
    assert both.rows() == [("missing_user", 2), ("unknown_track", 4)]


def test_the_manifest_lists_each_table_with_its_files() -> None:
    files = [
        PublishedFile("pages", "out/pages/b", 2, 20, "beta"),
        PublishedFile("pages", "out/pages/a", 1, 10, "alpha"),
        PublishedFile("x", "out/x/a", 0, 5, "c"),
    ]
    tables = summarize_tables(files, "out")
    assert {name: one["rows"] for name, one in tables.items()} == {"pages": 3, "x": 0}
    assert tables["pages"]["files"][0] == {"path": "pages/a", "rows": 1, "bytes": 10, "sha256": "alpha"}
