"""Sums of several runs of the target are written as one table."""

from pathlib import Path

import polars as pl

from tests.planted_policies import PlantedWorld
from tests.stages import run_graph, tables_of
from transforms.experiments.off_policy.choice_sums import merge_choice_sums
from transforms.experiments.off_policy.schemas import CHOICE_SUMS
from transforms.experiments.off_policy.sum_choices import sum_choices
from transforms.experiments.off_policy.write_choice_sums import WriteChoiceSums


def test_the_file_holds_the_sums_of_all_runs(tmp_path: Path) -> None:
    world = PlantedWorld.draw(1, 3, 0.5)
    days = [sum_choices(world.log(day, 50), made="page", num_replicates=3, seed=1) for day in (1, 2)]
    path = str(tmp_path / "sums.parquet")

    def build(root):  # type: ignore[no-untyped-def]
        sums = [tables_of(root, f"Day {number}", CHOICE_SUMS, [one]) for number, one in enumerate(days)]
        return root | WriteChoiceSums(path, sums)

    assert run_graph(build) == [path]
    assert pl.read_parquet(path).equals(merge_choice_sums(pl.concat(days)))
