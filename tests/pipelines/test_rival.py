from functools import partial

import numpy as np
import pytest

from models.metrics import auc
from pipelines import rival
from pipelines.cli import main
from pipelines.rival import Rows, best_of, boost, interval
from tests.runs import Published


def test_it_prints_both_on_the_same_later_users(
    published: Published, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rival, "LEAVES", (7,))
    monkeypatch.setattr(rival, "MOST_TREES", 10)
    assert main(["rival", f"--run={published.folder}", "--num_threads=1"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    holdout = published.table("holdout")
    assert f"{-(-holdout['user_id'].n_unique() // 2):,} users" in out
    for name in ("ranker", "merge", "LambdaRank", *published.manifest["training"]["heads"]):
        assert f"{name} " in out
    # the same rows as the trial of the ranker judged
    assert f"{published.manifest['training']['heads']['listened']['auc']:.4f}" in out


def test_boosting_finds_what_no_line_tells() -> None:
    rng = np.random.default_rng(1)
    dense = rng.normal(size=(12_000, 3)).astype(np.float32)
    chance = np.where(dense[:, 0] * dense[:, 1] > 0, 0.5, 0.05)
    labels = (rng.random(12_000) < chance).astype(np.float32)[:, None]
    labels[rng.random(12_000) < 0.1] = np.nan
    rows = Rows(dense, labels, np.nan_to_num(labels[:, 0]), np.repeat(np.arange(400, dtype=np.int32), 30))
    parts = [rows.of(rows.group % 3 == rest) for rest in range(3)]
    assert all((part.sizes == 30).all() and len(part.sizes) in (133, 134) for part in parts)
    settled = np.isfinite(parts[2].labels[:, 0])
    for objective, head in (("binary", 0), ("lambdarank", None)):
        scores, seconds = best_of(partial(boost, *parts, 1, objective, head))
        assert auc(parts[2].labels[settled, 0], scores[settled]) > 0.7 and seconds > 0


def test_the_interval_is_that_of_the_mean() -> None:
    values = np.random.default_rng(2).normal(0.3, 1.0, 4_000)
    mean, low, high = interval(np.append(values, np.nan))
    assert mean == pytest.approx(values.mean())
    assert high - low == pytest.approx(2 * 1.96 / np.sqrt(4_000), rel=0.1) and low < mean < high
