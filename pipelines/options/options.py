"""Declared flags, from which the command line, the documentation and the options in the manifest are made."""

from collections.abc import Callable
from dataclasses import MISSING, dataclass, field
from datetime import datetime, timezone
from typing import Any

from pipelines.options.flag_kinds import (
    OneOf,
    parse_bounds,
    parse_counts,
    parse_days,
    parse_file_name,
    parse_names,
    parse_path,
    parse_positive,
    parse_share,
    parse_sizes,
    parse_time,
    parse_whole,
    parse_windows,
    parse_yes_or_no,
)
from transforms.tables.failures import HomeshelfError


class UsageError(HomeshelfError):
    """The request cannot be carried out: a flag is wrong, a file is absent; nothing was started."""

    exit_status = 2
    label = "error"


def flag(help: str, default: object = MISSING, *, kind: Callable[[str], object] = str, alias: str = "") -> Any:
    """Declare a flag as a dataclass field; without a default it is required.

    help: a sentence with the unit and special values. kind: the function that parses its text. alias: another name: of
    one letter, or the one that it had in 0.1, which scripts may still use.
    """
    return field(default=default, metadata={"help": help, "kind": kind, "alias": alias})


def path_flag(help: str, default: object = MISSING, *, alias: str = "") -> Any:
    """Declare a flag that names a path, or several separated by commas."""
    return flag(help, default, kind=parse_path, alias=alias)


def argument(help: str) -> Any:
    """Declare an argument that has its place on the command line instead of a name."""
    return field(metadata={"help": help, "kind": str, "positional": True})


def switch(help: str, default: bool = False, *, alias: str = "") -> bool:
    """Declare a flag that is on when it is there; --flag=no turns it off."""
    declared: bool = flag(help, default, kind=parse_yes_or_no, alias=alias)
    return declared


@dataclass(frozen=True, kw_only=True)
class InputOptions:
    """Input: the tables."""

    events: str = path_flag(
        "events: Parquet, CSV or JSON Lines; files, folders, glob patterns, separated by commas; also gs://, s3://"
    )
    tracks: str = path_flag("track catalog, in the same form; default: the tracks of the events, without metadata", "")
    users_table: str = path_flag("user table, in the same form; its users get a page even without events", "")
    impressions: str = path_flag("impressions table, in the same form; training corrects for their positions", "")
    erased_users: str = path_flag(
        "users (a table with user_id) whose rows are dropped, as of those with `erased`", "", alias="erase"
    )
    events_columns: str = flag(
        "columns of the events, separated by commas: ours:theirs, or theirs.field, theirs*factor, theirs@s (ms, us, "
        "ns, iso), theirs@split(|), nothing for none; as in played_at:ts@s,ms_played:seconds*1000",
        "",
    )
    tracks_columns: str = flag("mapping of the columns of the track catalog, in the form of --events_columns", "")
    users_table_columns: str = flag("mapping of the columns of the user table, in the form of --events_columns", "")
    impressions_columns: str = flag("mapping of the impressions' columns, in the form of --events_columns", "")


@dataclass(frozen=True, kw_only=True)
class EventOptions:
    """Input: which rows of the tables count."""

    min_played_at: datetime = flag(
        "earliest plausible time of an event (UTC); earlier ones are rejected, such as 1970-01-01 of an unset clock",
        datetime(1999, 1, 1, tzinfo=timezone.utc),
        kind=parse_time,
    )
    match_recordings: bool = switch(
        "yes: tracks without recording_id are copies of one recording if they have the same title and artist and are at"
        " most 2 s apart in length; no: only those of one recording_id are",
        True,
    )
    max_user_events: int = flag("most events of a user; older ones are rejected", 100_000, kind=parse_positive)


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Model: candidates, two towers and the ranker."""

    label_days: float = flag("days of the label window: the ranker predicts listens within it", 7.0, kind=parse_days)
    half_life_days: float = flag("half-life of a play's weight in popularity, in days", 14.0, kind=parse_days)
    num_neighbours: int = flag("number of co-listened tracks stored per track", 200, kind=parse_positive)
    max_candidates: int = flag(
        "maximum number of candidates per user, without the new tracks of --new_track_floor", 500, kind=parse_positive
    )
    new_track_floor: int = flag(
        "minimum number of users that each new track is a candidate for; 0 disables it", 20, kind=parse_whole
    )
    tower_size: int = flag("dimension of the two-tower embeddings", 64, kind=parse_positive)
    num_tower_epochs: int = flag("epochs of training for towers that start from scratch", 3, kind=parse_positive)
    num_warm_epochs: int = flag(
        "epochs of training for towers that start from --embeddings; 0 uses these unchanged", 1, kind=parse_whole
    )
    tower_batch_size: int = flag("sequences per training step of the towers", 128, kind=parse_positive)
    tower_learning_rate: float = flag("learning rate of the towers (Adagrad)", 0.03, kind=parse_share)
    tower_dropout: float = flag("share of a user's tracks hidden from the towers in training", 0.5, kind=parse_share)
    temperature: float = flag("temperature of the towers' softmax: cosines are divided by it", 0.2, kind=parse_share)
    num_hidden_tracks: int = flag(
        "maximum number of tracks per sequence that the towers are trained to predict", 8, kind=parse_positive
    )
    num_negatives: int = flag(
        "uniformly sampled negatives per training step of the towers, beside in-batch ones", 512, kind=parse_positive
    )
    training_windows: tuple[int, ...] = flag(
        "label windows of the training examples, as numbers of windows before as_of, 2 or more, separated by "
        "commas; 2,3,4 suits services with a few thousand weekly listeners; rewards that take weeks to "
        "observe need an early window: 2,5",
        (2,),
        kind=parse_windows,
    )
    max_training_users: int = flag(
        "approximate number of users who contribute training examples, per label window", 20_000, kind=parse_positive
    )
    min_track_plays: int = flag(
        "minimum number of plays for a track to have its own embedding in the ranker", 5, kind=parse_positive
    )
    ranker_model: str = flag("model that is trained as the ranker, one of those in the reference", "dcn_v2")
    num_epochs: int = flag(
        "maximum number of epochs of the ranker; the best one on held-out later examples is kept",
        6,
        kind=parse_positive,
    )
    batch_size: int = flag("training examples per step of the ranker", 4096, kind=parse_positive)
    embedding_size: int = flag("dimension of the ranker's track and artist embeddings", 8, kind=parse_positive)
    cross_layers: int = flag("number of DCN-v2 cross layers of the ranker", 1, kind=parse_positive)
    hidden_units: tuple[int, ...] = flag("units of the ranker's dense layers, by commas", (64,), kind=parse_sizes)
    id_dropout: float = flag(
        "share of track and artist ids replaced by the unknown id in training, so that unknown tracks can be scored",
        0.1,
        kind=parse_share,
    )
    min_propensity: float = flag(
        "propensities below this are clipped before inverse-propensity weighting of the training examples; 1 "
        "disables the weighting",
        0.1,
        kind=parse_share,
    )
    learning_rate: float = flag("learning rate of the ranker (Adagrad)", 0.01, kind=parse_share)


@dataclass(frozen=True, kw_only=True)
class PageOptions:
    """Pages: which shelves and tracks stand on them."""

    max_shelves: int = flag("maximum number of shelves on a page", 7, kind=parse_positive)
    shelf_size: int = flag(
        "maximum number of tracks on shelves that declare no size of their own", 12, kind=parse_positive
    )
    diversity: float = flag(
        "strength of diversification within shelves, from 0 to 1; 0 disables it", 0.0, kind=parse_share
    )
    calibration: float = flag(
        "strength of genre and novelty calibration of pages (Steck 2018), from 0 to 1; 0 disables it",
        0.1,
        kind=parse_share,
    )
    first_screen_artist_tracks: int = flag(
        "most tracks by one artist among the first five of the first three shelves; 0: any number", 3, kind=parse_whole
    )
    habit_share: float = flag(
        "share of repeats in a user's plays with which pages open with the latest; 0: never", 0.3, kind=parse_share
    )
    idea_saturation: float = flag(
        "how much less shelves of one idea near each other count, from 0 to 1; 0 disables it", 0.25, kind=parse_share
    )
    interleaving: float = flag(
        "how much less shelves count that are as new as those near them, from 0 to 1", 0.25, kind=parse_share
    )
    artist_saturation: float = flag(
        "how much less tracks count by artists whom the page shows already, from 0 to 1", 0.0, kind=parse_share
    )
    genre_saturation: float = flag(
        "how much less tracks count of genres that the page shows already, from 0 to 1", 0.0, kind=parse_share
    )
    exploration: float = flag(
        "temperature of the random choice of shelves and tracks, whose propensities are published; 0 always "
        "takes the best",
        0.0,
        kind=parse_share,
    )
    rules: str = path_flag("YAML file of page rules", "")


@dataclass(frozen=True, kw_only=True)
class ScaleOptions:
    """Operations: how the work is divided."""

    num_buckets: int = flag(
        "number of buckets that users are divided into; 0: one per 500,000 events, at least 8", 0, kind=parse_whole
    )
    num_shards: int = flag("number of files per published table; 0: one per 500,000 events", 0, kind=parse_whole)
    seed: int = flag("seed of all random numbers", 1, kind=parse_whole)


@dataclass(frozen=True, kw_only=True)
class QueueOptions:
    """Now Playing: queues of each listener."""

    queues_per_user: str = flag(
        "most queues of a user by what they go on from, separated by commas; what is not named has none",
        "track:5,album:2,artist:3,session:1",
        kind=parse_counts,
    )
    queue_length: int = flag("tracks of a queue, after those of an album", 30, kind=parse_positive)


@dataclass(frozen=True, kw_only=True)
class StageOptions(ScaleOptions, PageOptions, ModelOptions, EventOptions):
    """Flags of the stages from plays to pages."""


@dataclass(frozen=True, kw_only=True)
class OperationOptions:
    """Operations: what a run does, reuses and publishes."""

    state: str = path_flag(
        "folder that keeps all events by user from one day's run to the next: --events are then those that arrived "
        "since the last run; outside --output; needs --as_of",
        "",
    )
    run_id: str = flag("ID of the run; default: start time and four random letters", "", kind=parse_file_name)
    mode: str = flag(
        "full: everything; features: training examples only; train: examples and a ranker, no pages; score: "
        "pages with the ranker of --ranker",
        "full",
        kind=OneOf(("full", "features", "train", "score")),
    )
    ranker: str = path_flag(
        "ranker to use instead of training one: its folder, the folder of the run that trained it, or an "
        "output folder, of which the newest run up to the day of --as_of is used",
        "",
    )
    trust: bool = switch(
        "loads the graph of --ranker even if it may do more than compute, such as write files or call Python"
    )
    embeddings: str = path_flag("two-tower embeddings that training starts from, named as for --ranker", "")
    carry_over_from: str = path_flag(
        "output folder whose earlier runs of the same ISO week hold the weekly shelves to keep; for "
        "scheduled runs the same as --output; without such runs nothing is kept",
        "",
    )
    max_feature_users: int = flag(
        "approximate number of users whose candidates are published with all features, for reports of drift; "
        "0: of nobody; `homeshelf why` computes those of other users from the run's input",
        2_000,
        kind=parse_whole,
    )
    max_rejected_fraction: float = flag(
        "maximum share of events rejected as invalid; the run fails above it", 0.05, kind=parse_share
    )
    gate: str = flag(
        "reaction to run metrics outside their limits: warn, but fail without any event or page; fail (the pointer is "
        "not moved, exit status 3); off",
        "warn",
        kind=OneOf(("warn", "fail", "off")),
    )
    limits: str = flag("limits that replace the default ones, separated by commas: name:bound", "", kind=parse_bounds)


@dataclass(frozen=True, kw_only=True)
class RunOptions(OperationOptions, QueueOptions, StageOptions, InputOptions):
    """homeshelf run: turns events into pages."""

    output: str = path_flag(
        "folder for the runs: <output>/ds=<day>/run=<id>/ and the pointer <output>/ds=<day>/CURRENT"
    )
    as_of: datetime | None = flag(
        "time (UTC) that the run is computed for; later events are not used; default: just after the newest "
        "event; a few events that lie far after all others do not count",
        None,
        kind=parse_time,
    )
    surfaces: tuple[str, ...] = flag(
        "surfaces to publish for, separated by commas: home and discover have pages, now_playing has queues",
        ("home",),
        kind=parse_names,
    )
