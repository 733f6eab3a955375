"""The decay of base-level activation, fitted to repeats, against plain loops."""

import math
from datetime import timedelta

import apache_beam as beam
import polars as pl
import pytest

from tests.stages import run_graph, tables_of
from tests.worlds import AS_OF, DAY, by_bucket, plays_of, random_plays
from transforms.candidates.fit_decay import DECAY_FIT, DECAYS, FitDecay, fit_decay, likeliest_decay, sum_likelihoods
from transforms.candidates.user_history import DEFAULT_DECAY
from transforms.tables.columns import to_frame, to_table
from transforms.tables.schemas import PLAYS

CUTOFF = AS_OF - 14 * DAY
WINDOW = {"as_of": CUTOFF, "ends_at": CUTOFF + 7 * DAY}


@pytest.fixture(scope="module")
def plays() -> pl.DataFrame:
    return random_plays(31, num_users=60, num_tracks=40, num_plays=3000)


def slow_likelihood(plays: pl.DataFrame, decay: float) -> float:
    total = 0.0
    for _, mine in plays.filter(pl.col("action") == 0).group_by("user_id"):
        rows = [row for row in mine.to_dicts() if row["ms_played"] is None or row["ms_played"] >= 30_000]
        strength: dict[int, float] = {}
        for row in rows:
            if row["known_at"] < CUTOFF:
                hours = max(1.0, (CUTOFF - row["played_at"]) / timedelta(hours=1))
                strength[row["track"]] = strength.get(row["track"], 0.0) + hours**-decay
        chosen = {row["track"] for row in rows if CUTOFF <= row["played_at"] < CUTOFF + 7 * DAY}
        total += sum(math.log(strength[track] / sum(strength.values())) for track in chosen & set(strength))
    return total


def test_the_decay_is_that_of_the_likeliest_repeats(plays: pl.DataFrame) -> None:
    parts = [fit_decay(part, **WINDOW) for part in by_bucket(plays, 5)]
    fit = sum_likelihoods(pl.concat(parts))
    found = dict(zip(fit["decay"], fit["log_likelihood"] / 2**30, strict=True))
    assert found == pytest.approx({decay: slow_likelihood(plays, decay) for decay in DECAYS}, rel=1e-6)
    assert likeliest_decay((0, to_table(fit, DECAY_FIT))) == max(found, key=found.__getitem__)


@pytest.mark.parametrize(("repeated", "expected"), [(0, 1.6), (1, 0.3)])
def test_who_forgets_fast_is_told_from_who_does_not(repeated: int, expected: float) -> None:
    # track 0 was played once a day ago, track 1 often and long ago
    rows = [{"user_id": "a", "track": 0, "days": 15}, *({"user_id": "a", "track": 1, "days": 50 + n} for n in range(9))]
    fit = fit_decay(plays_of([*rows, {"user_id": "a", "track": repeated, "days": 10}]), **WINDOW)
    assert likeliest_decay((0, to_table(sum_likelihoods(fit), DECAY_FIT))) == expected


def test_without_repeats_the_decay_is_the_default() -> None:
    nothing = sum_likelihoods(fit_decay(plays_of([{"user_id": "a", "track": 0, "days": 15}]), **WINDOW))
    assert likeliest_decay((0, to_table(nothing, DECAY_FIT))) == DEFAULT_DECAY
    assert likeliest_decay((0, DECAY_FIT.empty())) == DEFAULT_DECAY


def test_the_stage_sums_over_buckets(plays: pl.DataFrame) -> None:
    def build(root: beam.Pipeline) -> beam.PCollection:
        return tables_of(root, "plays", PLAYS, by_bucket(plays, 3)) | FitDecay(CUTOFF, label_days=7.0)

    (fit,) = run_graph(build)
    assert to_frame(fit[1]).equals(sum_likelihoods(fit_decay(plays, **WINDOW)))
