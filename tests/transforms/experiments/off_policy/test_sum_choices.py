"""Sums over logged choices do not depend on how the users are divided."""

import numpy as np
import polars as pl
import pytest

from tests.planted_policies import PlantedWorld
from tests.stages import joined, run_graph, tables_of
from transforms.experiments.off_policy import sum_choices as module
from transforms.experiments.off_policy.choice_sums import ALL_CHOICES, MISSING, ChoiceSums, merge_choice_sums
from transforms.experiments.off_policy.schemas import CHOICE_SUMS, LOGGED_CHOICES
from transforms.experiments.off_policy.sum_choices import SumChoices, sum_choices
from transforms.tables.columns import to_frame

LOG = PlantedWorld.draw(1, 4, 0.5).log(1, 300, slates_per_user=3)
SETTINGS = {"made": "page", "num_replicates": 7, "seed": 1}
WHOLE = sum_choices(LOG, **SETTINGS)


def parts(number: int) -> list[pl.DataFrame]:
    part = pl.col("user_id").cast(pl.String).hash(3) % number
    return [LOG.filter(part == one) for one in range(number)]


@pytest.mark.parametrize("number", [2, 7])
def test_any_division_of_users_gives_the_same_sums_in_any_order(number: int) -> None:
    sums = [sum_choices(part, **SETTINGS) for part in parts(number)]
    assert merge_choice_sums(pl.concat(sums)).equals(WHOLE)
    nested = merge_choice_sums(pl.concat([*sums[1:], merge_choice_sums(sums[0])]))
    assert nested.equals(WHOLE)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_CELLS", 60)
    assert sum_choices(LOG, **SETTINGS).equals(WHOLE)


def test_large_weights_are_summed_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    heavy = LOG.with_columns(propensity=pl.col("propensity") / 1e5)
    expected = sum_choices(heavy, **SETTINGS)
    monkeypatch.setattr(module, "_MAX_SUM", 1.0)  # one user at a time
    assert sum_choices(heavy, **SETTINGS).equals(expected)


def test_a_request_with_an_unknown_propensity_is_counted_and_left_out() -> None:
    is_cut = (pl.col("request") == 5) & (pl.col("position") == 2)
    cut = LOG.with_columns(propensity=pl.when(~is_cut).then("propensity"))
    sums = ChoiceSums(sum_choices(cut, **SETTINGS))
    assert sums.of_page(MISSING)[0] == 1 and sums.of_page(ALL_CHOICES)[0] == len(LOG)
    assert sums.of_page("requests")[0] == 299
    # what the target never shows needs no propensity
    unneeded = cut.with_columns(target_propensity=pl.when(is_cut).then(0.0).otherwise("target_propensity"))
    assert ChoiceSums(sum_choices(unneeded, **SETTINGS)).of_page("requests")[0] == 300


def test_choices_that_the_target_does_not_make_have_the_weight_1() -> None:
    of_items = ChoiceSums(sum_choices(LOG, made="shelves", num_replicates=7, seed=1))
    assert of_items.of("weight", (0, 3))[0] == of_items.of("choices", (0, 3))[0] == 300
    of_shelves = ChoiceSums(sum_choices(LOG.with_columns(propensity=pl.col("propensity")), **SETTINGS))
    assert of_shelves.of("weight", (0, 3))[0] != 300


def test_replicates_draw_users_with_all_their_requests() -> None:
    requests = ChoiceSums(WHOLE).of_page("requests")[1:]
    assert np.all(requests % 3 == 0) and len(set(requests)) > 1


def test_no_choice_gives_counts_only() -> None:
    empty = sum_choices(LOG.clear(), **SETTINGS)
    assert empty.select("statistic").to_series().to_list() == [ALL_CHOICES, MISSING]


def test_sum_choices_reduces_all_buckets_to_one_table() -> None:
    def build(root):  # type: ignore[no-untyped-def]
        return tables_of(root, "Choices", LOGGED_CHOICES, parts(3)) | SumChoices("page", 7, 1)

    ((_, table),) = run_graph(build)
    assert to_frame(table).equals(WHOLE) and joined([(0, table)]).columns == CHOICE_SUMS.names
