"""Explanation of a page, or of one track of it: who proposed it, its score, where it stands or why it does not."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from pipelines.explain.contributions import feature_contributions
from pipelines.explain.explained import (
    CardExplanation,
    FeatureValue,
    PageExplanation,
    PositionTrace,
    RewardPart,
    ScoreParts,
)
from pipelines.explain.replay import Replay
from pipelines.inputs.page_rules import check_surfaces
from pipelines.inputs.published import PublishedRun, card_rows
from pipelines.options.options import UsageError
from transforms.candidates.sources import SOURCES
from transforms.features.features import FEATURES
from transforms.features.rewards import PROBABILITIES, REWARDS
from transforms.pages.rules.constraints import audience_mask, excluded_mask
from transforms.pages.shelves.shelf import Shelf
from transforms.pages.traces import TraceStep
from transforms.tables.surfaces import HOME


def explain_page(run: PublishedRun, user_id: str, surface: str = HOME) -> PageExplanation:
    """Explain every card of a user's page by its source, score and reason.

    Raises:
        UsageError: the run has no such user or surface, or this version composes another page than the run did.
    """
    replay = _replay(run, user_id, surface)
    page = replay.page(replay.candidates)
    return PageExplanation(_with_names(card_rows(page), replay), _relaxed(page))


def explain_card(run: PublishedRun, user_id: str, track_id: str, surface: str = HOME) -> CardExplanation:
    """Explain a track for a user's page: its sources, its score, and where it stands or why it does not.

    The page is composed again from the published candidates: what is said is what the composition does.

    Raises:
        UsageError: the run has no such user or surface, did not score the track, or this version composes another page
            than the run did.
    """
    replay = _replay(run, user_id, surface)
    rows = replay.candidates.filter(pl.col("track_id") == track_id)
    if rows.is_empty():
        raise UsageError(
            f"--track={track_id}: it was not among the candidates of {user_id}: no source proposed it, or the cap on"
            " candidates left it out"
        )
    (row,) = _with_names(rows, replay).iter_rows(named=True)
    score = row["score"]
    is_shown = replay.is_shown(track_id, score)
    return CardExplanation(
        user_id=user_id,
        surface=surface,
        track_id=track_id,
        name=row["name"],
        score=score,
        rank=int((replay.candidates["score"] > score).sum()),
        num_candidates=len(replay.candidates),
        sources=tuple(source.name for number, source in enumerate(SOURCES) if row["sources"] >> number & 1),
        source=row["source"],
        carried_over_position=row["carried_over_position"],
        rewards=tuple(_rewards(row)),
        parts=_parts(replay, track_id),
        rules=tuple(_rules_about(replay, track_id)),
        positions=tuple(_positions(replay, track_id)),
        is_shown=is_shown,
        min_score_to_show=None if is_shown else replay.min_score_to_show(track_id, score),
    )


def counted_value(value: float, num_before: int, divisor: float) -> str:
    """Return the value of a shelf in words, and what part of it counts after others of its kind and like it."""
    part = f"1/{num_before + 1}" if divisor == 1 else f"{1 / ((num_before + 1) * divisor):.0%}"
    return f"{value:.3f}" + ("" if part == "1/1" else f", of which {part} counts")


def _replay(run: PublishedRun, user_id: str, surface: str) -> Replay:
    (checked,) = check_surfaces((surface,))
    return Replay(run, user_id, checked)


def _relaxed(page: pl.DataFrame) -> tuple[str, ...]:
    return tuple(page["relaxed"].explode(empty_as_null=False))


def _rewards(row: Mapping[str, Any]) -> Iterator[RewardPart]:
    """Yield the rewards that the ranker predicts."""
    for reward, name in zip(REWARDS, PROBABILITIES, strict=True):
        if row[name] is not None:
            yield RewardPart(reward.name, row[name], reward.weight, reward.sentence)


def _parts(replay: Replay, track_id: str) -> ScoreParts:
    """Return what a track's score is made of, as far as the run and its input tell."""
    try:
        features, run = replay.features, replay.run
    except UsageError as error:
        return ScoreParts(unknown=str(error))
    (row,) = features.filter(pl.col("track_id") == track_id).iter_rows(named=True)
    known = tuple(
        FeatureValue(one.name, row[one.name], one.sentence) for one in FEATURES if row[one.name] != one.missing
    )
    if not run.artifact("ranker"):
        return ScoreParts(known)
    score, contributions = feature_contributions(features, track_id, run.ranker, run.vocabulary, run.catalog)
    return ScoreParts(known, score, tuple(contributions))


def _positions(replay: Replay, track_id: str) -> Iterator[PositionTrace]:
    """Yield what happened to the track at each position."""
    names = _names(replay)["name"]
    shelves = replay.builder.shelves
    for step in replay.traced(track_id):
        yield PositionTrace(
            position=step.position,
            shelf_id=shelves[step.shelf_index].id,
            value=step.value,
            num_before=step.num_before,
            divisor=step.divisor,
            score=step.score,
            happened=tuple(_happened(step, shelves)),
            nearest=names[step.winner] if step.winner >= 0 else "",
        )


def _happened(step: TraceStep, shelves: Sequence[Shelf]) -> Iterator[str]:
    """Yield what happened to the track at a position: on the shelf that stands there, and on the others."""
    yield step.verdict
    for one in step.waiting:
        name = shelves[one.shelf_index].instance_name(one.code)
        if one.size < one.minimum:
            yield f"{name} could have shown {one.size} of {one.minimum} tracks"
        else:
            yield f"{name} had a value of {counted_value(one.value, one.num_before, one.divisor)}"


def _rules_about(replay: Replay, track_id: str) -> Iterator[str]:
    """Yield a sentence for each rule that excludes the track for the user, or that was relaxed."""
    run, relaxed = replay.run, _relaxed(replay.page(replay.candidates))
    rows = replay.candidates.filter(pl.col("track_id") == track_id)
    is_meant = audience_mask(run.rules, rows, replay.surface, run.policy.day)[0]
    for rule, is_for_user in zip(run.rules, is_meant, strict=True):
        if rule.name in relaxed:
            yield f"rule {rule.name!r} of line {rule.line} could not hold for {replay.user}"
        elif is_for_user and excluded_mask(rule, rows, run.catalog)[0]:
            yield f"rule {rule.name!r} of line {rule.line} excludes it"


def _names(replay: Replay) -> pl.DataFrame:
    """Return the name of each track, in the order of codes."""
    by = pl.concat_str(pl.lit(" by "), "artist_name").fill_null("")
    return replay.run.catalog.tracks.select("track_id", name=pl.concat_str("title", by))


def _with_names(rows: pl.DataFrame, replay: Replay) -> pl.DataFrame:
    return rows.join(_names(replay), on="track_id", how="left", maintain_order="left")
