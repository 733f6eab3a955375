"""A disk that fills up: a small tmpfs, which only root can mount."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.attacks.bench import (
    ERASED_USER,
    WORKERS,
    Bench,
    Command,
    arguments,
    find_faults,
    holders,
    is_told,
    one_said,
    pointed,
    stated_hashes,
)


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """Mount a small disk (CalledProcessError: only root can)."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def attack_disk(bench: Bench, seed: int) -> Iterator[tuple[bool, str]]:
    """Run commands on a disk with too little room; yield whether they fail well, and a row of the table."""
    yield True, "command | room | status | said | pointer | again with room | well"
    with small_disk(bench.folder / "disk", 64) as disk:
        before = _used(disk)
        shutil.copytree(bench.base, disk / "out")
        between = _used(disk)
        assert Command(bench.run(disk / "out", "new"), bench.folder).end()[0] == 0
        needed, clean = _used(disk) - between, stated_hashes(disk / "out", "new")
        runs = [("run", share, ()) for share in (0.0, 0.2, 0.5, 0.8, 0.97)] + [("run", 0.5, WORKERS)]
        others = [(name, 0.0, ()) for name in ("erase", "rollback", "report", "preview", "prune", "check", "runs")]
        for name, share, flags in runs + others:
            shutil.rmtree(disk / "out")
            shutil.copytree(bench.base, disk / "out")
            assert _used(disk) - before < 32 << 20
            yield _fill_up(bench, disk, (name, *flags), int(needed * share), clean)


def _used(disk: Path) -> int:
    return shutil.disk_usage(disk).used


def _fill_up(bench: Bench, disk: Path, command: Sequence[str], room: int, clean: dict[str, str]) -> tuple[bool, str]:
    """Run a command where only `room` bytes are free, then with all of the disk."""
    name, *flags = command
    output, ballast = disk / "out", disk / "ballast"
    argv = arguments(bench, output, "run new") if name == "run" else arguments(bench, output, name)
    argv = [one.replace(f"{bench.folder}/preview", f"{disk}/preview") for one in argv] + flags
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(disk).free - room // 4096 * 4096)
    full = Command(argv, bench.folder)
    status, said = full.end(120)
    faults, pointer, left = list(find_faults(output)), pointed(output), full.left(10)
    ballast.unlink()
    again, said_again = Command(argv, bench.folder).end()
    is_well = status in (0, 1) and is_told(status, said) and again == 0 and not faults and not left
    is_well = is_well and (pointer == "run=d" or name != "run") and not list(find_faults(output))
    if name == "run":
        is_well = is_well and status == 1 and stated_hashes(output, "new") == clean and pointed(output) == "run=new"
    if name == "erase":
        is_well = is_well and not holders(output, ERASED_USER)
    what = f"{' '.join(command)} | {room:,} bytes | {status} | {one_said(said)} | {pointer}"
    return is_well, f"{what} | {again} {one_said(said_again)} | {'; '.join(faults) or is_well}"
