"""Fit the recommenders of the next track on the plays before a cutoff, and rank the plays that came."""

from collections.abc import Mapping, Sequence
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
from transforms.events.user_samples import count_listens_between, sample_users
from transforms.tables.artifacts import BuildArtifact, local_copy
from transforms.tables.buckets import MapBuckets, Opened
from transforms.tables.columns import to_frame
from transforms.tables.groups import rank_in_run
from transforms.tables.schemas import PLAYS

MIXTURE = "mixture"
# Scores of a block of cases are a dense matrix of at most this many numbers.
_BLOCK_CELLS = 1 << 22
_PLACE = "place"


@dataclass(frozen=True)
class NextTrackSystems:
    """Recommenders with their parameters by name; mixture: weights [C, K] of them by context, None for no mixture."""

    tuned: Mapping[str, tuple[NextTrackBaseline, NextTrackParameters]]
    mixture: np.ndarray | None = None

    @property
    def names(self) -> list[str]:
        """Return the names in the order of the ranks."""
        return [*self.tuned, *([] if self.mixture is None else [MIXTURE])]


@dataclass(eq=False)
class RankNextTracks(beam.PTransform):
    """Fit on `history` on one worker, then apply rank_next_tracks() to every bucket of plays.

    share: of the users who listen in the window, those whose plays are predicted.
    """

    history: beam.PCollection
    track_codes: Opened
    systems: NextTrackSystems
    window: EvaluationWindow
    half_life_days: float
    share: Opened
    seed: int
    folder: str

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
) -> pl.DataFrame:
    """PLAYS of whole users in order -> NEXT_TRACK_RANKS: a row for each play in the window of the sampled users.

    What the user played before the case is known, also after the cutoff; what everyone played after it is not.
    """
    listens_in = count_listens_between(plays, window.starts_at, window.ends_at)
    users = sample_users(listens_in, share, seed)
    listens = listens_of(plays).join(users, on="user_id", how="semi", maintain_order="left")
    place = learned[_PLACE]["place"]
    log = to_play_log(listens, len(place))
    cases = to_cases(listens, log, window.starts_at, window.ends_at)
    ranked = _rank(cases, learned, systems, place)
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


def _rank(cases: Cases, learned: Mapping[str, NextTrackArrays], systems: NextTrackSystems, place: np.ndarray) -> Ranked:
    """Rank the cases' tracks by every system: rank and share [B, K]."""
    size = max(1, _BLOCK_CELLS // max(1, len(place)))
    blocks = [cases.take(slice(start, start + size)) for start in range(0, len(cases), size)]
    parts = [_rank_block(block, learned, systems, place) for block in blocks]
    empty = np.zeros((0, len(systems.names)))
    return (
        Ranked(*(np.concatenate([empty, *one]) for one in zip(*parts, strict=True))) if parts else Ranked(empty, empty)
    )


def _rank_block(
    cases: Cases, learned: Mapping[str, NextTrackArrays], systems: NextTrackSystems, place: np.ndarray
) -> Ranked:
    scores = [
        baseline.score(cases, learned[name], parameters) for name, (baseline, parameters) in systems.tuned.items()
    ]
    if systems.mixture is not None:
        scores.append(mix_scores(scores, systems.mixture, contexts(cases)))
    target = cases.log.track[cases.at]
    ranked = [rank_targets(one, target, place) for one in scores]
    return Ranked(np.stack([one.rank for one in ranked], axis=1), np.stack([one.share for one in ranked], axis=1))


def _as_lists(values: np.ndarray, kind: type[pl.DataType]) -> pl.Series:
    """Return rows [B, K] as a column of lists."""
    return pl.Series(values, dtype=pl.Array(kind, values.shape[1])).arr.to_list()
