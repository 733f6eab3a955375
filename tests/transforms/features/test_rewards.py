"""The expected reward, the description of the rewards, and their order."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from transforms.features import rewards
from transforms.features.rewards import REWARDS, check_rewards, describe_rewards, expected_reward, unlearnable_reasons


def test_a_reward_that_cannot_be_learned_has_a_reason() -> None:
    names = [reward.name for reward in REWARDS]
    settled, positives = dict.fromkeys(names, 100), dict.fromkeys(names, 5)
    settled["retained_28d"], positives["saved"], positives["repeated"] = 0, 0, 100
    reasons = unlearnable_reasons(settled, positives, {"skipped": "there is no skip_rate"})
    assert {name: reason for name, reason in reasons.items() if reason} == {
        "skipped": "there is no skip_rate",
        "saved": "0 of 100 examples have it",
        "repeated": "100 of 100 examples have it",
        "retained_28d": "it is settled 28 days after the label window, of no example yet",
    }


def test_the_expected_reward_is_the_weighted_sum_and_never_below_0() -> None:
    probabilities = {"listened": np.array([0.5, 0.0, 0.2]), "skipped": np.array([0.1, 0.4, 0.0])}
    assert expected_reward(probabilities) == pytest.approx([0.47, 0.0, 0.2])
    assert expected_reward(probabilities).dtype == np.float32


def test_the_hash_follows_the_meaning_of_rewards(monkeypatch: pytest.MonkeyPatch) -> None:
    before = describe_rewards()
    assert describe_rewards() == before and [one["name"] for one in before["rewards"]] == [one.name for one in REWARDS]
    check_rewards(before, [one.name for one in REWARDS])
    monkeypatch.setattr(rewards, "REWARDS_VERSION", rewards.REWARDS_VERSION + 1)
    assert describe_rewards()["hash"] != before["hash"]
    with pytest.raises(ValueError, match="of version"):
        check_rewards(before, [])


def test_a_listen_is_found_by_its_name_and_not_by_its_position(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.transforms.features.first_reward", str(tmp_path)]
    done = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()) == (0, ["another", "listened", "listened", "True"]), done.stderr
