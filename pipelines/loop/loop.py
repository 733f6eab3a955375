"""Days in turn: the runs of all arms on the log so far, then the listeners' day with the pages."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.loop.arms import Arm
from pipelines.loop.daily_runs import Runner
from pipelines.loop.day_counts import CHURN_DAYS, DayCounts, count_day
from pipelines.loop.page_cards import no_cards, read_cards
from pipelines.loop.service import Service, open_service
from pipelines.options.loop_options import LoopOptions
from pipelines.sample_world.serving.served_world import ServedWorld, start_world
from pipelines.sample_world.world import WorldSpec
from transforms.events.impressions import IMPRESSIONS
from transforms.experiments.readout.assignment import assign_arms
from transforms.experiments.readout.schemas import ASSIGNMENTS
from transforms.tables.columns import to_table
from transforms.tables.files import parquet_bytes, write_atomically

EXPERIMENT, LAYER = "loop", "home"
_DAY = timedelta(days=1)
_DAY_MS = 86_400_000
_SERVED = 2  # stream of random numbers


@dataclass(frozen=True)
class Stop:
    """A run that the gate did not let pass. violated: the limits, in words."""

    arm: str
    day: int
    violated: tuple[str, ...]


@dataclass
class LoopLog:
    """All that a loop found.

    counts: by arm and day. was_listening: bool [U], users who listened shortly before it. stops: runs that the gate
    did not let pass.
    """

    arms: tuple[Arm, ...]
    counts: list[list[DayCounts]]
    was_listening: np.ndarray
    stops: list[Stop] = field(default_factory=list)


@dataclass
class _Arm:
    """An arm at work: its service, its pages, and whether it has models to reuse."""

    arm: Arm
    number: int
    service: Service
    output: Path
    cards: pl.DataFrame = field(default_factory=no_cards)
    is_trained: bool = False

    def flags(self, options: LoopOptions, day: int, inputs: Sequence[str]) -> list[str]:
        """Return the flags of the run before a day: with training on the first and every few days."""
        assert self.arm.flags is not None
        reused = [f"--embeddings={self.output}"] if self.is_trained else []
        if self.is_trained and day % options.train_every_days:
            reused += [f"--ranker={self.output}", "--mode=score", "--num_warm_epochs=0"]
        # nobody reads the features of these runs
        return [
            "--max_feature_users=0",
            *self.arm.flags,
            *inputs,
            f"--output={self.output}",
            f"--run_id=day-{day:03d}",
            *reused,
        ]


def run_loop(options: LoopOptions, arms: tuple[Arm, ...], runner: Runner, on_day: Callable[[int], None]) -> LoopLog:
    """Serve all days; `on_day` is called with the number of each day that is over."""
    world, tables = _start(options)
    working = _open_arms(options, arms, world, tables)
    log = LoopLog(arms, [[] for _ in arms], _listened_lately(world, tables["events"], options.starts_at))
    for day in range(options.num_days):
        as_of = options.starts_at + day * _DAY
        _run_day(options, working, as_of, day, runner, log)
        _serve_day(options, working, as_of, day, log)
        on_day(day + 1)
    return log


def _start(options: LoopOptions) -> tuple[ServedWorld, dict[str, pa.Table]]:
    """Make the world and what the service knows of it."""
    spec = WorldSpec(
        num_users=options.num_users,
        num_tracks=options.num_tracks,
        num_days=options.history_days + options.num_days,
        seed=options.seed,
        ends_at=options.starts_at + options.num_days * _DAY,
    )
    world, tables = start_world(spec, spec.span[0] + options.history_days * _DAY_MS)
    shown = tables["impressions"]
    columns = [
        shown[name] if name in shown.column_names else pa.nulls(shown.num_rows, IMPRESSIONS[name].type)
        for name in IMPRESSIONS.names
    ]
    return world, {**tables, "impressions": pa.table(columns, schema=IMPRESSIONS.arrow)}


def _listened_lately(world: ServedWorld, events: pa.Table, until: datetime) -> np.ndarray:
    """Return whether each user played anything in the CHURN_DAYS before a moment."""
    recent = events.filter(pc.greater_equal(events["played_at"], until - CHURN_DAYS * _DAY))["user_id"]
    found: np.ndarray = pc.is_in(world.listeners.user_id, recent.combine_chunks()).to_numpy(zero_copy_only=False)
    return found


def _open_arms(
    options: LoopOptions, arms: tuple[Arm, ...], world: ServedWorld, tables: dict[str, pa.Table]
) -> list[_Arm]:
    """Open one service for all arms, or one for each."""
    output = Path(options.output)
    shared = None
    if options.shared:
        folder, number = output / "worlds" / "shared", _assign(world, arms)
        shared = open_service(world, tables, folder, arms, number)
        _write_assignments(folder, shared, options.starts_at)
    opened = []
    for index, arm in enumerate(arms):
        everyone = np.full(options.num_users, index)
        service = shared or open_service(world, tables, output / "worlds" / arm.name, arms, everyone)
        opened.append(_Arm(arm, index, service, output / "arms" / arm.name))
    return opened


def _assign(world: ServedWorld, arms: Sequence[Arm]) -> np.ndarray:
    """Return the index of the arm of each user, as homeshelf assign draws it."""
    shares = {arm.name: 1.0 for arm in arms}
    found = assign_arms(
        pl.Series(world.listeners.user_id), experiment=EXPERIMENT, arms=shares, layer=LAYER, within=(0.0, 1.0)
    )
    return found.replace_strict({arm.name: index for index, arm in enumerate(arms)}, return_dtype=pl.Int64).to_numpy()


def _write_assignments(folder: Path, service: Service, assigned_at: datetime) -> None:
    """Write the arm of each user as homeshelf experiment reads it."""
    names = [service.arms[number].name for number in service.arm]
    users = pl.DataFrame({"user_id": pl.Series(service.world.listeners.user_id), "arm": names})
    table = users.with_columns(
        assigned_at=pl.lit(assigned_at).cast(pl.Datetime("us", "UTC")), experiment=pl.lit(EXPERIMENT)
    )
    write_atomically(str(folder / "assignments.parquet"), parquet_bytes(to_table(table, ASSIGNMENTS)))


def _run_day(
    options: LoopOptions, working: Sequence[_Arm], as_of: datetime, day: int, runner: Runner, log: LoopLog
) -> None:
    """Run the arms, and take their new pages; an arm whose run the gate stops keeps those of the day before."""
    active = [one for one in working if one.arm.flags is not None]
    inputs = {id(one.service): one.service.inputs(as_of) for one in active}
    found = runner([one.flags(options, day, inputs[id(one.service)]) for one in active])
    for one, run in zip(active, found, strict=True):
        if run.folder:
            listeners, catalog = one.service.world.listeners, one.service.world.catalog
            one.cards, one.is_trained = read_cards(run.folder, listeners.user_id, catalog.track_id), True
        else:
            log.stops.append(Stop(one.arm.name, day + 1, run.violated))


def _serve_day(options: LoopOptions, working: Sequence[_Arm], as_of: datetime, day: int, log: LoopLog) -> None:
    """Serve every world its day, and count it by arm."""
    faults = [(kind, share) for at, kind, share in options.faults if at == day + 1]
    served = {}
    for one in working:
        if id(one.service) not in served:
            of_service = [other.cards if other.service is one.service else no_cards() for other in working]
            seed = (options.seed, _SERVED, day)
            served[id(one.service)] = one.service.serve(of_service, as_of, seed, faults)
        users = np.flatnonzero(one.service.arm == one.number)
        day_counts = count_day(served[id(one.service)], one.cards, users, options.num_users, options.num_tracks)
        log.counts[one.number].append(day_counts)
