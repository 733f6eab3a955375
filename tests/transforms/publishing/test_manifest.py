"""The manifest as JSON, of this version and of others."""

import json

import pytest

from transforms.pages.composition.policy import CompositionSettings
from transforms.publishing.manifest import (
    Erasure,
    EventCounts,
    GateFindings,
    LimitValue,
    Manifest,
    NewTrackCounts,
    RunMetrics,
    TableFile,
    TableSummary,
    read_manifest,
)
from transforms.publishing.run_paths import DamagedFileError, UnsafePathError
from transforms.tables.files import write_atomically

FULL = Manifest(
    run="run=a",
    options={"seed": "1"},
    policy=CompositionSettings(("home",), 12, 20, 0.0, 0.2, 0.5, 1),
    carry_over=("pages/p",),
    events=EventCounts(9, 6, {"missing_user": 1, "in_the_future": 2}, 4),
    tables={"pages": TableSummary(3, (TableFile("pages/p", 3, 9, "hash"),))},
    artifacts={"catalog": "catalogs/c"},
    training={"epochs": [], "fallback": ""},
    gate=GateFindings("warn", {"auc": LimitValue(0.4, 0.5)}, {"age": 0.1}, {}, ("auc is 0.4, at least 0.5",)),
    metrics=RunMetrics(users=3, new_tracks=NewTrackCounts(5, 4), histograms={"age": {"1": 2}}, auc=0.4),
    erasures=(Erasure("now", 2),),
)


def test_what_is_written_is_read_again() -> None:
    assert Manifest.from_json(json.loads(FULL.to_json())) == FULL
    assert Manifest.from_json(json.loads(Manifest().to_json())) == Manifest()


def test_keys_of_other_versions_are_left_out_and_absent_ones_have_defaults() -> None:
    assert Manifest.from_json({"run": "run=a", "figures": {"users": 3}, "events": {"kept": 1, "lost": 2}}) == Manifest(
        run="run=a", events=EventCounts(kept=1)
    )


def test_what_a_file_must_have_has_no_default_and_no_two_manifests_share_one() -> None:
    with pytest.raises(DamagedFileError, match=r"tables.pages.files\[0\].path is missing"):
        Manifest.from_json({"tables": {"pages": {"rows": 1, "files": [{"rows": 1}]}}})
    assert Manifest().options == {} and Manifest().options is not Manifest().options


def test_rejects_that_are_no_error_of_the_data_are_not_counted_as_errors() -> None:
    assert FULL.events.errors == {"missing_user": 1}


@pytest.mark.parametrize("path", ["../../../elsewhere", "/etc/passwd", "gs://elsewhere/part-0.parquet"])
def test_a_file_outside_the_output_is_refused(path: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    output = str(tmp_path_factory.mktemp("output"))
    folder = f"{output}/ds=2026-01-01/run=a"
    with pytest.raises(FileNotFoundError):
        read_manifest(output, folder)
    write_atomically(f"{folder}/manifest.json", FULL.to_json())
    assert read_manifest(output, folder) == FULL
    unsafe = Manifest(tables={"pages": TableSummary(1, (TableFile(path),))})
    write_atomically(f"{folder}/manifest.json", unsafe.to_json())
    with pytest.raises(UnsafePathError, match="is not below"):
        read_manifest(output, folder)
