"""Flags of the commands that read a published run."""

from dataclasses import dataclass

from pipelines.options.flag_kinds import parse_names, parse_positive
from pipelines.options.options import flag, path_flag, switch

_RUN = "path of a run: its folder, the folder of its day, or the output folder, where pointers lead to the current run"
_SIGNAL_KEYS = (("user_id",), ("track_id",), ("user_id", "track_id"))


def _parse_signal_key(text: str) -> tuple[str, ...]:
    """Parse the key of a signal table."""
    key = tuple(sorted(set(parse_names(text)), reverse=True))
    if key not in _SIGNAL_KEYS:
        raise ValueError(f"{text!r} is none of user_id; track_id; user_id,track_id")
    return key


@dataclass(frozen=True, kw_only=True)
class PreviewOptions:
    """homeshelf preview: renders pages as one HTML page."""

    run: str = path_flag(_RUN)
    file: str = path_flag("HTML file to write", "preview.html", alias="output")
    user: tuple[str, ...] = flag(
        "ids of users, separated by commas; default: a random sample", (), kind=parse_names, alias="users"
    )
    num_users: int = flag("number of users in the random sample", 200, kind=parse_positive)


@dataclass(frozen=True, kw_only=True)
class WhyOptions:
    """homeshelf why: explains a user's page, or what became of a track."""

    run: str = path_flag(_RUN)
    user: str = flag("id of the user of the page")
    track: str = flag("id of a track to explain; default: the whole page", "")
    surface: str = flag("surface of the page; now_playing explains the queues of the user", "home")
    json: bool = switch("prints JSON: one object a card, or one of the track")


@dataclass(frozen=True, kw_only=True)
class CheckOptions:
    """homeshelf check: verifies pages against events, catalog and rules."""

    run: str = path_flag(_RUN)
    events: str = path_flag("events of the run, if they have moved since", "")
    users_table: str = path_flag("user table of the run, if it has moved since", "")
    json: bool = switch("prints JSON: one object for each thing that must hold")


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """homeshelf report: summarizes a run in one HTML page."""

    run: str = path_flag(_RUN)
    file: str = path_flag("HTML file to write; default: report.html in the folder of the run", "", alias="output")


@dataclass(frozen=True, kw_only=True)
class QuoteOptions:
    """homeshelf quote: estimates what a run would cost."""

    run: str = path_flag(
        "runs that were measured on this machine, separated by commas: two of different size tell slopes"
    )
    users: int = flag("users with a page", kind=parse_positive)
    tracks: int = flag("tracks of the catalog", kind=parse_positive)
    events_per_day: int = flag("events that arrive a day", kind=parse_positive)
    num_days: int = flag("days of events that a run reads; 1 with --state", 90, kind=parse_positive)
    prices: str = path_flag("YAML file of prices, with their date; see the how-to page")
    json: bool = switch("prints one JSON object, for scripts")


@dataclass(frozen=True, kw_only=True)
class BenchmarkOptions:
    """homeshelf benchmark: compares a run's ranker with gradient boosting."""

    run: str = path_flag(_RUN)
    oracle: str = flag(
        "oracle lists of the sample world at the moment of the held-out examples (homeshelf sample --oracle_at): prints"
        " what share of their listening probability each ranking reaches",
        "",
    )
    num_threads: int = flag("number of LightGBM threads", 2, kind=parse_positive)


@dataclass(frozen=True, kw_only=True)
class RewardsOptions:
    """homeshelf rewards: measures what rewards predict and other weights change."""

    run: str = path_flag(_RUN)
    events: str = path_flag("events of the run, if they have moved since", "")
    weights: str = flag(
        "reward weights to try, separated by commas, in addition to doubling each one: reward:weight", ""
    )
    num_users: int = flag("number of users whose pages are composed again", 50, kind=parse_positive)


@dataclass(frozen=True, kw_only=True)
class SignalOptions:
    """homeshelf signal: tests whether a new column helps, or leaks."""

    run: str = path_flag(_RUN)
    table: str = path_flag("new columns: a Parquet file, a folder or a glob pattern; numeric or boolean")
    key: tuple[str, ...] = flag("key of the table: user_id; track_id; or user_id,track_id", kind=_parse_signal_key)
    known_at: str = flag(
        "column with the time when the service learned a row; at each moment the newest earlier row is used; "
        "a date counts as its end",
        "",
    )
    columns: tuple[str, ...] = flag(
        "columns to test, separated by commas; default: all but the key and --known_at", (), kind=parse_names
    )
    num_users: int = flag("approximate number of users per moment of the run's examples", 4_000, kind=parse_positive)
    num_threads: int = flag("number of LightGBM threads", 2, kind=parse_positive)
    file: str = path_flag("JSON file to write all figures to", "", alias="output")
