"""homeshelf sample: writes the sample world and prints the size of its tables."""

from datetime import timedelta
from pathlib import Path

from rich.progress import Progress

from pipelines.options.options import UsageError
from pipelines.options.sample_options import SampleOptions
from pipelines.rendering.console import PlainConsole
from pipelines.sample_world.world import WorldSpec, write_sample_world


def world_spec(options: SampleOptions) -> WorldSpec:
    """Return the world that the flags describe (UsageError: a cutoff of --oracle_at is outside it)."""
    spec = WorldSpec(
        num_users=options.num_users,
        num_tracks=options.num_tracks,
        num_days=options.num_days,
        seed=options.seed,
        ends_at=options.ends_at,
        oracle_at=options.oracle_at or (),
    )
    starts_at = options.ends_at - timedelta(days=options.num_days)
    if any(not starts_at < cutoff < options.ends_at for cutoff in spec.oracle_at):
        raise UsageError(f"--oracle_at: not between {starts_at:%Y-%m-%dT%H:%M} and {options.ends_at:%Y-%m-%dT%H:%M}")
    return spec


def run_sample(options: SampleOptions) -> int:
    """Write the tables of the sample world (UsageError: see world_spec())."""
    spec = world_spec(options)
    console = PlainConsole()
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("sample world", total=options.num_users)
        rows = write_sample_world(
            Path(options.output), spec, lambda done, total: progress.update(task, completed=done, total=total)
        )
    counts = ", ".join(f"{n:,} {name}" for name, n in rows.items())
    console.print(f"sample world in {options.output}: {counts}", highlight=False)
    return 0
