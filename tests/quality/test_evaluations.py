"""The regression gate: evaluations of real and of planted listening must not fall below earlier results.

A floor is the lower end of the interval of a measured figure: a change that loses more than chance explains fails
here. A change that improves a figure raises its floor.
"""

import json
from pathlib import Path

import pytest

from pipelines.cli import main
from tests.quality.listens import FLAGS_30MUSIC, needs_listens

Floors = dict[tuple[str, str, str], float]
REAL: Floors = {
    ("ranker", "ndcg@10", "all"): 0.0704,
    ("ranker", "ndcg@10", "repeats"): 0.3907,
    ("ranker", "ndcg@10", "discoveries"): 0.0317,
    ("ranker", "recall@100", "all"): 0.1633,
    ("candidates", "ndcg@10", "all"): 0.0707,
    ("candidates", "ndcg@10", "discoveries"): 0.0344,
    ("candidates", "recall@500", "discoveries"): 0.2619,
    ("page", "ndcg_2d", "all"): 0.0627,
    ("page", "share_of_plays", "all"): 0.1005,
}
PLANTED: Floors = {
    ("ranker", "ndcg@10", "all"): 0.2203,
    ("ranker", "ndcg@10", "repeats"): 0.2635,
    ("ranker", "ndcg@10", "discoveries"): 0.1488,
    ("ranker", "recall@100", "all"): 0.2822,
    ("candidates", "recall@500", "discoveries"): 0.4050,
    ("page", "ndcg_2d", "all"): 0.1695,
    ("page", "share_of_plays", "all"): 0.2491,
}


def evaluate(output: Path, *flags: str) -> dict[tuple[str, str, str], float]:
    assert main(["evaluate", f"--output={output}", "--num_replicates=50", *flags]) == 0
    report = json.loads((output / "report.json").read_text())
    assert not [leak for leak in report["leaks"] if leak["is_suspect"]]
    whole = (row for row in report["values"] if row["segment"] == "everyone" and not row["cutoff"])
    return {(row["system"], row["metric"], row["targets"]): row["value"] for row in whole}


@needs_listens
def test_30music_is_served_as_well_as_before(tmp_path: Path) -> None:
    cutoffs = "--as_of=2014-12-30,2015-01-06,2015-01-13"
    found = evaluate(tmp_path, *FLAGS_30MUSIC, cutoffs, "--baselines=decayed_popularity,act_r")
    assert {key: found[key] for key, floor in REAL.items() if found[key] < floor} == {}
    for kind in ("all", "discoveries"):
        assert found["ranker", "ndcg@10", kind] > 1.3 * found["decayed_popularity", "ndcg@10", kind]


def test_the_planted_world_is_served_as_well_as_before(tmp_path: Path) -> None:
    assert main(["sample", f"--output={tmp_path}"]) == 0
    tables = {"events": "events", "tracks": "tracks", "users_table": "users"}
    flags = [f"--{name}={tmp_path}/{folder}" for name, folder in tables.items()]
    cutoffs = "--as_of=2025-12-17T23:00,2025-12-24T23:00"
    found = evaluate(tmp_path / "out", *flags, cutoffs, "--baselines=decayed_popularity,act_r")
    assert {key: found[key] for key, floor in PLANTED.items() if found[key] < floor} == {}
    # the planted taste is found: far above popularity on tracks that the user never played
    assert found["ranker", "ndcg@10", "discoveries"] > 2 * found["decayed_popularity", "ndcg@10", "discoveries"]


@pytest.mark.parametrize("floors", [REAL, PLANTED])
def test_floors_cover_all_kinds_of_targets(floors: Floors) -> None:
    assert {kind for _, metric, kind in floors if metric == "ndcg@10"} == {"all", "repeats", "discoveries"}
