from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from pipelines.cli import main
from pipelines.inputs.published import PublishedRun
from pipelines.options.options import UsageError
from pipelines.ranker_study.reward_study import (
    _partial_rank_correlation,
    day_values,
    parse_weights,
    read_plays,
    rescore,
)
from tests.runs import Published
from tests.worlds import AS_OF, DAY, catalog_of, random_plays, tracks_of
from transforms.features.rewards import REWARD_NAMES, REWARD_WEIGHTS


def test_the_three_tables_are_printed(published: Published, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rewards", f"--run={published.folder}", "--num_users=5", "--weights=saved:5,skipped:-1"]) == 0
    out = capsys.readouterr().out
    assert published.manifest["rewards"]["hash"] in out and "saved 5, skipped -1" in out
    for name in REWARD_NAMES:
        assert f"\n {name} " in out and f"\n {name} twice " in out


def test_the_weights_of_the_run_give_the_published_score(published: Published) -> None:
    candidates = published.table("candidates")
    assert rescore(candidates, REWARD_WEIGHTS)["score"].equals(candidates["score"])
    doubled = rescore(candidates, {**REWARD_WEIGHTS, "saved": REWARD_WEIGHTS["saved"] + 1})
    gained = (doubled["score"] - candidates["score"]).to_numpy()
    assert gained == pytest.approx(candidates["p_saved"].to_numpy(), abs=1e-5)


def test_the_events_are_those_that_the_run_kept(published: Published) -> None:
    plays = read_plays(PublishedRun(str(published.folder)), "")
    assert len(plays) == published.manifest["events"]["kept"]


def test_day_values_count_tracks_and_days_ahead(tmp_path: Path) -> None:
    plays = random_plays(71, num_users=6, num_tracks=20, num_plays=2500)
    catalog = catalog_of(plays, tracks_of(20), tmp_path)
    published = SimpleNamespace(catalog=catalog, manifest=SimpleNamespace(as_of=AS_OF.isoformat()))
    values = day_values(plays, published)  # type: ignore[arg-type]
    expected = []
    for back in range(35, 28, -1):
        start = AS_OF - back * DAY
        for user in dict.fromkeys(plays["user_id"]):
            mine = plays.filter(user_id=user)
            during = mine.filter(pl.col("played_at").is_between(start, start + DAY, closed="left"))
            if len(during):
                is_long = (pl.col("action") == 0) & (pl.col("ms_played").fill_null(30_000) >= 30_000)
                later = mine.filter(pl.col("action") == 0, pl.col("played_at") >= start + DAY)
                days = {(at - start - DAY) // DAY for at in later["played_at"] if at < start + 29 * DAY}
                expected.append((user, during.filter(is_long)["track"].n_unique(), len(days)))
    assert sorted(values.select("user_id", "listened", "days_ahead").rows()) == sorted(expected) and expected
    assert values["retained_28d"].null_count() == 0 and timedelta(days=1) == DAY


def test_a_copy_of_listens_with_noise_predicts_nothing_given_listens() -> None:
    rng = np.random.default_rng(1)
    listens, own = rng.normal(size=(2, 20_000))
    assert abs(_partial_rank_correlation(2 * listens + rng.normal(size=20_000), listens, listens)) < 0.02
    assert _partial_rank_correlation(listens + own, listens + own + rng.normal(size=20_000), listens) == pytest.approx(
        0.7, abs=0.02
    )


@pytest.mark.parametrize("text", ["saved", "saved:much", "praised:2"])
def test_malformed_weights_and_unknown_rewards_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--weights"):
        parse_weights(text)
