"""Every flag once: the command line, the README's tables and (as text) the manifest are made from here."""

import argparse
from collections.abc import Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from pipelines.options.flag_kinds import (
    parse_bounds,
    parse_days,
    parse_file_name,
    parse_gate_mode,
    parse_minutes,
    parse_mode,
    parse_names,
    parse_positive,
    parse_share,
    parse_sizes,
    parse_time,
    parse_times,
    parse_whole,
    parse_windows,
)

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


class UsageError(Exception):
    """What the user asked for cannot be done; the message is the one line to show."""


def flag(help: str, default: Any = MISSING, *, kind: Any = str) -> Any:
    """A flag of the command line; without a default it must be given."""
    return field(default=default, metadata={"help": help, "kind": kind})


@dataclass(frozen=True, kw_only=True)
class InputOptions:
    """What is read."""

    events: str = flag("events: a Parquet file, a folder or a pattern, local or gs:// or s3://; several with commas")
    tracks: str = flag("track catalog; without it the tracks are those of the events", "")
    users_table: str = flag("users who get a page even without an event", "")
    impressions: str = flag("what was shown: named as events are; the ranker learns to tell it from liking", "")
    erase: str = flag("users to be forgotten, beside those flagged in the user table: Parquet with user_id", "")
    events_columns: str = flag(
        "columns of other names or units: ours:theirs or ours:theirs*factor, with commas;"
        " played_at:timestamp,ms_played:seconds*1000",
        "",
    )
    tracks_columns: str = flag("the same for the track catalog", "")
    users_table_columns: str = flag("the same for the users", "")
    impressions_columns: str = flag("the same for what was shown", "")


@dataclass(frozen=True, kw_only=True)
class StageOptions:
    """What the stages from plays to pages need to know."""

    max_user_events: int = flag("events of a user that count, at most: the newest", 100_000, kind=parse_positive)
    label_days: float = flag(
        "the ranker predicts whether a track is listened to within this many days", 7.0, kind=parse_days
    )
    half_life_days: float = flag(
        "a play counts half as much for popularity after this many days", 14.0, kind=parse_days
    )
    num_neighbours: int = flag("co-listened tracks kept per track", 200, kind=parse_positive)
    max_candidates: int = flag("candidates per user, at most, apart from new tracks", 500, kind=parse_positive)
    new_track_floor: int = flag("users that each new track is proposed to, at least", 20, kind=parse_whole)
    tower_size: int = flag("length of the vectors of the two towers", 64, kind=parse_positive)
    num_tower_epochs: int = flag("passes over the sequences for new towers", 3, kind=parse_positive)
    num_warm_epochs: int = flag(
        "passes for towers that continue earlier ones; 0: they stay as they are", 1, kind=parse_whole
    )
    tower_batch_size: int = flag("sequences per step of the towers", 128, kind=parse_positive)
    tower_learning_rate: float = flag("step size of the towers' Adagrad", 0.03, kind=parse_share)
    tower_dropout: float = flag(
        "share of a user's tracks hidden from the user tower in training", 0.5, kind=parse_share
    )
    temperature: float = flag("divides the cosines in the towers' softmax", 0.2, kind=parse_share)
    num_hidden_tracks: int = flag("tracks of a sequence that the towers predict, at most", 8, kind=parse_positive)
    num_negatives: int = flag(
        "uniform negatives per step of the towers, beside those of the batch", 512, kind=parse_positive
    )
    training_windows: tuple[int, ...] = flag(
        "how many label windows ago training examples are of, with commas: 2,3,4 where a week has a few thousand"
        " listeners at most; what is settled late, as a habit, is learned only from those of long ago: 2,5",
        (2,),
        kind=parse_windows,
    )
    max_training_users: int = flag(
        "about how many users give training examples, per cutoff", 20_000, kind=parse_positive
    )
    min_track_plays: int = flag("plays that a track needs for an embedding of its own", 5, kind=parse_positive)
    ranker_model: str = flag("model that is trained as the ranker: dcn_v2 or popularity", "dcn_v2")
    num_epochs: int = flag(
        "passes over the training examples, at most: the ranker that explains later ones best is kept",
        6,
        kind=parse_positive,
    )
    batch_size: int = flag("training examples per step", 4096, kind=parse_positive)
    embedding_size: int = flag("length of the track and artist embeddings", 8, kind=parse_positive)
    cross_layers: int = flag("DCN-v2 cross layers of the ranker", 1, kind=parse_positive)
    hidden_units: tuple[int, ...] = flag("units of the ranker's dense layers, with commas", (64,), kind=parse_sizes)
    id_dropout: float = flag(
        "share of ids hidden in training, so that unknown tracks have a score", 0.1, kind=parse_share
    )
    min_propensity: float = flag(
        "what was shown counts in training by the inverse of its propensity, taken to be at least this; 1: all alike",
        0.1,
        kind=parse_share,
    )
    learning_rate: float = flag("step size of Adagrad", 0.01, kind=parse_share)
    max_shelves: int = flag("shelves on a page, at most", 7, kind=parse_positive)
    shelf_size: int = flag("tracks on a shelf whose entry names no size, at most", 12, kind=parse_positive)
    diversity: float = flag(
        "how much tracks unlike those before them are preferred on a shelf; 0: not", 0.0, kind=parse_share
    )
    calibration: float = flag(
        "how much a page is held to the user's genres, and to what share of the listening is new; 0: not",
        0.1,
        kind=parse_share,
    )
    exploration: float = flag(
        "temperature of the draw of shelves and tracks, with propensities; 0: the best are taken", 0.0, kind=parse_share
    )
    rules: str = flag("rules of pages: a YAML file", "")
    num_buckets: int = flag(
        "buckets that users are divided into; 0: one per 500,000 events, at least 8", 0, kind=parse_whole
    )
    num_shards: int = flag("files per published table; 0: one per 500,000 events", 0, kind=parse_whole)
    seed: int = flag("seed of everything random", 1, kind=parse_whole)


@dataclass(frozen=True, kw_only=True)
class RunOptions(StageOptions, InputOptions):
    """homeshelf run: events in, pages out."""

    output: str = flag("folder for the runs: <output>/ds=<day>/run=<id>/ and the pointer <output>/ds=<day>/CURRENT")
    as_of: datetime | None = flag(
        "the moment the run stands at (UTC); nothing after it is seen; default: just after the newest event",
        None,
        kind=parse_time,
    )
    surfaces: tuple[str, ...] = flag(
        "pages for where in the app, with commas: home, discover", ("home",), kind=parse_names
    )
    run_id: str = flag("name of the run; default: the time of launch and four random letters", "", kind=parse_file_name)
    mode: str = flag(
        "full; features (training examples only); train (those and a ranker, no pages); score (pages with --ranker)",
        "full",
        kind=parse_mode,
    )
    ranker: str = flag(
        "use a ranker instead of training one: its folder, that of the run which trained it, or an output folder,"
        " whose newest run up to the day of --as_of is taken",
        "",
    )
    embeddings: str = flag("embeddings for the towers to continue from, named as --ranker is", "")
    carry_over_from: str = flag(
        "output folder whose runs of earlier days of the same ISO week have the weekly shelves that are kept: --output"
        " itself, for runs on a schedule; nothing is kept where there is no such run",
        "",
    )
    max_rejected_fraction: float = flag(
        "the run fails if a larger share of the events is rejected", 0.05, kind=parse_share
    )
    gate: str = flag(
        "what a figure out of its limits does: warn; fail (the pointer stays where it was, exit status 3); off",
        "warn",
        kind=parse_gate_mode,
    )
    limits: str = flag("bounds other than the declared ones, with commas: name:bound", "", kind=parse_bounds)


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions(StageOptions, InputOptions):
    """homeshelf evaluate: stand at earlier moments, recommend, compare with what was really played afterwards."""

    output: str = flag("folder for the report, and for what each cutoff left behind")
    as_of: tuple[datetime, ...] = flag(
        "the cutoffs (UTC), with commas: nothing later is seen; default: the last one whose horizon is over",
        (),
        kind=parse_times,
    )
    gap_minutes: float = flag(
        "plays so soon after the cutoff are no targets: the session was under way", 30.0, kind=parse_minutes
    )
    horizon_days: float = flag("days after the gap whose plays are the targets", 7.0, kind=parse_days)
    baselines: str = flag("baselines, with commas; all; or none", "all")
    lists: str = flag(
        "lists of others: name:path, with commas; Parquet with user_id, track_id, rank (0 is best) and, for several"
        " cutoffs, cutoff_at",
        "",
    )
    oracle: str = flag(
        "which of --lists was made with knowledge that no system has: others are printed as shares of it", ""
    )
    max_users: int = flag("about how many users are evaluated, per cutoff", 20_000, kind=parse_positive)
    list_depth: int = flag(
        "tracks on a baseline's list, of those that the user knows and of the others each; with 500 its recall@500 is"
        " compared too",
        100,
        kind=parse_positive,
    )
    num_replicates: int = flag("bootstrap replicates behind each interval", 400, kind=parse_positive)
    export: str = flag("write each cutoff's history and users to this folder for others to rank, and stop", "")


@dataclass(frozen=True, kw_only=True)
class CompareOptions:
    """homeshelf compare A B: two evaluations of the same cutoffs side by side, with paired intervals."""

    gate: str = flag("systems, with commas, that must not be worse in B: the exit status is 3 if one is", "")


_Options = TypeVar("_Options", bound="DataclassInstance")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        raise UsageError(message)


def parse_flags(kind: type[_Options], argv: Sequence[str]) -> tuple[_Options, list[str]]:
    """Read a command's flags; what it does not know comes back for Beam (UsageError: a flag is missing or wrong)."""
    parser = _Parser(
        prog=kind.__doc__.split(":")[0] if kind.__doc__ else None, description=kind.__doc__, allow_abbrev=False
    )
    for one in fields(kind):
        parser.add_argument(f"--{one.name}", **_argument(one))
    known, rest = parser.parse_known_args(argv)
    return kind(**vars(known)), rest


def parse_all_flags(kind: type[_Options], argv: Sequence[str]) -> _Options:
    """Read the flags of a command that hands none on (UsageError: a flag is missing, wrong or unknown)."""
    options, rest = parse_flags(kind, argv)
    if rest:
        command = (kind.__doc__ or "").split(":")[0]
        raise UsageError(f"unknown flag {rest[0]}; {command} --help lists the flags")
    return options


def flag_text(value: Any) -> str:
    """A flag's value as the command line has it."""
    if isinstance(value, tuple):
        return ",".join(map(flag_text, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def _argument(one: "Field[Any]") -> dict[str, Any]:
    is_required = one.default is MISSING
    default = "" if is_required else flag_text(one.default)
    text = one.metadata["help"] + (f" (default: {default})" if default else "")
    given = {"help": text.replace("%", "%%"), "type": one.metadata["kind"], "required": is_required}
    return given if is_required else {**given, "default": one.default}
