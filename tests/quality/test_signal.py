"""Floors of homeshelf signal on the default sample world: leaks are flagged, what is useful is found, noise is not."""

from pathlib import Path

import numpy as np
import pytest

from pipelines.published import PublishedRun
from pipelines.signal import judged
from pipelines.signal_gains import Judge
from pipelines.signal_leaks import code_of, jump_of
from pipelines.signal_rows import Material, find_material
from pipelines.signal_trial import TREES, Trial
from pipelines.signal_verdict import LEAKS, MOST_JUMP, SHIP, verdict_of
from tests.planted_signals import KINDS, column_of
from tests.runs import Published

ACCUMULATED = "plays so far and to come"


@pytest.fixture(scope="module")
def material(planted: Published) -> Material:
    return find_material(PublishedRun(str(planted.folder)), 10_000, 1).of_first()


@pytest.fixture(scope="module")
def world(planted: Published) -> str:
    return str(Path(planted.manifest["options"]["events"]).parent)


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {ACCUMULATED}))
def test_leaks_jump_at_the_cut_and_nothing_else_does(material: Material, world: str, kind: str) -> None:
    # seen: leaks at least +.15, honest columns at most +.02
    for seed in range(3):
        key, known, later = column_of(material, kind, world, seed)
        parts = ((known, material.known), (later, material.later))
        low = max(jump_of(values, rows, code_of(rows, key)).low for values, rows in parts)
        assert (low > MOST_JUMP) == (KINDS[kind] == LEAKS), (kind, seed, low)


@pytest.mark.parametrize("kind", ["loyalty under as much noise", "noise by pair", "noise by track", ACCUMULATED])
def test_verdicts_are_right(material: Material, world: str, kind: str) -> None:
    key, known, later = column_of(material, kind, world, 1)
    trial = Trial(material, key, 2, TREES)
    judge = Judge(material.later, material.heads, by_tracks="user_id" not in key)
    found = judged(kind, (known, later, np.empty(0)), trial, judge, trial.learn(), is_timed=True)
    assert verdict_of(found) == KINDS[kind]
    if KINDS[kind] == SHIP:
        assert found.order and found.order["without"].low > 0
