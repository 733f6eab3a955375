"""The tables of homeshelf benchmark."""

import numpy as np
import pytest
from rich.console import Console

from pipelines.ranker_study.boosting import ExampleArrays
from pipelines.ranker_study.compare_tables import Ordering, reward_auc_table


def test_a_reward_without_a_classifier_has_an_empty_row(capsys: pytest.CaptureFixture[str]) -> None:
    labels = np.array([[0, np.nan, 0], [1, np.nan, 0], [1, np.nan, 0]], dtype=np.float32)
    heads = ("listened", "retained_28d", "skipped")
    rows = ExampleArrays(heads, np.zeros((3, 1), np.float32), labels, np.zeros(3), np.zeros(3, np.int32))
    score = np.array([0.1, 0.9, 0.2])
    Console().print(reward_auc_table(score[:, None].repeat(3, axis=1), rows, {0: Ordering(-score, 7.0)}))
    out = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "listened 1.0000 0.0000 +1.0000" in out
    assert [line for line in out if line.startswith("retained_28d")] == ["retained_28d not settled, or always the same"]
