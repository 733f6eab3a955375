"""homeshelf validate: what a run would make of the tables, without a run."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone

import polars as pl
from rich.table import Table

from pipelines.inputs.event_times import EventTimes, check_unit, default_as_of, find_event_times
from pipelines.inputs.input_rows import read_rows
from pipelines.inputs.inputs import InputTable
from pipelines.inputs.page_rules import read_rules
from pipelines.inputs.preparation import inspect_inputs
from pipelines.options.options import RunOptions
from pipelines.options.setup_options import ValidateOptions
from pipelines.rendering.console import PlainConsole, wide_console
from transforms.catalog.names import name_key
from transforms.events.clean_events import clean_events
from transforms.pages.rules.read_rules import parse_rules
from transforms.pages.shelves.shelves import RULE_SURFACES, SHELF_IDS
from transforms.tables.columns import Schema
from transforms.tables.schemas import EVENT_ROWS, EVENTS, NOT_ERRORS, TRACKS, USERS

_FOUND_WRONG = 1
_MAX_NAMES = 5
_MAX_VALUES = 2  # of a list in a table


@dataclass
class EventFacts:
    """Counts of the events of all files: read, rejected by reason, ids of users, ids of tracks and their events."""

    num_read: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    users: set[str] = field(default_factory=set)
    tracks: Counter[str] = field(default_factory=Counter)

    def add(self, checked: pl.DataFrame) -> None:
        """Count some events as clean_events() judged them."""
        self.num_read += len(checked)
        counts = checked["reason"].drop_nulls().cast(pl.String).value_counts()
        self.rejected.update(dict(counts.iter_rows()))
        self.users.update(checked["user_id"].drop_nulls().unique().cast(pl.String))
        self.tracks.update(dict(checked["track_id"].drop_nulls().cast(pl.String).value_counts().iter_rows()))

    @property
    def share_of_errors(self) -> float:
        """Return the share of events that count as invalid."""
        wrong = sum(n for reason, n in self.rejected.items() if reason not in NOT_ERRORS)
        return wrong / max(self.num_read, 1)


def validate_inputs(options: ValidateOptions) -> int:
    """Print what the tables hold and lack; return _FOUND_WRONG if a run would fail, or rules name what is not there.

    Raises:
        UsageError: a table cannot be read, or no event has a plausible time.
    """
    console, inputs = wide_console(), inspect_inputs(options)
    times = find_event_times(inputs.events, needs_mass=True)
    check_unit(times, options.min_played_at)
    tracks, users = _rows(inputs.tracks, TRACKS), _rows(inputs.users, USERS)
    facts = tally_events(inputs.events, default_as_of(times, datetime.now(timezone.utc)), options, tracks)
    for name, table, schema in (("events", inputs.events, EVENTS), ("tracks", inputs.tracks, TRACKS)):
        _print_table(console, name, table, schema, options.num_rows)
    _print_table(console, "users_table", inputs.users, USERS, options.num_rows)
    for line in _event_lines(facts, times):
        console.print(line, highlight=False)
    problems = [*_problems(facts), *unknown_names(options.rules, tracks, users)]
    for line in (*_unjoined(facts, tracks, users), *problems):
        console.print(line, style="yellow", highlight=False)
    console.print(
        "\na run would take these tables" if not problems else "\nsomething is wrong: see above", style="bold"
    )
    return _FOUND_WRONG if problems else 0


def tally_events(
    events: InputTable, as_of: datetime, options: ValidateOptions, tracks: pl.DataFrame | None
) -> EventFacts:
    """Read all events once, and count them."""
    ids = None if tracks is None else tracks.select("track_id").drop_nulls().unique("track_id")
    codes = None if ids is None else ids.with_row_index("track").select("track_id", pl.col("track").cast(pl.Int32))
    facts = EventFacts()
    for rows in read_rows(events, EVENT_ROWS):
        facts.add(
            clean_events(
                rows, as_of=as_of, min_played_at=options.min_played_at, track_codes=codes, max_user_events=None
            )
        )
    return facts


def _rows(table: InputTable | None, schema: Schema) -> pl.DataFrame | None:
    return None if table is None else pl.concat([schema.frame(), *read_rows(table, schema)])


def _print_table(console: PlainConsole, name: str, table: InputTable | None, schema: Schema, num_rows: int) -> None:
    """Print size and first rows of a table, without the columns that it lacks."""
    if table is None:
        console.print(f"{name}: none", style="bold", highlight=False)
        return
    first = next(read_rows(table, schema), schema.frame()).head(num_rows)
    there = [column for column in first.columns if first[column].null_count() < len(first)]
    shown = Table(box=None, pad_edge=False, header_style="dim")
    for column in there:
        shown.add_column(column, overflow="ellipsis", no_wrap=True)
    for row in first.select(there).iter_rows():
        shown.add_row(*(_abbreviated(value) for value in row))
    console.print(f"{name}: {table.summary.describe()}", style="bold", highlight=False)
    console.print(shown)
    console.print()


def _abbreviated(value: object) -> str:
    """Return a value of a table as text; of a list the first values: a vector would leave no room for other columns."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if not isinstance(value, list):
        return str(value)
    more = ", ..." if len(value) > _MAX_VALUES else ""
    return f"[{', '.join(map(_abbreviated, value[:_MAX_VALUES]))}{more}]"


def _event_lines(facts: EventFacts, times: EventTimes) -> Iterator[str]:
    """Yield lines on all events."""
    if times.oldest and times.newest:
        yield f"events from {times.oldest:%Y-%m-%d %H:%M} to {times.newest:%Y-%m-%d %H:%M}"
    if times.remark:
        yield times.remark
    yield f"{len(facts.users):,} users, {len(facts.tracks):,} tracks"
    reasons = ", ".join(f"{reason} {n:,}" for reason, n in facts.rejected.most_common())
    yield f"a run would reject {facts.rejected.total():,} of {facts.num_read:,} events{f': {reasons}' * bool(reasons)}"


def _problems(facts: EventFacts) -> Iterator[str]:
    """Yield a sentence for what would make a run fail."""
    limit = RunOptions.max_rejected_fraction
    if facts.share_of_errors > limit:
        yield (
            f"{facts.share_of_errors:.1%} of the events would be rejected as invalid: a run fails above"
            f" --max_rejected_fraction={limit:g}"
        )


def _unjoined(facts: EventFacts, tracks: pl.DataFrame | None, users: pl.DataFrame | None) -> Iterator[str]:
    """Yield sentences on ids of events that the other tables lack."""
    if tracks is not None:
        lacking = Counter(facts.tracks)
        for one in tracks["track_id"].drop_nulls():
            lacking.pop(one, None)
        share = lacking.total() / max(facts.num_read, 1)
        if lacking:
            yield (f"{len(lacking):,} tracks of {share:.1%} of the events are not in --tracks: {_named(iter(lacking))}")
    if users is not None and (strangers := facts.users - set(users["user_id"].drop_nulls())):
        yield f"{len(strangers):,} users of the events are not in --users_table: {_named(iter(sorted(strangers)))}"


def _named(names: Iterator[str]) -> str:
    return ", ".join(repr(name) for _, name in zip(range(_MAX_NAMES), names, strict=False))


def unknown_names(path: str, tracks: pl.DataFrame | None, users: pl.DataFrame | None) -> Iterator[str]:
    """Yield a sentence for each name in the rules that no track or user has (UsageError: the rules are wrong)."""
    known = _known_names(tracks, users)
    for rule in parse_rules(read_rules(path), SHELF_IDS, RULE_SURFACES, path):
        for column, names in {**rule.kind.names(), "market": rule.when.markets}.items():
            there = known.get(column, set())
            for name in (one for one in names if _key(column, one) not in there):
                who = "user" if column == "market" else "track"
                yield f"--rules: {path} line {rule.line}: no {who} has {column} {name!r}"


def _known_names(tracks: pl.DataFrame | None, users: pl.DataFrame | None) -> Mapping[str, set[str]]:
    known: dict[str, set[str]] = {}
    if tracks is not None:
        known = {column: set(tracks[column].drop_nulls()) for column in ("track_id", "artist_id")}
        genres = tracks.select(pl.col("genres").explode(empty_as_null=True).drop_nulls().unique().alias("genre"))
        known["genre"] = set(genres.select(name_key(pl.col("genre")))["genre"])
    if users is not None:
        known["market"] = set(users["market"].drop_nulls().str.to_uppercase())
    return known


def _key(column: str, name: str) -> str:
    """Return a name as _known_names() has it: genres that differ in case are one."""
    if column != "genre":
        return name
    found: str = pl.select(genre=pl.lit(name)).select(name_key(pl.col("genre"))).item()
    return found
