import numpy as np

from models.baselines.interactions import Baseline
from pipelines.evaluation.tuning import BEST_BLEND, choose_best_points, first_grid_points, grid_systems
from tests.pipelines.evaluation.made_up_sums import constant_estimates, ndcg


def entry(name: str, points: int) -> Baseline:
    return Baseline(name, name, "", tuple({"x": float(point)} for point in range(points)), lambda *_: np.empty((0, 0)))


def test_the_best_point_of_every_grid_is_kept_and_the_best_two_are_summed() -> None:
    baselines = (entry("repeater", 2), entry("finder", 3))
    values = {
        ndcg("repeater#0"): 0.2, ndcg("repeater#1"): 0.3, ndcg("finder#0"): 0.1, ndcg("finder#2"): 0.2,
        ndcg("repeater#0", "repeats"): 0.9, ndcg("finder#1", "discoveries"): 0.4, ndcg("finder#2", "discoveries"): 0.3,
    }  # fmt: skip
    estimates = constant_estimates(values)
    tuned = choose_best_points(estimates, baselines)
    assert {name: dict(parameters) for name, (_, parameters) in tuned.items()} == {
        "repeater": {"x": 1.0},
        "finder": {"x": 2.0},
        BEST_BLEND: {"repeater.x": 0.0, "finder.x": 1.0},
    }
    assert len(grid_systems(baselines)) == 5 and first_grid_points(baselines)["finder"][1] == {"x": 0.0}


def test_a_blend_is_the_sum_of_its_parts() -> None:
    def score(plays: object, learned: dict, parameters: dict) -> np.ndarray:
        return np.array([[1.0, 2.0, -np.inf]], dtype=np.float32) * learned["scale"]

    part = Baseline("p", "", "", ({},), score, lambda plays, parameters: {"scale": np.float32(3)})
    estimates = constant_estimates({ndcg("p#0"): 1.0, ndcg("q#0", "discoveries"): 1.0})
    blend, parameters = choose_best_points(estimates, (part, Baseline("q", "", "", ({},), score, part.fit)))[BEST_BLEND]
    learned = blend.fit(None, parameters)
    assert sorted(learned) == ["0.scale", "1.scale"]
    scores = blend.score(None, learned, parameters)[0]
    assert scores[1] > scores[0] and scores[2] == -np.inf
