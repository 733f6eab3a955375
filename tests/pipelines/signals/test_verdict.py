"""Verdicts on planted columns, and on findings at the limits."""

from dataclasses import replace

import pytest

from pipelines.signals.gains import Gain, SegmentGain
from pipelines.signals.verdict import decide_verdict, explain_verdict, list_cautions
from tests.pipelines.signals.planted_dataset import PlantedWorld, plant_world
from tests.planted_signals import first_reward_only


@pytest.mark.parametrize(
    ("kind", "verdict"),
    [
        ("taste", "ship"),
        ("mood", "ship"),
        ("charm", "ship"),
        ("pair noise", "no evidence"),
        ("user noise", "no evidence"),
        ("track noise", "no evidence"),
        ("listens of the user to come", "leaks"),
        ("listens of the track to come", "leaks"),
    ],
)
def test_planted_columns_get_their_verdict(planted_world: PlantedWorld, kind: str, verdict: str) -> None:
    found = planted_world.findings(kind)
    assert decide_verdict(found) == verdict, explain_verdict(found)
    if verdict == "ship" and kind != "mood":
        # the column is more important than any feature of the run, and orders better
        assert found.importance[0].feature is None and found.ndcg and found.ndcg.without.low > 0
    if kind == "mood":
        assert any("not the order" in caution for caution in list_cautions(found))


def test_over_six_seeds_most_useful_columns_ship_and_nearly_all_noise_is_rejected() -> None:
    verdicts: dict[str, list[str]] = {}
    for seed in range(6):
        whole = plant_world(seed, num_users=80)
        world = replace(whole, dataset=first_reward_only(whole.dataset))
        for kind in ("taste", "pair noise", "user noise", "track noise"):
            verdicts.setdefault(kind, []).append(decide_verdict(world.findings(kind, seed)))
    useful = verdicts.pop("taste")
    noise = sum(verdicts.values(), [])
    assert useful.count("ship") >= 5, useful
    assert len(noise) == 18 and noise.count("ship") <= 1, verdicts


def test_an_implausible_gain_leaks_without_a_discontinuity(planted_world: PlantedWorld) -> None:
    found = planted_world.findings("taste")
    gain = Gain(2.4, 2.1, 2.7)
    huge = replace(found, rewards=[*found.rewards[:-1], replace(found.total, without=gain, placebo=gain)])
    assert decide_verdict(huge) == "leaks" and "implausible" in explain_verdict(huge)[0]


@pytest.mark.parametrize("against", ["without", "placebo"])
def test_both_intervals_must_be_above_zero(planted_world: PlantedWorld, against: str) -> None:
    found = planted_world.findings("taste")
    unsure = replace(found, rewards=[replace(found.total, **{against: Gain(0.02, -0.001, 0.04)})])
    assert decide_verdict(found) == "ship" and decide_verdict(unsure) == "no evidence"
    worse = SegmentGain("all", 10, 0.1, without=Gain(-0.02, -0.03, -0.01), placebo=Gain(0, -1, 1))
    assert decide_verdict(replace(found, segments=[worse])) == "no evidence"
