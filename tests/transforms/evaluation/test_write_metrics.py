"""What is written about one cutoff, against plain loops."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import apache_beam as beam
import polars as pl
import pyarrow.parquet as pq
import pytest

from tests.stages import element_of, run_graph, tables_of
from tests.transforms.evaluation.random_lists import Plain, catalog, random_evaluation_rows
from tests.worlds import AS_OF, DAY, by_bucket, random_plays
from transforms.catalog.deep_catalogue import popularity_deciles
from transforms.evaluation.list_exposure import count_list_exposure, summarize_catalogue
from transforms.evaluation.schemas import EVALUATION_ROWS, LIST_EXPOSURE, SCORE_BINS, SUMS
from transforms.evaluation.score_bins import count_scores
from transforms.evaluation.window import EvaluationWindow
from transforms.evaluation.write_metrics import (
    WriteMetrics,
    count_history,
    count_targets,
    count_unknown_plays,
)
from transforms.tables.columns import to_table
from transforms.tables.schemas import PLAYS, REJECTED

WINDOW = {"starts_at": AS_OF, "ends_at": AS_OF + 7 * DAY}


def plain_counts(plain: Plain) -> dict[str, int]:
    users = set(plain.users)
    targets = [(user, track) for user in users for track in plain.marks["target"][user]]
    repeats = [track in plain.marks["played_before"][user] for user, track in targets]
    returning = [user for user in users if plain.marks["played_before"][user]]
    return {
        "users": len(returning),
        "newcomers": len(users) - len(returning),
        "targets": len(targets),
        "repeats": sum(repeats),
        "discoveries": len(targets) - sum(repeats),
    }


def test_users_and_their_targets_are_counted_as_a_plain_loop_does_in_any_buckets(tmp_path: Path) -> None:
    evaluation_rows = random_evaluation_rows(21)
    expected = plain_counts(Plain(evaluation_rows, catalog(tmp_path)))
    assert dict(count_targets(evaluation_rows).iter_rows()) == expected
    assert all(expected.values())
    parts = pl.concat(count_targets(part) for part in by_bucket(evaluation_rows, 5))
    assert dict(parts.group_by("name").agg(pl.col("n").sum()).iter_rows()) == expected


def test_the_history_is_counted() -> None:
    plays = random_plays(22)
    assert dict(count_history(plays).iter_rows()) == {
        "events": len(plays),
        "users_before": len({row["user_id"] for row in plays.iter_rows(named=True)}),
    }


@pytest.mark.parametrize(
    ("days", "reason", "n"),
    [
        (0, "unknown_track", 1),
        (-1, "unknown_track", 0),
        (7, "unknown_track", 0),
        (6.99, "unknown_track", 1),
        (1, "missing_time", 0),
    ],
)
def test_plays_of_unknown_tracks_count_within_the_horizon(days: float, reason: str, n: int) -> None:
    rejected = REJECTED.frame([{"user_id": "a", "played_at": AS_OF + days * DAY, "reason": reason}])
    assert count_unknown_plays(rejected, **WINDOW).rows() == [("unknown_track_plays", n)]


SUM_ROWS = [{"system": "page", "metric": "ndcg@10", "targets": "all", "segment": "everyone", "values": [3, 1, 2]}]
UNKNOWN = [
    {"user_id": "a", "played_at": AS_OF + hours * timedelta(hours=1), "reason": "unknown_track"} for hours in (1, 2)
]


def published(folder: Path, *, ranker: Path | None) -> tuple[str, dict[str, Any]]:
    evaluation_rows, plays = random_evaluation_rows(23), random_plays(24)

    def build(root: beam.Pipeline) -> beam.PCollection:
        tables = {
            "sums": tables_of(root, "sums", SUMS, [SUMS.frame(SUM_ROWS)]),
            "list_exposure": tables_of(root, "list_exposure", LIST_EXPOSURE, [count_list_exposure(evaluation_rows)]),
            "bins": tables_of(root, "bins", SCORE_BINS, [count_scores(evaluation_rows)]),
        }
        return root | WriteMetrics(
            folder=str(folder / "cutoff"),
            window=EvaluationWindow(AS_OF, **WINDOW),
            measures=tuple(tables.values()),
            history=tables_of(root, "history", PLAYS, by_bucket(plays, 3)),
            evaluation_rows=tables_of(root, "evaluation_rows", EVALUATION_ROWS, by_bucket(evaluation_rows, 3)),
            rejected=tables_of(root, "rejected", REJECTED, [REJECTED.frame(UNKNOWN)]),
            catalog_path=element_of(root, "catalog", str(folder / "catalog")),
            ranker_path=None if ranker is None else element_of(root, "ranker", str(ranker)),
        )

    (path,) = run_graph(build)
    return path, json.loads(Path(path).read_text())


def test_sums_and_counts_of_a_cutoff_are_written(tmp_path: Path) -> None:
    facts = catalog(tmp_path / "catalog")
    report = {"holdout": {"ranker": {"auc": 0.7}}}
    (tmp_path / "ranker").mkdir()
    (tmp_path / "ranker" / "training.json").write_text(json.dumps(report))
    path, about = published(tmp_path, ranker=tmp_path / "ranker")
    assert path == f"{tmp_path}/cutoff/about.json"
    assert pq.read_table(tmp_path / "cutoff" / "sums.parquet").to_pylist() == SUM_ROWS
    plays, evaluation_rows = random_plays(24), random_evaluation_rows(23)
    assert about["cutoff"] == AS_OF.isoformat() and about["training"] == report
    assert about["counts"] == {
        "tracks": len(facts.tracks),
        "events": len(plays),
        "users_before": plays["user_id"].n_unique(),
        **plain_counts(Plain(evaluation_rows, facts)),
        "unknown_track_plays": 2,
    }
    assert about["score_bins"] == to_table(count_scores(evaluation_rows), SCORE_BINS).to_pylist()
    is_established = [at is not None and at < AS_OF - 28 * DAY for at in facts.tracks["first_played_at"]]
    tracks = facts.tracks.select(
        "n_plays", "popularity", popularity_deciles(facts), is_established=pl.Series(is_established)
    )
    expected = summarize_catalogue(count_list_exposure(evaluation_rows), tracks)
    found = pl.DataFrame(about["catalogue"])
    assert found.drop("value").equals(expected.drop("value"))
    assert found["value"].to_list() == pytest.approx(expected["value"].to_list())


def test_a_cutoff_without_a_ranker_has_no_training(tmp_path: Path) -> None:
    catalog(tmp_path / "catalog")
    assert published(tmp_path, ranker=None)[1]["training"] is None
