"""What lowers the worth of more of the same is gone where its strength is 0."""

from dataclasses import MISSING, fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transforms.pages.small_pages import Row, any_policy, assembled, candidate_rows, scored
from transforms.pages.composition.compose import compose_pages
from transforms.pages.composition.first_screen import FirstScreen
from transforms.pages.composition.page_value import Attention, ShelvesAbove
from transforms.pages.composition.policy import Policy

OFF = {one.name: one.default for one in fields(Policy) if one.default is not MISSING}


@settings(max_examples=25)
@given(candidate_rows(), any_policy(), st.sampled_from([0.0, 0.5]))
def test_strengths_of_0_are_exactly_the_composition_without_them(
    rows: list[Row], policy: Policy, exploration: float
) -> None:
    assert len(OFF) == 6 and not any(OFF.values())
    policy = replace(policy, exploration=exploration, **OFF)
    pages = assembled(scored(*rows), policy)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Attention, "saturation", lambda *_: None)
        patch.setattr(ShelvesAbove, "divisor", lambda self, position, user, *_: np.ones(len(user)))
        patch.setattr(FirstScreen, "at", lambda *_: None)
        patch.setattr(f"{compose_pages.__module__}._leads", None)
        patch.setattr(f"{compose_pages.__module__}.crowded_users", lambda shown, rows, n, cap: np.zeros(n, dtype=bool))
        assert assembled(scored(*rows), policy).equals(pages)
