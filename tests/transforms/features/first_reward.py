"""A process in which another reward, which never comes true, is the first entry of REWARDS.

python -m tests.transforms.features.first_reward FOLDER prints the first reward, the name of a listen in three places,
and whether the ranker's lists still hold the probability of a listen.
"""

import sys
import types
from pathlib import Path

import polars as pl

import transforms.features

NAME, BEGIN = "transforms.features.rewards", "REWARDS: tuple[Reward, ...] = ("
ANOTHER = 'Reward("another", pl.lit(False).any(), 0.0, "it never comes true"),'


def put_another_first() -> types.ModuleType:
    """Load the module of rewards with another entry in front, before anything imports it."""
    module = types.ModuleType(NAME)
    sys.modules[NAME] = module
    vars(transforms.features)["rewards"] = module
    source = Path(str(transforms.features.__path__[0]), "rewards.py").read_text()
    assert source.count(BEGIN) == 1
    exec(compile(source.replace(BEGIN, BEGIN + ANOTHER), NAME, "exec"), vars(module))
    return module


def main(folder: Path) -> None:
    rewards = put_another_first()
    from pipelines.learning import ranker_options
    from pipelines.options.options import RunOptions
    from tests.transforms.evaluation.ranked_lists import scored_candidates
    from transforms.evaluation.list_candidates import list_candidates
    from transforms.evaluation.metrics.system import RANKER

    main_head = ranker_options(RunOptions(events="", output=""), 1).main_head
    print(rewards.REWARD_NAMES[0], rewards.LISTENED, main_head)
    scored = scored_candidates(folder)[0]
    ranked = list_candidates(scored).filter(pl.col("system") == RANKER).select("user_id", "track", "score")
    both = ranked.join(scored.select("user_id", "track", "p_listened"), on=["user_id", "track"])
    print(len(both) == len(scored) and both["score"].equals(both["p_listened"].rename("score")))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
