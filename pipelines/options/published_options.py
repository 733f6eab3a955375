"""The flags of the commands that look at the pages of a published run."""

import argparse
from dataclasses import dataclass

from pipelines.options.flag_kinds import parse_names, parse_positive
from pipelines.options.options import flag

_SIGNAL_KEYS = (("user_id",), ("track_id",), ("user_id", "track_id"))


def _parse_signal_key(text: str) -> tuple[str, ...]:
    """Read what a new column is of."""
    key = tuple(sorted(set(parse_names(text)), reverse=True))
    if key not in _SIGNAL_KEYS:
        raise argparse.ArgumentTypeError(f"{text!r} is none of user_id; track_id; user_id,track_id")
    return key


@dataclass(frozen=True, kw_only=True)
class PreviewOptions:
    """homeshelf preview: published pages as one HTML page, to look at."""

    run: str = flag("a run: its folder, or that of its day or of all runs, where the pointer is followed")
    output: str = flag("the HTML file to write", "preview.html")
    users: tuple[str, ...] = flag("ids of users, with commas; default: some whom chance picks", (), kind=parse_names)
    num_users: int = flag("how many of them", 200, kind=parse_positive)


@dataclass(frozen=True, kw_only=True)
class WhyOptions:
    """homeshelf why: why a user's page is as it is, or what became of a track; replayed from what was published."""

    run: str = flag("a run: its folder, or that of its day or of all runs, where the pointer is followed")
    user: str = flag("whose page")
    track: str = flag("id of a track; default: the whole page", "")
    surface: str = flag("the page of which surface", "home")


@dataclass(frozen=True, kw_only=True)
class CheckOptions:
    """homeshelf check: hold every published page to what it claims, to the events, the catalog and the rules."""

    run: str = flag("a run: its folder, or that of its day or of all runs, where the pointer is followed")
    events: str = flag("the events of the run, where they are no longer where it read them", "")
    users_table: str = flag("its users, likewise", "")


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """homeshelf report: what a run did, as one HTML page: funnel, rejects, shelves, drift, training, stages."""

    run: str = flag("a run: its folder, or that of its day or of all runs, where the pointer is followed")
    output: str = flag("the HTML file to write; default: report.html in the run's folder", "")


@dataclass(frozen=True, kw_only=True)
class BenchmarkOptions:
    """homeshelf benchmark: a run's ranker against gradient boosting (LightGBM) on the same examples."""

    run: str = flag("a run: its folder, or that of its day or of all runs, where the pointer is followed")
    oracle: str = flag(
        "oracle lists of the sample world at the moment of the held-out examples (homeshelf sample --oracle_at): prints"
        " what share of their listening probability each ranking reaches",
        "",
    )
    num_threads: int = flag("threads of LightGBM", 2, kind=parse_positive)


@dataclass(frozen=True, kw_only=True)
class RewardsOptions:
    """homeshelf rewards: what each reward predicts of the listening to come, and what other weights do to pages."""

    run: str = flag("a run: its folder, or that of its day or of all runs, where the pointer is followed")
    events: str = flag("the events of the run, where they are no longer where it read them", "")
    weights: str = flag("weights to try, beside each reward counting twice, with commas: reward:weight", "")
    num_users: int = flag("of how many users pages are composed again", 50, kind=parse_positive)


@dataclass(frozen=True, kw_only=True)
class SignalOptions:
    """homeshelf signal: is a new column worth having as a feature, or does it leak? Judged on a run's examples."""

    run: str = flag("a run: its folder, or that of its day or of all runs, where the pointer is followed")
    table: str = flag("new columns: a Parquet file, a folder or a pattern; numbers, or true and false")
    key: tuple[str, ...] = flag("what a row is of: user_id; track_id; or user_id,track_id", kind=_parse_signal_key)
    known_at: str = flag(
        "the column that says when the service learned a row: at each moment the newest of before counts; a date is"
        " known when it is over",
        "",
    )
    columns: tuple[str, ...] = flag(
        "which columns, with commas; default: all that are neither key nor time", (), kind=parse_names
    )
    num_users: int = flag(
        "about how many users of the run's examples are looked at, per moment", 4_000, kind=parse_positive
    )
    num_threads: int = flag("threads of LightGBM", 2, kind=parse_positive)
    output: str = flag("also write all figures to this JSON file", "")
