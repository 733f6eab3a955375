"""The graph of an evaluation of the next track at one cutoff: fit on the plays before it, rank those that came."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import apache_beam as beam

from pipelines.inputs.inputs import InputTable
from pipelines.inputs.plan import RunPlan
from pipelines.learning import fit_sequence_model, open_sequence_recommender, sequence_options
from pipelines.listening_log import ListeningLog, read_listening_log
from pipelines.reported_plays import reported_plays
from transforms.evaluation.next_track.measure_next_tracks import MeasureNextTracks
from transforms.evaluation.next_track.rank_next_tracks import NextTrackSystems, RankNextTracks
from transforms.evaluation.next_track.schemas import NEXT_TRACK_RANKS
from transforms.evaluation.next_track.write_next_track import WriteNextTrack
from transforms.evaluation.split_log import plays_before_cutoff
from transforms.evaluation.window import EvaluationWindow
from transforms.events.user_samples import count_listeners, sampling_share
from transforms.sequence_model.play_windows import PLAY_WINDOWS
from transforms.sequence_model.sample_play_windows import SamplePlayWindows
from transforms.sequence_model.train_sequence_model import SequencePlan, TrainSequenceModel
from transforms.tables.buckets import MapBuckets, Opened
from transforms.tables.schemas import PLAYS
from transforms.tables.write_tables import WriteTables


class SequenceTraining(NamedTuple):
    """Flags of the sequence model's training."""

    num_epochs: int
    size: int
    accelerator: str


@dataclass(frozen=True)
class NextTrackCutoff:
    """A moment to evaluate at. run: its as_of is the cutoff. known_before: plays that arrived later do not count.

    report_users: table of the users whose plays are predicted at most; None: all.
    """

    run: RunPlan
    window: EvaluationWindow
    known_before: datetime
    systems: NextTrackSystems
    max_users: int
    num_replicates: int
    training: SequenceTraining
    report_users: InputTable | None

    @property
    def fitted_folder(self) -> str:
        """Return the folder of what the systems learned."""
        return f"{self.run.folder}/baselines"


def build_next_track(root: beam.Pipeline, cutoff: NextTrackCutoff) -> tuple[beam.PCollection, ...]:
    """Build the graph from events to ranks and sums; it yields the paths of the files."""
    run, window, seed = cutoff.run, cutoff.window, cutoff.run.options.seed
    log = read_listening_log(root, run, known_before=cutoff.known_before)
    history = log.plays | MapBuckets(plays_before_cutoff, out=PLAYS, cutoff_at=window.cutoff_at)
    model_path = _train_model(cutoff, log, history) if cutoff.systems.has_model else None
    reported = reported_plays(root, log.plays, cutoff.report_users)
    n_users = reported | count_listeners(window.starts_at, window.ends_at)
    ranks = reported | RankNextTracks(
        history=history,
        track_codes=log.track_codes,
        systems=cutoff.systems,
        window=window,
        half_life_days=run.options.half_life_days,
        share=sampling_share(n_users, cutoff.max_users),
        seed=seed,
        folder=cutoff.fitted_folder,
        model=None if model_path is None else Opened(model_path, open_sequence_recommender),
    )
    sums = ranks | MeasureNextTracks(tuple(cutoff.systems.names), cutoff.num_replicates, seed)
    written = ranks | WriteTables(NEXT_TRACK_RANKS, run.folder, run.num_shards, ("user_id", "number"))
    return written, root | WriteNextTrack(run.folder, window, sums, history, ranks, model_path)


def _train_model(cutoff: NextTrackCutoff, log: ListeningLog, history: beam.PCollection) -> beam.PCollection:
    """Return the path of the sequence model, trained on the plays of everyone before the cutoff."""
    run, training, seed = cutoff.run, cutoff.training, cutoff.run.options.seed
    sample = SamplePlayWindows(log.tracks_path, run.as_of, run.options.max_training_users, seed)
    write = WriteTables(PLAY_WINDOWS, cutoff.fitted_folder, run.num_shards, ("user_key", "number"))
    plan = SequencePlan(
        options=sequence_options(training.num_epochs, training.size, seed),
        fit=fit_sequence_model,
        checkpoints=f"{cutoff.fitted_folder}/checkpoints",
        accelerator=training.accelerator,
    )
    train = TrainSequenceModel(log.tracks_path, run.as_of, f"{cutoff.fitted_folder}/sequence_model", plan)
    return history | sample | "WriteWindows" >> write | train
