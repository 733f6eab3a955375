"""Flags of the command replay."""

from dataclasses import dataclass

from pipelines.options.flag_kinds import OneOf, parse_days, parse_positive, parse_share, parse_whole
from pipelines.options.options import flag, path_flag


@dataclass(frozen=True, kw_only=True)
class ReplayOptions:
    """homeshelf replay: estimates from a log what another policy would bring."""

    impressions: str = path_flag(
        "impressions of the logging policy, with their propensities: Parquet files, folders or glob patterns, separated"
        " by commas"
    )
    impressions_columns: str = flag("mapping of the impressions' columns, in the form of homeshelf run", "")
    output: str = path_flag("folder for replay.html, replay.json and the sums that they are made of")
    run: str = path_flag(
        "runs of the target policy, separated by commas, each a path as for homeshelf check: every impression is scored"
        " by the newest of them before it; default: the impressions have target_propensity",
        "",
    )
    exploration: float | None = flag("--exploration of the target; default: that of its run", None, kind=parse_share)
    diversity: float | None = flag("--diversity of the target; default: that of its run", None, kind=parse_share)
    calibration: float | None = flag("--calibration of the target; default: that of its run", None, kind=parse_share)
    rules: str = path_flag("YAML file of the target's page rules; default: the rules of its run", "")
    horizon_days: float = flag("days after a run of the target whose impressions it is scored on", 1.0, kind=parse_days)
    choices: str = flag(
        "choices that the target makes, the others stay as logged: page, shelves (which ones, in which order), or items"
        " (the tracks on the logged shelves)",
        "page",
        kind=OneOf(("page", "shelves", "items")),
    )
    surface: str = flag("surface of the pages", "home")
    policy: str = flag("policy of the impressions to use; default: all", "")
    events: str = path_flag(
        "events that followed, of which the outcomes are made, in the form of --impressions; default: the impressions"
        " have outcome",
        "",
    )
    events_columns: str = flag("mapping of the events' columns, in the form of homeshelf run", "")
    outcome: str = flag("reward whose label is the outcome of a card: 1 or 0", "listened")
    outcome_hours: float = flag("hours after an impression whose events belong to it", 24.0, kind=parse_days)
    num_replicates: int = flag("bootstrap replicates behind each confidence interval", 400, kind=parse_positive)
    num_buckets: int = flag(
        "number of buckets that users are divided into; 0: one per 500,000 impressions, at least 8", 0, kind=parse_whole
    )
    seed: int = flag("seed of the bootstrap", 1, kind=parse_whole)
