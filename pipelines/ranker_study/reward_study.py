"""homeshelf rewards: what each reward predicts, how rewards go together, and what other weights do to pages."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import combinations

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from pipelines.check.facts import read_input
from pipelines.explain.replay import Replay
from pipelines.inputs.published import PublishedRun, card_rows
from pipelines.options.options import UsageError, parse_all_flags
from pipelines.options.published_options import RewardsOptions
from pipelines.rendering.console import table_of_numbers
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
from transforms.tables.schemas import EVENTS, PLAY, TRACK_CODES
from transforms.tables.surfaces import HOME

_DAY = timedelta(days=1)
# Values of a day are held against the listening of so many days after it; so many days in a row are looked at.
_AHEAD_DAYS, _NUM_DAYS = 28, 7
_REWARD = "worth"


def run_rewards(argv: Sequence[str]) -> int:
    """Print all three (UsageError: the run or its events are not there, or a weight is of no reward)."""
    options = parse_all_flags(RewardsOptions, argv)
    weights, published = parse_weights(options.weights), PublishedRun(options.run)
    plays = read_plays(published, options.events)
    values = day_values(plays, published)
    console, about = Console(), describe_rewards()
    console.print(f"rewards of version {about['version']}, {about['hash']}", highlight=False)
    console.print(_prediction_table(values))
    console.print(
        "what is settled later than on the day looks at days that are predicted", style="dim", highlight=False
    )
    console.print(_reward_correlation_table(values))
    console.print(_reweighting_table(published, weights, options.num_users))
    return 0


def parse_weights(text: str) -> dict[str, float]:
    """Read name:weight,... (UsageError: it is of another form, or there is no such reward)."""
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
    """PLAYS of everyone who has a page, as the run knew them: who is to be forgotten has none."""
    options, as_of = published.manifest.options, datetime.fromisoformat(published.manifest.as_of)
    everyone = published.table("pages").select("user_id").unique().collect()
    read = read_input("events", events or options["events"], options["events_columns"], EVENTS)
    rows = read.join(everyone, on="user_id", how="semi", maintain_order="left")
    ids = pl.Enum(rows["track_id"].drop_nulls().unique().sort())
    coded = rows.with_columns(pl.col("track_id").cast(ids))
    codes = published.catalog.coded.select(TRACK_CODES.names)
    # who has too many is put right where a user's events are all in one table
    known = keep_plays(clean_events(coded, as_of=as_of, track_codes=codes, max_user_events=None)).drop_nulls("track")
    users = known["user_id"].drop_nulls().unique().sort()
    named = known.with_columns(pl.col("user_id").cast(pl.Enum(users)))
    return keep_first(order_histories(named, max_user_events=int(options["max_user_events"])))


def day_values(plays: pl.DataFrame, published: PublishedRun) -> pl.DataFrame:
    """One row per user and day on which they did anything, of the last days whose AHEAD_DAYS are over.

    For each reward the number of tracks that earned it on the day (null: not known), their worth, and days_ahead: on
    how many of the following AHEAD_DAYS the user listened.
    """
    as_of = datetime.fromisoformat(published.manifest.as_of)
    days = [as_of - (_AHEAD_DAYS + 1 + back) * _DAY for back in reversed(range(_NUM_DAYS))]
    return pl.concat(_values_on(day, plays, published, as_of) for day in days)


def _values_on(day: datetime, plays: pl.DataFrame, published: PublishedRun, as_of: datetime) -> pl.DataFrame:
    ends_at = day + _DAY
    during = pl.col("played_at").is_between(day, ends_at, closed="left")
    pairs = plays.filter(during).select("user_id", "track").unique(maintain_order=True)
    labelled = label_outcomes(
        pairs, plays, catalog=published.catalog, as_of=day, ends_at=ends_at, known_until=as_of
    ).rename(dict(zip(LABELS, REWARD_NAMES, strict=True)))
    known = {name: labelled[name].to_numpy() for name in REWARD_NAMES if not labelled[name].null_count()}
    sums = [
        pl.when(pl.col(name).count() > 0).then(pl.col(name).sum().cast(pl.Float64)).alias(name)
        for name in (*REWARD_NAMES, _REWARD)
    ]
    ahead = pl.col("played_at").is_between(ends_at, ends_at + _AHEAD_DAYS * _DAY, closed="left") & (
        pl.col("action") == PLAY
    )
    number = ((pl.col("played_at") - ends_at).dt.total_microseconds() // 86_400_000_000).n_unique()
    coming = plays.filter(ahead).group_by("user_id").agg(days_ahead=number.cast(pl.Float64))
    of_users = labelled.with_columns(pl.Series(_REWARD, expected_reward(known))).group_by(
        "user_id", maintain_order=True
    )
    joined = of_users.agg(sums).join(coming, on="user_id", how="left", maintain_order="left")
    return joined.with_columns(pl.col("days_ahead").fill_null(0.0), pl.col("user_id").cast(pl.String))


def _prediction_table(values: pl.DataFrame) -> Table:
    """Spearman correlation of each value with the days ahead, alone and beyond the number of listens of that day."""
    title = (
        f"what a day's rewards predict: {len(values):,} user days, rank correlation with the listening days of the"
        f" following {_AHEAD_DAYS}"
    )
    table = table_of_numbers(title, ("reward", "user days with it", "correlation", "beyond listens"))
    ahead, listens = _ranks(values["days_ahead"]), _ranks(values[LISTENED])
    for name in (*REWARD_NAMES, _REWARD):
        if values[name].null_count() or values[name].n_unique() < 2:
            table.add_row(name, "not known", "", "")
            continue
        own = _ranks(values[name])
        beyond = "" if name == LISTENED else f"{_partial(own, ahead, listens):+.3f}"
        table.add_row(name, f"{int((values[name] > 0).sum()):,}", f"{_correlation(own, ahead):+.3f}", beyond)
    return table


def _reward_correlation_table(values: pl.DataFrame) -> Table:
    """Spearman correlations of the rewards of a day."""
    known = [name for name in REWARD_NAMES if not values[name].null_count() and values[name].n_unique() > 1]
    table = table_of_numbers("rank correlations of the rewards of a day", ("", *known))
    ranks = {name: _ranks(values[name]) for name in known}
    found = {pair: _correlation(ranks[pair[0]], ranks[pair[1]]) for pair in combinations(known, 2)}
    for row in known:
        cells = [f"{found[column, row]:+.2f}" if (column, row) in found else "" for column in known]
        table.add_row(row, *cells)
    return table


def _reweighting_table(published: PublishedRun, weights: Mapping[str, float], num_users: int) -> Table:
    """What pages of some users change when each reward counts twice, and with the weights asked for."""
    users = published.table("pages").filter(surface=HOME).select("user_id").collect()["user_id"]
    chosen = users.unique().sort().sample(min(num_users, users.n_unique()), seed=1)
    replays = [Replay(published, user, HOME) for user in chosen]
    table = table_of_numbers(
        f"the Homes of {len(replays):,} users with other weights", ("weights", "cards that are new", "heard")
    )
    trials = {f"{name} twice": {**REWARD_WEIGHTS, name: 2 * REWARD_WEIGHTS[name]} for name in REWARD_NAMES}
    if weights:
        trials[", ".join(f"{name} {weight:g}" for name, weight in weights.items())] = {**REWARD_WEIGHTS, **weights}
    before = [_cards(replay, replay.candidates) for replay in replays]
    table.add_row("as they are", "", f"{_heard(before):.1%}")
    for name, trial in trials.items():
        after = [_cards(replay, rescore(replay.candidates, trial)) for replay in replays]
        shown = sum(len(cards) for cards in after)
        kept = sum(len(set(a["track_id"]) & set(b["track_id"])) for a, b in zip(after, before, strict=True))
        table.add_row(name, f"{1 - kept / max(1, shown):.1%}", f"{_heard(after):.1%}")
    return table


def rescore(candidates: pl.DataFrame, weights: Mapping[str, float]) -> pl.DataFrame:
    """Candidates with the score that other weights give; chances that the ranker does not know count nothing."""
    columns = {name: candidates[chance] for name, chance in zip(REWARD_NAMES, PROBABILITIES, strict=True)}
    known = {name: column.to_numpy() for name, column in columns.items() if column.count()}
    return candidates.with_columns(pl.Series("score", expected_reward(known, weights)))


def _cards(replay: Replay, candidates: pl.DataFrame) -> pl.DataFrame:
    cards = card_rows(replay.page(candidates)).select("track_id")
    return cards.join(candidates.select("track_id", "plays_of_track"), on="track_id", how="left")


def _heard(pages: Sequence[pl.DataFrame]) -> float:
    """Share of cards that the user has listened to before."""
    return float(np.mean(pl.concat(pages)["plays_of_track"].to_numpy() > 0))


def _ranks(values: pl.Series) -> np.ndarray:
    return values.rank("average").to_numpy()


def _correlation(left: np.ndarray, right: np.ndarray) -> float:
    return float(np.corrcoef(left, right)[0, 1])


def _partial(left: np.ndarray, right: np.ndarray, given: np.ndarray) -> float:
    """Correlation of what a straight line over `given` leaves of both."""
    rest = partial(_residual, given=given)
    return _correlation(rest(left), rest(right))


def _residual(values: np.ndarray, given: np.ndarray) -> np.ndarray:
    return np.asarray(values - np.polyval(np.polyfit(given, values, 1), given))
