"""The figures of queues in a report, against plain loops over the same rows."""

from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from pipelines.runs.queue_figures import queue_figures
from transforms.catalog.track_content import write_content_keys
from transforms.now_playing.queues.queue_tables import QUEUES

NUM_TRACKS = 40


def random_queues(rng: np.random.Generator) -> list[dict[str, Any]]:
    queues = []
    for number in range(9):
        codes = rng.permutation(NUM_TRACKS)[: rng.integers(0, 15)]
        tracks = [
            {
                "track_id": f"t{code:02}",
                "position": place,
                "p_completed": float(rng.random()),
                "p_skipped": 0.1,
                "source": "context" if number == 0 and place < 3 else ("own", "follows")[int(rng.integers(2))],
                "is_familiar": bool(rng.random() < 0.3),
                "reason": "",
                "propensity": 1.0,
            }
            for place, code in enumerate(codes)
        ]
        relaxed = ["artist gap"] * int(rng.integers(2))
        about = {
            "user_id": f"u{number}",
            "context": "album",
            "context_id": "b",
            "familiar_per_10": int(rng.integers(9)),
        }
        queues.append({**about, "relaxed": relaxed, "tracks": tracks})
    return queues


def run_of(queues: list[dict[str, Any]], vector: np.ndarray, folder: Path) -> Any:
    write_content_keys(folder, {name: np.zeros(0) for name in ("artist", "genres", "words")} | {"vector": vector})
    return SimpleNamespace(
        manifest=SimpleNamespace(tables={"queues": SimpleNamespace(rows=len(queues))}),
        table=lambda name: QUEUES.frame(queues).lazy(),
        catalog=SimpleNamespace(tracks=pl.DataFrame({"track_id": [f"t{code:02}" for code in range(NUM_TRACKS)]})),
        artifact=lambda name: str(folder),
    )


@pytest.mark.parametrize("seed", range(4))
def test_figures_are_those_of_plain_loops(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    queues, vector = random_queues(rng), rng.standard_normal((NUM_TRACKS, 5)).astype(np.float32)
    vector /= np.linalg.norm(vector, axis=1, keepdims=True)
    table = queue_figures(run_of(queues, vector, tmp_path))
    assert table is not None
    found = {name: cells[0].text for name, _, cells in table.rows}
    later = [[one for one in queue["tracks"] if one["source"] != "context"] for queue in queues]
    cards = [one for tracks in later for one in tracks]
    at = [[vector[int(one["track_id"][1:])] for one in tracks] for tracks in later]
    step = np.mean([1 - a @ b for tracks in at for a, b in zip(tracks, tracks[1:], strict=False)])
    pairs = np.mean([1 - a @ b for tracks in at for a, b in combinations(tracks, 2)])
    third = [tracks[1]["p_completed"] for tracks in later if len(tracks) > 1]
    assert found["queues"] == "9"
    assert found["with a relaxed rule of order"] == f"{np.mean([bool(one['relaxed']) for one in queues]):.1%}"
    assert found["known tracks, as wished"] == f"{np.mean([one['familiar_per_10'] for one in queues]) / 10:.1%}"
    assert found["known tracks, as found"] == f"{np.mean([one['is_familiar'] for one in cards]):.1%}"
    assert found["from source own"] == f"{np.mean([one['source'] == 'own' for one in cards]):.1%}"
    assert found["distance of neighbours"] == f"{step:.3f}"
    assert found["distance of neighbours, shuffled"] == f"{pairs:.3f}"
    assert found["of the shuffled distance"] == f"{step / pairs:.0%}"
    assert float(found["chance of completion, track 2"]) == pytest.approx(np.mean(third), abs=6e-4)
    assert "from source context" not in found and "all queues" in table.note


def test_a_catalog_without_vectors_has_no_distances(tmp_path: Path) -> None:
    queues = random_queues(np.random.default_rng(0))
    table = queue_figures(run_of(queues, np.zeros((NUM_TRACKS, 0), dtype=np.float32), tmp_path))
    assert table is not None and not any("distance" in name for name, _, _ in table.rows)


def test_a_run_without_queues_has_no_figures() -> None:
    assert queue_figures(SimpleNamespace(manifest=SimpleNamespace(tables={}))) is None  # type: ignore[arg-type]
