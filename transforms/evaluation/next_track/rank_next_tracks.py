"""Fit the recommenders of the next track on the plays before a cutoff, and rank the plays that came."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

import apache_beam as beam
import numpy as np
import polars as pl
import pyarrow as pa

from models.next_track.contract import Cases, NextTrackArrays, NextTrackBaseline, NextTrackParameters
from models.next_track.mixture import contexts, mix_scores
from models.next_track.ranks import Ranked, decayed_counts, places, rank_targets
from transforms.evaluation.next_track.play_logs import is_repeat, listens_of, to_cases, to_play_log
from transforms.evaluation.next_track.schemas import NEXT_TRACK_RANKS
from transforms.evaluation.window import EvaluationWindow
from transforms.events.listening import is_listened
from transforms.events.user_samples import count_listens_between, sample_users
from transforms.sequence_model.recommender import SequenceRecommender
from transforms.tables.artifacts import BuildArtifact, local_copy
from transforms.tables.buckets import MapBuckets, Opened
from transforms.tables.columns import to_frame
from transforms.tables.groups import rank_in_run
from transforms.tables.schemas import PLAY, PLAYS

SEQUENCE_MODEL, MIXTURE = "sequence_model", "mixture"
# Scores of a block of cases are a dense matrix of at most this many numbers.
_BLOCK_CELLS = 1 << 22
_PLACE = "place"


@dataclass(frozen=True)
class NextTrackSystems:
    """Recommenders with their parameters by name; has_model: the sequence model is one besides these.

    mixture: weights [C, K] of all of them by context, None for no mixture.
    """

    tuned: Mapping[str, tuple[NextTrackBaseline, NextTrackParameters]]
    has_model: bool = False
    mixture: np.ndarray | None = None

    @property
    def names(self) -> list[str]:
        """Return the names in the order of the ranks."""
        others = [SEQUENCE_MODEL] if self.has_model else []
        return [*self.tuned, *others, *([] if self.mixture is None else [MIXTURE])]


@dataclass(eq=False)
class RankNextTracks(beam.PTransform):
    """Fit on `history` on one worker, then apply rank_next_tracks() to every bucket of plays.

    share: of the users who listen in the window, those whose plays are predicted. model: a SequenceRecommender; None
    without it.
    """

    history: beam.PCollection
    track_codes: Opened
    systems: NextTrackSystems
    window: EvaluationWindow
    half_life_days: float
    share: Opened
    seed: int
    folder: str
    model: Opened | None

    def expand(self, plays: beam.PCollection) -> beam.PCollection:
        """Build one artifact, apply one map."""
        fitted = plays.pipeline | BuildArtifact(
            fit_next_track,
            folder=self.folder,
            plays=[self.history],
            track_codes=self.track_codes,
            systems=self.systems,
            cutoff_at=self.window.cutoff_at,
            half_life_days=self.half_life_days,
        )
        return plays | MapBuckets(
            rank_next_tracks,
            out=NEXT_TRACK_RANKS,
            learned=Opened(fitted, open_next_track),
            systems=self.systems,
            window=self.window,
            share=self.share,
            seed=self.seed,
            model=self.model,
        )


def fit_next_track(
    directory: Path,
    *,
    plays: Sequence[tuple[int, pa.Table]],
    track_codes: pl.DataFrame,
    systems: NextTrackSystems,
    cutoff_at: datetime,
    half_life_days: float,
) -> None:
    """Fit every system to all plays known before the cutoff; write one .npz each, and the tracks' places."""
    everyone = to_frame(pa.concat_tables([PLAYS.empty(), *(table for _, table in plays)]))
    log = to_play_log(listens_of(everyone.sort("user_id", maintain_order=True)), len(track_codes))
    now = cutoff_at.timestamp()
    np.savez(directory / f"{_PLACE}.npz", place=places(decayed_counts(log, now, half_life_days)))
    for name, (baseline, parameters) in systems.tuned.items():
        np.savez(directory / f"{name}.npz", **dict(baseline.fit(log, now, parameters)))  # type: ignore[arg-type]


@lru_cache(maxsize=1)
def open_next_track(path: str) -> dict[str, NextTrackArrays]:
    """Return the arrays that fit_next_track() wrote, by system."""
    return {file.stem: dict(np.load(file)) for file in sorted(local_copy(path).glob("*.npz"))}


def rank_next_tracks(
    plays: pl.DataFrame,
    *,
    learned: Mapping[str, NextTrackArrays],
    systems: NextTrackSystems,
    window: EvaluationWindow,
    share: float,
    seed: int,
    model: SequenceRecommender | None,
) -> pl.DataFrame:
    """PLAYS of whole users in order -> NEXT_TRACK_RANKS: a row for each play in the window of the sampled users.

    What the user played before the case is known, also after the cutoff; what everyone played after it is not.
    """
    listens_in = count_listens_between(plays, window.starts_at, window.ends_at)
    users = sample_users(listens_in, share, seed)
    sampled = plays.join(users, on="user_id", how="semi", maintain_order="left")
    listens, place = listens_of(sampled), learned[_PLACE]["place"]
    log = to_play_log(listens, len(place))
    cases = to_cases(listens, log, window.starts_at, window.ends_at)
    ranked = _rank(cases, _Scorer(learned, systems, place, _predict_with(model, sampled)))
    return (
        listens.select("user_id", "played_at", "track")[cases.at]
        .with_columns(
            number=pl.Series(rank_in_run(log.user)[cases.at]),
            is_first=pl.Series(cases.is_first),
            is_repeat=pl.Series(is_repeat(log)[cases.at]),
            context=pl.Series(contexts(cases)),
            ranks=_as_lists(ranked.rank, pl.Int32),
            shares=_as_lists(ranked.share, pl.Float32),
        )
        .select(NEXT_TRACK_RANKS.names)
    )


@dataclass(frozen=True)
class _Scorer:
    """Systems with what they learned; predict: the sequence model's probabilities [B, T] of cases, None without it."""

    learned: Mapping[str, NextTrackArrays]
    systems: NextTrackSystems
    place: np.ndarray
    predict: Callable[[Cases], np.ndarray] | None

    def rank(self, cases: Cases) -> Ranked:
        """Rank the tracks of a block of cases by every system: rank and share [B, K]."""
        tuned, mixture = self.systems.tuned, self.systems.mixture
        scores = [one.score(cases, self.learned[name], parameters) for name, (one, parameters) in tuned.items()]
        if self.predict is not None:
            scores.append(self.predict(cases))
        if mixture is not None:
            scores.append(mix_scores(scores, mixture, contexts(cases)))
        ranked = [rank_targets(one, cases.log.track[cases.at], self.place) for one in scores]
        return Ranked(np.stack([one.rank for one in ranked], axis=1), np.stack([one.share for one in ranked], axis=1))


def _predict_with(model: SequenceRecommender | None, plays: pl.DataFrame) -> Callable[[Cases], np.ndarray] | None:
    """Return a function that predicts cases of the log of PLAYS, of which the model also reads the skipped ones."""
    if model is None:
        return None
    known = model.read(plays)
    is_play = (pl.col("action") == PLAY) & pl.col("track").is_not_null()
    row = np.flatnonzero(plays.filter(is_play).select(is_listened()).to_series().to_numpy())
    return lambda cases: model.predict(known, row[cases.at])


def _rank(cases: Cases, scorer: _Scorer) -> Ranked:
    """Rank the cases' tracks by every system, a block at a time: rank and share [B, K]."""
    size = max(1, _BLOCK_CELLS // max(1, len(scorer.place)))
    parts = [scorer.rank(cases.take(slice(start, start + size))) for start in range(0, len(cases), size)]
    empty = np.zeros((0, len(scorer.systems.names)))
    return (
        Ranked(*(np.concatenate([empty, *one]) for one in zip(*parts, strict=True))) if parts else Ranked(empty, empty)
    )


def _as_lists(values: np.ndarray, kind: type[pl.DataType]) -> pl.Series:
    """Return rows [B, K] as a column of lists."""
    return pl.Series(values, dtype=pl.Array(kind, values.shape[1])).arr.to_list()
