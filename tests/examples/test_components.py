"""The arithmetic of the examples, each function called directly: what a test of a component looks like."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from logistic_ranker import load_logistic, train_logistic
from rising_source import SMOOTHING_PLAYS, propose_rising
from rp3beta_baseline import BASELINES
from titles_rule import ExcludeTitles

from models.logistic import sigmoid
from models.ranker.contract import Examples, NothingToLearnError
from tests.models.baselines.test_baselines import NUM_TRACKS, NUM_USERS, random_log
from tests.models.ranker.planted import OPTIONS, SPEC, in_chunks, planted_examples, training_data
from tests.worlds import catalog_of, random_plays, snapshot_inputs, tracks_of
from transforms.features.hydrate import build_context
from transforms.pages.rules.read_rules import RulesError, parse_rules


def test_the_source_proposes_unplayed_tracks_by_the_share_of_this_week(tmp_path: Path) -> None:
    plays = random_plays(3).with_columns(
        market=pl.when(pl.col("user_id").cast(pl.String) == "ü001").then(None).otherwise(pl.col("market"))
    )
    catalog = catalog_of(plays, tracks_of(40), tmp_path)
    given = snapshot_inputs(plays, catalog, tmp_path)
    names = ("catalog", "embeddings", "new_tracks", "as_of", "carry_over")
    context = build_context(plays, **{name: given[name] for name in names}, decay=0.5)
    proposed = propose_rising(context, 5)
    popular = catalog.markets["track"].to_list()
    for user in context.history.users["user_id"]:
        played = set(context.history.tracks.filter(pl.col("user_id") == user)["track"])
        rows = [(catalog.tracks.row(track, named=True), track) for track in popular if track not in played]
        shares = [(row["n_plays_7d"] / (row["n_plays"] + SMOOTHING_PLAYS), track) for row, track in rows]
        expected = [] if user == "ü001" else sorted(shares, key=lambda one: (-one[0], one[1]))[:5]
        mine = proposed.filter(pl.col("user_id") == user)
        assert mine["track"].to_list() == [track for _, track in expected]
        assert mine["score"].to_list() == pytest.approx([share for share, _ in expected])


def test_the_baseline_is_the_walk_over_users_and_tracks_damped_by_popularity() -> None:
    log, (baseline,) = random_log(4, num_plays=150), BASELINES
    beta = baseline.grid[0]["beta"]
    tracks = [sorted(set(log.track[log.user == user].tolist())) for user in range(NUM_USERS)]
    users = [[user for user in range(NUM_USERS) if track in tracks[user]] for track in range(NUM_TRACKS)]
    expected = np.zeros((NUM_USERS, NUM_TRACKS))
    for user in range(NUM_USERS):
        for first in tracks[user]:
            for other in users[first]:
                for last in tracks[other]:
                    if last != first:
                        step = 1 / len(tracks[user]) / len(users[first]) / len(tracks[other])
                        expected[user, last] += step / len(users[last]) ** beta
    found = baseline.score(log, baseline.fit(log, baseline.grid[0]), baseline.grid[0])
    assert np.isneginf(found[expected == 0]).all() and (expected > 0).any()
    assert found[expected > 0] == pytest.approx(expected[expected > 0], rel=1e-4)


def test_the_rule_reads_a_list_and_excludes_titles_in_capitals_or_not() -> None:
    text = "rules:\n  - exclude_titles: {containing: [Karaoke, '(live)']}\n"
    with pytest.raises(RulesError, match="line 2"):  # no plugin in this process
        parse_rules(text, [], ["home"])
    rule = ExcludeTitles(("Karaoke", "(live)"))
    titles = pl.DataFrame({"title": ["A karaoke night", "Song (LIVE)", "Alive", "live", None]})
    assert titles.select(found=rule.excludes())["found"].to_list() == [True, True, False, False, False]


def test_the_rule_is_violated_by_a_page_with_such_a_title() -> None:
    cards = pl.DataFrame({"user_id": ["a", "a", "b"], "surface": "home", "title": ["Wolf", "Werewolf", "Sheep"]})
    found = ExcludeTitles(("wolf",)).violations(cards.select("user_id", "surface").unique(), cards)
    assert found.select("user_id", "surface").rows() == [("a", "home")]


def linear_examples(rows: int, seed: int) -> Examples:
    """Examples whose log-odds are linear in the logarithm of one feature."""
    examples = planted_examples(rows, seed)
    x = np.copysign(np.log1p(np.abs(examples.features["dense"][:, 1])), examples.features["dense"][:, 1])
    label = np.random.default_rng(seed).random(rows) < sigmoid(3 * x - 1)
    return Examples(
        examples.features, np.column_stack([label, examples.label[:, 1]]).astype(np.float32), examples.group
    )


def test_the_ranker_recovers_planted_probabilities_and_survives_a_round_trip(tmp_path: Path) -> None:
    training, later = linear_examples(20_000, 1), linear_examples(2000, 2)
    ranker = train_logistic(training_data(in_chunks(training, 3000), in_chunks(later, 3000)), OPTIONS)
    x = np.copysign(np.log1p(np.abs(later.features["dense"][:, 1])), later.features["dense"][:, 1])
    scores = ranker.score(later.features)
    assert np.abs(scores[:, 0] - sigmoid(3 * x - 1)).mean() < 0.01
    ranker.save(str(tmp_path))
    assert (load_logistic(str(tmp_path), SPEC).score(later.features) == scores).all()


@pytest.mark.parametrize("rows", [0, 100])
def test_the_ranker_says_where_there_is_nothing_to_learn(rows: int) -> None:
    drawn = planted_examples(rows, 1)
    without = in_chunks(Examples(drawn.features, np.zeros_like(drawn.label), drawn.group), 50)
    with pytest.raises(NothingToLearnError, match=f"0 of {rows} examples"):
        train_logistic(training_data(without, without), OPTIONS)
