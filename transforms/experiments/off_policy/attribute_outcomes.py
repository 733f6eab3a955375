"""Attribute what users did to the cards that they were shown: the outcome of each card."""

from dataclasses import dataclass
from datetime import timedelta

import apache_beam as beam
import polars as pl

from transforms.events.listening import is_listened
from transforms.experiments.off_policy.schemas import LOGGED_CHOICES
from transforms.features.rewards import REWARDS, SESSION_PAUSE_MINUTES
from transforms.tables.buckets import MapBuckets, SameBucket
from transforms.tables.hashing import stable_hash
from transforms.tables.schemas import ACTIONS, PLAY

_CARD = ["user_id", "request", "track_id"]
_EVENT = ["user_id", "played_at", "track_id", "action"]


@dataclass(eq=False)
class AttributeOutcomes(beam.PTransform):
    """attribute_outcomes() on every bucket, with the OUTCOME_EVENTS of the same users."""

    events: beam.PCollection
    reward: str
    window: timedelta

    def expand(self, choices: beam.PCollection) -> beam.PCollection:
        """Map every bucket."""
        return choices | MapBuckets(
            attribute_outcomes,
            out=LOGGED_CHOICES,
            events=SameBucket(self.events),
            reward=self.reward,
            window=self.window,
        )


def attributable_rewards() -> list[str]:
    """Return the rewards that events alone settle, as soon as the window is over."""
    return [one.name for one in REWARDS if not one.needs and not one.delay_days]


def attribute_outcomes(
    choices: pl.DataFrame, *, events: pl.DataFrame | None, reward: str, window: timedelta
) -> pl.DataFrame:
    """LOGGED_CHOICES -> the same, with the label of a reward as the outcome of each track: 0 or 1.

    An event belongs to the request that it names or, where it names none, to the latest card of its track that the user
    was shown before, at most `window` earlier.
    """
    (label,) = (one.label for one in REWARDS if one.name == reward)
    cards = choices.filter(pl.col("position") >= 0).select(
        pl.col("user_id", "track_id").cast(pl.String), "request", "shown_at"
    )
    if events is None or events.is_empty() or cards.is_empty():
        return choices.with_columns(outcome=pl.lit(0.0))
    found = _events_of_cards(cards, _described(events), window)
    outcomes = found.group_by(_CARD, maintain_order=True).agg(outcome=label.fill_null(False).cast(pl.Float64))
    texts = choices.with_columns(pl.col("user_id", "track_id").cast(pl.String)).drop("outcome")
    joined = texts.join(outcomes, on=_CARD, how="left", maintain_order="left")
    return choices.with_columns(joined["outcome"].fill_null(0.0))


def _described(events: pl.DataFrame) -> pl.DataFrame:
    """Return the events with the columns that labels aggregate, but those that depend on the card."""
    action = pl.col("action").cast(pl.String).fill_null(ACTIONS[PLAY]).replace_strict(
        {name: code for code, name in enumerate(ACTIONS)}, default=None, return_dtype=pl.Int8
    )  # fmt: skip
    known = events.with_columns(
        pl.col("user_id", "track_id", "request_id").cast(pl.String), action=action, ms_played=pl.col("ms_played")
    ).drop_nulls(["user_id", "track_id", "played_at", "action"])
    ordered = known.sort(*_EVENT, "ms_played", "request_id").unique(_EVENT, keep="first", maintain_order=True)
    # as in label_outcomes(), only a play continues a session
    next_play_at = pl.when(pl.col("action") == PLAY).then("played_at").shift(-1).backward_fill().over("user_id")
    until_next = (next_play_at - pl.col("played_at")).dt.total_milliseconds()
    number = pl.Series("event_request", stable_hash(ordered["request_id"], seed=2).view("int64"))
    return ordered.with_columns(
        number,
        is_listened=is_listened(),
        share=pl.lit(None, pl.Float64),
        is_continued=until_next <= pl.col("ms_played").fill_null(0) + SESSION_PAUSE_MINUTES * 60e3,
        is_unplayed=pl.int_range(pl.len()).over("user_id", "track_id") == 0,
    )


def _events_of_cards(cards: pl.DataFrame, events: pl.DataFrame, window: timedelta) -> pl.DataFrame:
    """Return the events of each card in order of time, with its request and the days since it was shown."""
    is_named = pl.col("request_id").is_not_null()
    named = events.filter(is_named).join(
        cards, left_on=["user_id", "event_request", "track_id"], right_on=["user_id", "request", "track_id"]
    )
    others = events.filter(~is_named).sort("played_at").join_asof(
        cards.sort("shown_at", "request"),
        left_on="played_at",
        right_on="shown_at",
        by=["user_id", "track_id"],
        strategy="backward",
        check_sortedness=False,
    )  # fmt: skip
    found = pl.concat([named.with_columns(request="event_request"), others.drop_nulls("request")], how="diagonal")
    after = pl.col("played_at") - pl.col("shown_at")
    return found.filter(after.is_between(timedelta(0), window)).sort("played_at", maintain_order=True).with_columns(
        is_in_window=pl.lit(True), days=after.dt.total_milliseconds() / 86_400_000
    )  # fmt: skip
