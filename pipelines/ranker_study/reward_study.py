"""homeshelf rewards: listening predicted by each reward, correlations of rewards, and pages under other weights."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import combinations

import numpy as np
import polars as pl
from rich.table import Table

from pipelines.check.facts import min_played_at
from pipelines.explain.replay import Replay
from pipelines.inputs.published import PublishedRun, card_rows
from pipelines.inputs.state import read_events
from pipelines.options.options import UsageError
from pipelines.options.published_options import RewardsOptions
from pipelines.rendering.console import table_of_numbers, wide_console
from transforms.events.clean_events import clean_events, keep_plays
from transforms.events.order_histories import keep_first, order_histories
from transforms.features.label_outcomes import label_outcomes
from transforms.features.rewards import (
    LABELS,
    LISTENED,
    PROBABILITIES,
    REWARD_NAMES,
    REWARD_WEIGHTS,
    describe_rewards,
    expected_reward,
)
from transforms.tables.schemas import PLAY
from transforms.tables.surfaces import HOME

_DAY = timedelta(days=1)
# The rewards of each of NUM_DAYS days are compared with the listening of the AHEAD_DAYS after it.
_AHEAD_DAYS, _NUM_DAYS = 28, 7
_ALL_REWARDS = "all by weight"


def run_rewards(options: RewardsOptions) -> int:
    """Print the three tables.

    Raises:
        UsageError: no such run or events, or a weight for an unknown reward.
    """
    weights, published = parse_weights(options.weights), PublishedRun(options.run)
    plays = read_plays(published, options.events)
    values = day_values(plays, published)
    console, about = wide_console(), describe_rewards()
    console.print(f"rewards of version {about['version']}, {about['hash']}", highlight=False)
    console.print(_prediction_table(values))
    note = "rewards that are settled after the day use some of the days that they predict"
    console.print(note, style="dim", highlight=False)
    console.print(_reward_correlation_table(values))
    console.print(_reweighting_table(published, weights, options.num_users))
    return 0


def parse_weights(text: str) -> dict[str, float]:
    """Read name:weight,...; UsageError: the text has another form, or names an unknown reward."""
    weights = {}
    for pair in filter(None, text.split(",")):
        name, _, weight = pair.partition(":")
        try:
            weights[name] = float(weight)
        except ValueError:
            raise UsageError(f"--weights: {pair!r} is not of the form reward:weight") from None
        if name not in REWARD_NAMES:
            raise UsageError(f"--weights: there is no reward {name!r}; the rewards are {', '.join(REWARD_NAMES)}")
    return weights


def read_plays(published: PublishedRun, events: str) -> pl.DataFrame:
    """Return PLAYS of all users with a page, as the run cleaned them; erased users have no page.

    events: the events of the run if they were moved; empty: where the run read them.
    """
    options, as_of = published.manifest.options, datetime.fromisoformat(published.manifest.as_of)
    everyone = published.table("pages").select("user_id").unique().collect()
    read = read_events(options, published.folder, events)
    rows = read.join(everyone, on="user_id", how="semi", maintain_order="left")
    ids = pl.Enum(rows["track_id"].drop_nulls().unique().sort())
    coded = rows.with_columns(pl.col("track_id").cast(ids))
    codes = published.track_codes
    # max_user_events is applied below, where all events of a user are in one table
    checked = clean_events(
        coded, as_of=as_of, min_played_at=min_played_at(options), track_codes=codes, max_user_events=None
    )
    cleaned = keep_plays(checked).drop_nulls("track")
    users = cleaned["user_id"].drop_nulls().unique().sort()
    named = cleaned.with_columns(pl.col("user_id").cast(pl.Enum(users)))
    return keep_first(order_histories(named, max_user_events=int(options["max_user_events"])))


def day_values(plays: pl.DataFrame, published: PublishedRun) -> pl.DataFrame:
    """Return a row per user and day with events, over the last days that have AHEAD_DAYS after them.

    Columns: user_id; for each reward the number of tracks that earned it (null: not settled); their sum by weight; and
    days_ahead, the days with plays among the AHEAD_DAYS after.
    """
    as_of = datetime.fromisoformat(published.manifest.as_of)
    days = [as_of - (_AHEAD_DAYS + 1 + back) * _DAY for back in reversed(range(_NUM_DAYS))]
    return pl.concat(_values_on(day, plays, published, as_of) for day in days)


def _values_on(day: datetime, plays: pl.DataFrame, published: PublishedRun, as_of: datetime) -> pl.DataFrame:
    """Return day_values() of one day."""
    ends_at = day + _DAY
    during = pl.col("played_at").is_between(day, ends_at, closed="left")
    pairs = plays.filter(during).select("user_id", "track").unique(maintain_order=True)
    labelled = label_outcomes(
        pairs, plays, catalog=published.catalog, as_of=day, ends_at=ends_at, known_until=as_of
    ).rename(dict(zip(LABELS, REWARD_NAMES, strict=True)))
    settled = {name: labelled[name].to_numpy() for name in REWARD_NAMES if not labelled[name].null_count()}
    sums = [
        pl.when(pl.col(name).count() > 0).then(pl.col(name).sum().cast(pl.Float64)).alias(name)
        for name in (*REWARD_NAMES, _ALL_REWARDS)
    ]
    with_total = labelled.with_columns(pl.Series(_ALL_REWARDS, expected_reward(settled)))
    values = with_total.group_by("user_id", maintain_order=True).agg(sums)
    joined = values.join(_days_ahead(plays, ends_at), on="user_id", how="left", maintain_order="left")
    return joined.with_columns(pl.col("days_ahead").fill_null(0.0), pl.col("user_id").cast(pl.String))


def _days_ahead(plays: pl.DataFrame, start: datetime) -> pl.DataFrame:
    """Return the number of days with plays among the AHEAD_DAYS from `start`: user_id, days_ahead."""
    is_ahead = pl.col("played_at").is_between(start, start + _AHEAD_DAYS * _DAY, closed="left")
    day = (pl.col("played_at") - start).dt.total_microseconds() // 86_400_000_000
    ahead = plays.filter(is_ahead & (pl.col("action") == PLAY))
    return ahead.group_by("user_id").agg(days_ahead=day.n_unique().cast(pl.Float64))


def _prediction_table(values: pl.DataFrame) -> Table:
    """Return Spearman correlations of each reward with the days ahead, alone and given the listens of the day."""
    title = (
        f"prediction by a day's rewards: {len(values):,} user days, rank correlation with the listening days of the"
        f" following {_AHEAD_DAYS}"
    )
    table = table_of_numbers(title, ("reward", "user days with it", "correlation", "given listens"))
    ahead, listens = _ranks(values["days_ahead"]), _ranks(values[LISTENED])
    for name in (*REWARD_NAMES, _ALL_REWARDS):
        if values[name].null_count() or values[name].n_unique() < 2:
            table.add_row(name, "not settled", "", "")
            continue
        own = _ranks(values[name])
        given = "" if name == LISTENED else f"{_partial_rank_correlation(own, ahead, listens):+.3f}"
        table.add_row(name, f"{int((values[name] > 0).sum()):,}", f"{_correlation(own, ahead):+.3f}", given)
    return table


def _reward_correlation_table(values: pl.DataFrame) -> Table:
    """Return Spearman correlations between the rewards of a day."""
    varying = [name for name in REWARD_NAMES if not values[name].null_count() and values[name].n_unique() > 1]
    table = table_of_numbers("rank correlations of the rewards of a day", ("", *varying))
    ranks = {name: _ranks(values[name]) for name in varying}
    found = {pair: _correlation(ranks[pair[0]], ranks[pair[1]]) for pair in combinations(varying, 2)}
    for row in varying:
        cells = [f"{found[column, row]:+.2f}" if (column, row) in found else "" for column in varying]
        table.add_row(row, *cells)
    return table


def _reweighting_table(published: PublishedRun, weights: Mapping[str, float], num_users: int) -> Table:
    """Return the change of Home pages when each reward counts twice, and with the given weights."""
    users = published.table("pages").filter(surface=HOME).select("user_id").collect()["user_id"]
    chosen = users.unique().sort().sample(min(num_users, users.n_unique()), seed=1)
    replays = [Replay(published, user, HOME) for user in chosen]
    title = f"the Homes of {len(replays):,} users with other weights"
    table = table_of_numbers(title, ("weights", "cards that are new", "played before"))
    before = [_cards(replay, replay.candidates) for replay in replays]
    table.add_row("as they are", "", f"{_played_share(before):.1%}")
    for name, other in _other_weights(weights).items():
        after = [_cards(replay, rescore(replay.candidates, other)) for replay in replays]
        num_cards = sum(len(cards) for cards in after)
        num_kept = sum(len(set(a["track_id"]) & set(b["track_id"])) for a, b in zip(after, before, strict=True))
        table.add_row(name, f"{1 - num_kept / max(1, num_cards):.1%}", f"{_played_share(after):.1%}")
    return table


def _other_weights(weights: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Return sets of weights by name: each reward doubled, and the given weights if there are any."""
    others = {f"{name} twice": {**REWARD_WEIGHTS, name: 2 * REWARD_WEIGHTS[name]} for name in REWARD_NAMES}
    if weights:
        others[", ".join(f"{name} {weight:g}" for name, weight in weights.items())] = {**REWARD_WEIGHTS, **weights}
    return others


def rescore(candidates: pl.DataFrame, weights: Mapping[str, float]) -> pl.DataFrame:
    """Return candidates with the score by other weights; rewards that the ranker does not predict count 0.

    Published probabilities are rounded and scores are not, so what a score changes by is added to it: unchanged weights
    leave the score as it is.
    """
    predicted = [name for name, column in zip(REWARD_NAMES, PROBABILITIES, strict=True) if candidates[column].count()]
    change = {name: weights[name] - REWARD_WEIGHTS[name] for name in predicted}
    # a sum below 0 was published as 0
    published = (
        pl.when(pl.col("score") > 0).then("score").otherwise(_weighted({n: REWARD_WEIGHTS[n] for n in predicted}))
    )
    score = (published.cast(pl.Float64) + _weighted(change)).clip(lower_bound=0.0)
    return candidates.with_columns(score=score.cast(pl.Float32))


def _weighted(weights: Mapping[str, float]) -> pl.Expr:
    columns = dict(zip(REWARD_NAMES, PROBABILITIES, strict=True))
    terms = [pl.col(columns[name]).cast(pl.Float64) * weight for name, weight in weights.items()]
    return pl.sum_horizontal(terms) if terms else pl.lit(0.0)


def _cards(replay: Replay, candidates: pl.DataFrame) -> pl.DataFrame:
    """Compose a page; return the tracks of its cards and their listens by the user."""
    cards = card_rows(replay.page(candidates)).select("track_id")
    return cards.join(candidates.select("track_id", "plays_of_track"), on="track_id", how="left")


def _played_share(pages: Sequence[pl.DataFrame]) -> float:
    """Return the share of cards whose track the user listened to before."""
    return float(np.mean(pl.concat(pages)["plays_of_track"].to_numpy() > 0))


def _ranks(values: pl.Series) -> np.ndarray:
    return values.rank("average").to_numpy()


def _correlation(left: np.ndarray, right: np.ndarray) -> float:
    return float(np.corrcoef(left, right)[0, 1])


def _partial_rank_correlation(left: np.ndarray, right: np.ndarray, given: np.ndarray) -> float:
    """Return the correlation of the residuals of both after a linear fit on `given`."""
    return _correlation(_residual(left, given), _residual(right, given))


def _residual(values: np.ndarray, given: np.ndarray) -> np.ndarray:
    return np.asarray(values - np.polyval(np.polyfit(given, values, 1), given))
