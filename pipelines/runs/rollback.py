"""homeshelf rollback: point a day to another run, or withdraw it."""

import shlex
from collections.abc import Sequence

from pipelines.inputs.run_folders import RunFolder, RunListing, list_run_folders
from pipelines.options.beam_flags import use_object_stores
from pipelines.options.housekeeping_options import RollbackOptions
from pipelines.options.options import UsageError
from transforms.publishing.run_paths import MANIFEST, POINTER
from transforms.tables.files import read_bytes, remove_files, write_atomically


def rollback_run(options: RollbackOptions, beam_flags: Sequence[str]) -> int:
    """Point to an earlier run; if the day has none, remove its pointer, so that the day before is the newest.

    Raises:
        UsageError: there is nothing to roll back, or no such run with whole pages; nothing was changed.
    """
    use_object_stores(beam_flags)
    found = list_run_folders(options.output)
    day = options.day or _day(found, options.from_ or options.to)
    pointer, now = f"{found.output}/ds={day}/{POINTER}", found.pointers.get(day)
    if options.from_ and now != options.from_:
        print(f"{pointer} does not name {options.from_}: nothing to do")
        return 0
    of_day = [run for run in found.runs if run.day == day]
    chosen = _named(of_day, options.to) if options.to else _earlier(of_day, day, now)
    if chosen is None:
        remove_files([pointer])
        newest = list_run_folders(options.output).current
        print(f"{pointer}: withdrawn, for {now or 'its run'} is the first run of {day}")
        print(f"newest is now {newest[-1].path if newest else 'none'}")
    elif chosen.name == now:
        print(f"{pointer} names {now} already: nothing to do")
        return 0
    else:
        _point(pointer, chosen)
        print(f"{pointer}: {chosen.name}, {f'no longer {now}' if now else 'no run was named before'}")
    if now and any(run.name == now and run.has_pages for run in of_day):
        print(f"undo: homeshelf rollback --output={shlex.quote(options.output)} --day={day} --to={_id(now)}")
    return 0


def _day(found: RunListing, name: str) -> str:
    """Return the newest day with a pointer; with the name of a run, the newest day that has that run."""
    days = [run.day for run in found.runs if run.name == name] if name else list(found.pointers)
    if not days:
        raise UsageError(f"no day has a run {name}" if name else "no day has a pointer to a run")
    return max(days)


def _named(of_day: Sequence[RunFolder], name: str) -> RunFolder:
    """Return the run of a name (UsageError: there is none, or it has no whole pages)."""
    for run in of_day:
        if run.name == name and run.has_pages:
            return run
        if run.name == name:
            raise UsageError(f"--to={_id(name)}: {run.path} has no pages to point to: it is {run.damage or run.state}")
    raise UsageError(f"--to={_id(name)}: no published run of that name on that day; {_choice(of_day)}")


def _id(name: str) -> str:
    return name.removeprefix("run=")


def _earlier(of_day: Sequence[RunFolder], day: str, now: str | None) -> RunFolder | None:
    """Return the run that was published before the current one, without those that the gate failed; None: none was.

    If the pointer names a run that is gone, it is the newest.
    """
    if now is None:
        raise UsageError(f"--day={day}: the day has no pointer: --to names the run to point to; {_choice(of_day)}")
    left = [run for run in of_day if run.name == now]
    whole = [run for run in of_day if run.state in ("whole", "current")]
    before = [run for run in whole if run.name != now and (not left or run.order < left[0].order)]
    return before[-1] if before else None


def _choice(of_day: Sequence[RunFolder]) -> str:
    names = [run.name for run in of_day if run.has_pages]
    return f"its runs with pages are {', '.join(names)}" if names else "it has no run with pages"


def _point(pointer: str, chosen: RunFolder) -> None:
    """Point to a run, unless a prune has begun to delete it since it was listed (UsageError)."""
    try:
        read_bytes(f"{chosen.path}/{MANIFEST}")
    except FileNotFoundError as error:
        raise UsageError(f"{chosen.path} was deleted in the meantime; the pointer stays") from error
    write_atomically(pointer, f"{chosen.name}\n".encode())
