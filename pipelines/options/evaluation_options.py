"""Flags of the commands evaluate and compare."""

from dataclasses import dataclass
from datetime import datetime

from pipelines.options.flag_kinds import (
    OneOf,
    parse_days,
    parse_minutes,
    parse_positive,
    parse_times,
    parse_yes_or_no,
)
from pipelines.options.options import InputOptions, StageOptions, argument, flag, path_flag

NEXT_TRACK = "next_track"


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions(StageOptions, InputOptions):
    """homeshelf evaluate: compares recommendations at past cutoffs with later plays."""

    output: str = path_flag("folder for the report and the artifacts of each cutoff")
    task: str = flag(
        "week_ahead: lists of tracks for the horizon; next_track: each play of the horizon from those before it, by "
        "baselines of the next track",
        "week_ahead",
        kind=OneOf(("week_ahead", NEXT_TRACK)),
    )
    as_of: tuple[datetime, ...] = flag(
        "cutoffs (UTC), separated by commas: systems see nothing later; default: the latest cutoff whose "
        "horizon is complete",
        (),
        kind=parse_times,
    )
    gap_minutes: float = flag(
        "minutes after the cutoff whose plays are not targets, because their session had begun before",
        30.0,
        kind=parse_minutes,
    )
    horizon_days: float = flag("days after the gap whose listens are the targets", 7.0, kind=parse_days)
    baselines: str = flag("baselines to compare with, separated by commas; all; or none", "all")
    sequence_model: bool = flag(
        "yes: with --task=next_track, trains the sequence model as of every cutoff, for minutes, and compares it",
        False,
        kind=parse_yes_or_no,
    )
    num_sequence_epochs: int = flag("epochs of training of the sequence model", 4, kind=parse_positive)
    sequence_size: int = flag("length of the vectors of the sequence model", 64, kind=parse_positive)
    accelerator: str = flag(
        "Beam's resource hint for the worker that trains the sequence model, such as "
        "type:nvidia-l4;count:1;install-nvidia-driver; default: none",
        "",
    )
    lists: str = flag(
        "lists of other systems, separated by commas: name:path; tables with user_id, track_id, rank (0 is "
        "best) and, for several cutoffs, cutoff_at",
        "",
    )
    oracle: str = flag(
        "the name in --lists of an oracle that knows the future; other systems are also reported as shares of it", ""
    )
    report_users: str = path_flag(
        "table with user_id: the users to evaluate; models and baselines still learn from everyone; default: all", ""
    )
    max_users: int = flag("approximate number of users evaluated per cutoff", 20_000, kind=parse_positive)
    list_depth: int = flag(
        "length of a baseline's lists, for tracks that the user has played and for others each; 500 allows "
        "recall@500 to be compared too",
        100,
        kind=parse_positive,
    )
    num_replicates: int = flag("bootstrap replicates behind each confidence interval", 400, kind=parse_positive)
    export: str = flag(
        "folder to export the history and users of each cutoff to, for ranking by other systems; nothing else is done",
        "",
    )


@dataclass(frozen=True, kw_only=True)
class CompareOptions:
    """homeshelf compare A B: compares two evaluations, with paired intervals."""

    a: str = argument("folder of the evaluation A, the --output of homeshelf evaluate")
    b: str = argument("folder of the evaluation B")
    not_worse: str = flag(
        "systems, separated by commas, that must not be worse in B; the exit status is 3 if one is",
        "",
        alias="gate",
    )
