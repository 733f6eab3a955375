"""The regression gate: evaluations of real and of planted listening must not fall below earlier results.

A floor is the lower end of the interval of a measured figure: a change that loses more than chance explains fails
here. A change that improves a figure raises its floor. One cutoff each, to be fast: docs/explanation/quality.md has the
commands that measure several, whose intervals are narrower.
"""

from pathlib import Path

import pytest

from models.baselines.most_popular import DECAYED_POPULARITY
from pipelines.cli import main
from tests.quality.evaluated import Values, whole_values
from tests.quality.listens import FLAGS_30MUSIC, needs_listens

NUM_HALF_LIVES = len(DECAYED_POPULARITY.grid)
REAL: Values = {
    ("ranker", "ndcg@10", "all"): 0.0659,
    ("ranker", "ndcg@10", "repeats"): 0.3699,
    ("ranker", "ndcg@10", "discoveries"): 0.0296,
    ("ranker", "recall@100", "all"): 0.1468,
    ("candidates", "ndcg@10", "all"): 0.0628,
    ("candidates", "ndcg@10", "discoveries"): 0.0351,
    ("candidates", "recall@500", "discoveries"): 0.2483,
    ("page", "ndcg_2d", "all"): 0.0563,
    ("page", "share_of_plays", "all"): 0.0891,
}
PLANTED: Values = {
    ("ranker", "ndcg@10", "all"): 0.1997,
    ("ranker", "ndcg@10", "repeats"): 0.2500,
    ("ranker", "ndcg@10", "discoveries"): 0.1296,
    ("ranker", "recall@100", "all"): 0.2877,
    ("candidates", "recall@500", "discoveries"): 0.4190,
    ("page", "ndcg_2d", "all"): 0.1625,
    ("page", "share_of_plays", "all"): 0.2506,
}


@needs_listens
def test_30music_is_served_as_well_as_before(tmp_path: Path) -> None:
    moment = ["--as_of=2015-01-13", "--baselines=decayed_popularity,act_r", "--num_replicates=50"]
    assert main(["evaluate", f"--output={tmp_path}", *FLAGS_30MUSIC, *moment]) == 0
    found = whole_values(tmp_path)
    assert {key: found[key] for key, floor in REAL.items() if found[key] < floor} == {}
    for kind in ("all", "discoveries"):
        assert found["ranker", "ndcg@10", kind] > 1.3 * found["decayed_popularity", "ndcg@10", kind]


def test_the_planted_world_is_served_as_well_as_before(planted_evaluation: Path) -> None:
    found = whole_values(planted_evaluation)
    assert {key: found[key] for key, floor in PLANTED.items() if found[key] < floor} == {}
    # the planted taste is found: far above popularity, with any half-life, on tracks that the user never played
    popularity = [found[f"decayed_popularity#{number}", "ndcg@10", "discoveries"] for number in range(NUM_HALF_LIVES)]
    assert found["ranker", "ndcg@10", "discoveries"] > 2 * max(popularity)


@pytest.mark.parametrize("floors", [REAL, PLANTED])
def test_floors_cover_all_kinds_of_targets(floors: Values) -> None:
    assert {kind for _, metric, kind in floors if metric == "ndcg@10"} == {"all", "repeats", "discoveries"}
