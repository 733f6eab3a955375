"""What publishing a run writes, in which order, and what it refuses."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import apache_beam as beam
import polars as pl
import pyarrow as pa
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from transforms.events.reject_users import REJECTED_USERS
from transforms.publishing.erasures import ErasedMeanwhileError, record_erasure
from transforms.publishing.gates import GateFailedError, GateSettings
from transforms.publishing.input_counts import check_all_read
from transforms.publishing.json_records import read_record
from transforms.publishing.manifest import ArtifactFile, EventCounts, InputSummary, Manifest, RunMetrics, TableFile
from transforms.publishing.publish_run import (
    NoEventKeptError,
    Publication,
    PublishRun,
    TooManyRejectedError,
    check_counts,
    count_kept,
    count_read,
    count_rejected,
    count_relaxed,
    publish_run,
    run_counters,
    summarize_tables,
)
from transforms.tables.buckets import Element
from transforms.tables.columns import to_frame, to_table
from transforms.tables.counts import COUNTS, counts_frame, sum_counts
from transforms.tables.failures import RunFailedError
from transforms.tables.files import PublishedFile
from transforms.tables.schemas import EVENT_ROWS, PAGES, PLAYS, REJECTED
from transforms.tables.stage_counters import RUN_METRICS

REPORT = {"holdout": {"ranker": {"auc": 0.7}}, "disabled_rewards": {"saved": "0 of 9 examples have it"}}
METRICS: dict[str, Any] = {
    "users": 3, "pages": 3, "empty_pages": 0, "users_with_page": 3,
    "shelves": {"fresh": 6}, "tracks_by_shelf": {"fresh": 60}, "tracks_on_pages": 30,
    "tracks": 100, "histograms": {"score": {"4": 10}},
}  # fmt: skip
LEDGER = {"tail_recall": {"users": 200, "value": 0.5, "low": 0.4, "high": 0.6}}
FILES = [PublishedFile("pages", "out/ds=d/run=r/pages/p", 3, 9, "hash")]
ARTIFACTS = {"catalog": "out/ds=d/run=r/catalogs/c", "ranker": "elsewhere/ranker"}
NOTHING_MORE: dict[str, Any] = {"metrics": json.dumps(METRICS), "ledger": "{}", "artifacts": ARTIFACTS}
NO_COUNTS = (0, COUNTS.empty())


def later() -> str:
    return "later"


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bytes]]:
    """Every file that publish_run() writes, in order; catalog and ranker are not under test."""
    found: list[tuple[str, bytes]] = []
    stand_ins: dict[str, Any] = {
        "write_atomically": lambda path, content: found.append((path, content)),
        "open_catalog": lambda path: SimpleNamespace(has=lambda column: True, tracks=range(95)),
        "local_copy": Path,
        "describe_artifact": lambda path: (ArtifactFile("f", 3, path),),
        "read_training_report": lambda path: REPORT,
        "read_histograms": lambda path: {},
    }
    for name, stand_in in stand_ins.items():
        monkeypatch.setattr(f"transforms.publishing.publish_run.{name}", stand_in)
    return found


def publication(mode: str = "fail", **draft: Any) -> Publication:
    gate = GateSettings(0.2, mode, {"rejected": 0.2}, None)
    return Publication("out/ds=d/run=r", Manifest(**draft), gate, later, moves_pointer=True)


def publish(rejected: dict[str, int], *, read: int = 10, mode: str = "fail", **metrics: int) -> str:
    counts = {
        "read": read,
        "kept": read - sum(rejected.values()),
        **{f"events/rejected/{reason}": n for reason, n in rejected.items()},
        "erased": 4,
        "relaxed/pin": 2,
    }
    return publish_run(
        publication(mode, as_of="now"),
        files=FILES,
        counts=(0, to_table(counts_frame(counts), COUNTS)),
        metrics=json.dumps({**METRICS, **metrics}),
        ledger=json.dumps(LEDGER),
        artifacts=ARTIFACTS,
    )


def test_the_pointer_is_moved_after_the_manifest(written: list[tuple[str, bytes]]) -> None:
    path = publish({"unknown_track": 2, "in_the_future": 5}, read=20)
    assert [name for name, _ in written] == ["out/ds=d/run=r/manifest.json", "out/ds=d/CURRENT"]
    assert path == written[0][0] and written[1][1] == b"run=r\n"
    manifest = json.loads(written[0][1])
    rejected = {"unknown_track": 2, "in_the_future": 5}
    assert manifest["events"] == {"read": 20, "kept": 13, "rejected": rejected, "erased": 4}
    assert manifest["artifacts"] == {"catalog": "catalogs/c", "ranker": "elsewhere/ranker"}
    assert manifest["artifact_files"]["ranker"] == [{"path": "f", "bytes": 3, "sha256": "elsewhere/ranker"}]
    assert manifest["tables"]["pages"]["files"][0]["path"] == "pages/p"
    assert manifest["conflicts"] == {"pin": 2}
    assert manifest["disabled"] == {"reward saved": "0 of 9 examples have it"}
    assert (manifest["as_of"], manifest["training"], manifest["run"]) == ("now", REPORT, "run=r")
    assert manifest["published_at"] == "later" and manifest["gate"]["failed"] == []
    assert manifest["gate"]["values"]["auc"] == {"value": 0.7, "bound": 0.5}
    assert {name: manifest["metrics"][name] for name in METRICS} == METRICS
    assert manifest["metrics"]["ledger"] == LEDGER
    assert manifest["metrics"]["rejected"] == {"unknown_track": 2} and manifest["metrics"]["events"] == 13


def test_a_run_without_pages_moves_no_pointer(written: list[tuple[str, bytes]]) -> None:
    run = replace(publication("off"), moves_pointer=False)
    publish_run(run, files=[], counts=NO_COUNTS, **NOTHING_MORE)
    assert [name for name, _ in written] == ["out/ds=d/run=r/manifest.json"]


@pytest.mark.parametrize(("mode", "moved"), [("fail", False), ("warn", True), ("off", True)])
def test_a_violated_limit_keeps_the_pointer_where_it_was(
    written: list[tuple[str, bytes]], mode: str, moved: bool
) -> None:
    if moved:
        publish({}, mode=mode, users_with_page=2)
    else:
        with pytest.raises(GateFailedError, match="users_without_page is 1, at most 0"):
            publish({}, mode=mode, users_with_page=2)
    assert [name.rsplit("/", 1)[-1] for name, _ in written] == ["manifest.json", *(["CURRENT"] if moved else [])]
    gate = json.loads(written[0][1])["gate"]
    assert gate["violated"] == ([] if mode == "off" else ["users_without_page is 1, at most 0"])
    assert gate["failed"] == (gate["violated"] if mode == "fail" else [])


def test_counts_of_the_other_tables_are_in_the_manifest(written: list[tuple[str, bytes]]) -> None:
    counts = {"tracks/rejected/missing_track": 2, "tracks/cleared/vector": 4, "read": 10, "kept": 10}
    counts |= {"tracks/rejected/repeated_track": 2, "tracks/unreadable/explicit": 1}
    publish_run(
        publication("warn", inputs={"tracks": InputSummary(rows=100), "users": InputSummary(rows=7)}),
        files=FILES,
        counts=(0, to_table(counts_frame(counts), COUNTS)),
        **NOTHING_MORE,
    )
    inputs = json.loads(written[0][1])["inputs"]
    found = {name: read_record(InputSummary, table) for name, table in inputs.items()}
    assert found["tracks"].rejected == {"missing_track": 2, "repeated_track": 2} and found["users"].rejected == {}
    text = "rejected: missing_track 2, repeated_track 2; taken as unknown: vector 4; cannot be read: explicit 1"
    assert found["tracks"].cleared == {"vector": 4} and found["tracks"].describe() == f"100 rows in 0 files; {text}"


def test_nothing_is_written_when_too_many_were_rejected(written: list[tuple[str, bytes]]) -> None:
    with pytest.raises(TooManyRejectedError, match="unknown_track 3"):
        publish({"unknown_track": 3})
    assert not written


@pytest.mark.parametrize("mode", ["warn", "fail"])
@pytest.mark.parametrize(("rejected", "read"), [({}, 0), ({"arrived_in_the_future": 10}, 10)])
def test_a_run_that_keeps_no_event_fails(
    written: list[tuple[str, bytes]], rejected: dict[str, int], read: int, mode: str
) -> None:
    found = f"none of the {read} events is kept" + r" \(arrived_in_the_future 10\)" * bool(rejected)
    with pytest.raises(NoEventKeptError, match=found):
        publish(rejected, read=read, mode=mode)
    assert not written


def test_without_a_gate_a_run_without_events_is_published(written: list[tuple[str, bytes]]) -> None:
    publish({}, read=0, mode="off")
    assert json.loads(written[0][1])["events"] == {"read": 0, "kept": 0, "rejected": {}, "erased": 4}


def test_the_stage_counts_in_every_bucket(written: list[tuple[str, bytes]]) -> None:
    plays = [PLAYS.frame([{"user_id": user, "track": 1}, {"user_id": user, "track": None}]) for user in "ab"]
    rejected = [REJECTED.frame([{"reason": "in_the_future"}]), REJECTED.frame([{"reason": "in_the_future"}] * 2)]
    users = [REJECTED_USERS.frame([{"reason": "missing_user"}, {"reason": "repeated_user"}])] * 2
    pages = PAGES.frame([{"user_id": "a", "relaxed": ["pin"]}, {"user_id": "b", "relaxed": []}])

    def elements(root: beam.Pipeline, name: str, tables: list[pa.Table]) -> beam.PCollection:
        return root | name >> beam.Create(list(enumerate(tables)), reshuffle=False).with_output_types(Element)

    with beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"])) as root:
        stage = PublishRun(
            publication("off", inputs={"users": InputSummary(rows=7)}),
            events=elements(root, "Events", [to_table(EVENT_ROWS.frame([{}] * 5), EVENT_ROWS)]),
            plays=elements(root, "Plays", [to_table(frame, PLAYS) for frame in plays]),
            rejected={
                "events": elements(root, "Rejects", [to_table(frame, REJECTED) for frame in rejected]),
                "users": elements(root, "Users", [to_table(frame, REJECTED_USERS) for frame in users]),
            },
            pages=elements(root, "Pages", [to_table(pages, PAGES)]),
            erased=elements(root, "Erased", [to_table(counts_frame({"erased": 1}), COUNTS)]),
            input_counts=[elements(root, "Cleared", [to_table(counts_frame({"users/cleared/market": 2}), COUNTS)] * 2)],
            artifacts={name: root | f"Path {name}" >> beam.Create([path]) for name, path in ARTIFACTS.items()},
            metrics=root | "Metrics" >> beam.Create([RunMetrics().to_json()]),
            ledger=root | "Ledger" >> beam.Create(["{}"]),
        )
        _ = root | beam.Create(FILES).with_output_types(PublishedFile) | stage
    manifest = json.loads(written[0][1])
    assert manifest["events"] == {"read": 5, "kept": 2, "rejected": {"in_the_future": 3}, "erased": 1}
    counted = {"rejected": {"missing_user": 2, "repeated_user": 2}, "cleared": {"market": 4}}
    assert counted.items() <= manifest["inputs"]["users"].items()
    assert manifest["conflicts"] == {"pin": 1} and manifest["tables"]["pages"]["rows"] == 3


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
    events = EventCounts(100, 100 - sum(rejected.values()), rejected)
    if not fails:
        check_counts(events, allowed)
        return
    with pytest.raises(TooManyRejectedError) as error:
        check_counts(events, allowed)
    assert all(f"{reason} {n}" in str(error.value) for reason, n in rejected.items())
    assert "--max_rejected_fraction" in str(error.value)


@pytest.mark.parametrize(("read", "erased", "fails"), [(7, 0, False), (5, 2, False), (6, 0, True), (7, 1, True)])
def test_events_that_were_there_before_and_are_not_read_fail_the_run(read: int, erased: int, fails: bool) -> None:
    counts, inputs = EventCounts(read, read, {}, erased), {"events": InputSummary(rows=7)}
    if not fails:
        check_all_read(counts, inputs)
        return
    with pytest.raises(RunFailedError, match=f"{read + erased} events were read, but the files had 7"):
        check_all_read(counts, inputs)


def test_a_lost_row_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="not the events read"):
        check_counts(EventCounts(3, 1, {"unknown_track": 1}), 1.0)


def test_counting() -> None:
    plays = PLAYS.frame([{"user_id": "a", "track": 1}, {"user_id": "b", "track": None}])
    assert count_kept(plays).rows() == [("kept", 1)] and count_read(plays).rows() == [("read", 2)]
    rejected = REJECTED.frame([{"reason": "unknown_track"}, {"reason": "missing_user"}, {"reason": "unknown_track"}])
    counts = count_rejected(rejected, table="events")
    both = to_frame(to_table(sum_counts(pl.concat([counts, counts])), COUNTS))
    assert both.rows() == [("events/rejected/missing_user", 2), ("events/rejected/unknown_track", 4)]
    pages = PAGES.frame([{"relaxed": ["pin", "a/b"]}, {"relaxed": ["pin"]}, {"relaxed": []}])
    assert dict(count_relaxed(pages).rows()) == {"relaxed/pin": 2, "relaxed/a/b": 1}


def test_the_manifest_lists_each_table_with_its_files() -> None:
    files = [
        PublishedFile("pages", "out/pages/b", 2, 20, "beta"),
        PublishedFile("pages", "out/pages/a", 1, 10, "alpha"),
        PublishedFile("x", "out/x/a", 0, 5, "c"),
    ]
    tables = summarize_tables(files, "out")
    assert {name: one.rows for name, one in tables.items()} == {"pages": 3, "x": 0}
    assert tables["pages"].files[0] == TableFile("pages/a", 1, 10, "alpha")


def test_a_run_counts_its_events_rejects_and_rows() -> None:
    values = {
        "events": {"read": 9, "kept": 6, "rejected": {"missing_user": 1, "unknown_track": 2}, "erased": 4},
        "tables": {"pages": {"rows": 3}, "rejected": {"rows": 3}},
        "gate": {"violated": ["a", "b"]},
    }
    counts = run_counters(Manifest.from_json(values))
    assert counts == {
        "events_read": 9, "events_kept": 6, "events_erased": 4, "rejected_missing_user": 1, "rejected_unknown_track": 2,
        "rows_pages": 3, "rows_rejected": 3, "limits_violated": 2}  # fmt: skip
    documented = {metric.name.rstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ") for metric in RUN_METRICS}
    assert all(
        any(name == one or (one.endswith("_") and name.startswith(one)) for one in documented) for name in counts
    )


def test_users_erased_while_a_run_is_at_work_are_not_published(
    written: list[tuple[str, bytes]], tmp_path: Path
) -> None:
    started_at = "2026-01-01T00:00:00.500+00:00"
    gate = GateSettings(0.2, "off", {}, None)
    run = Publication(f"{tmp_path}/ds=d/run=r", Manifest(started_at=started_at), gate, later, True)
    publish_nothing = partial(publish_run, files=[], counts=NO_COUNTS, **NOTHING_MORE)
    record_erasure(str(tmp_path), "2026-01-01T00:00:00.499+00:00", 1)
    publish_nothing(run)
    record_erasure(str(tmp_path), "2026-01-01T02:00:00.501+02:00", 1)
    with pytest.raises(ErasedMeanwhileError, match="users were erased"):
        publish_nothing(run)
    assert len(written) == 2
