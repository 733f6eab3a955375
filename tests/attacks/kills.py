"""Runs ended by KILL, TERM or INT at random moments."""

import os
import random
import signal
import time
from collections.abc import Iterator

from tests.attacks.bench import WORKERS, Bench, Command, find_faults, is_told, one_said, pointed, stated_hashes


def attack_kills(bench: Bench, seed: int) -> Iterator[tuple[bool, str]]:
    """Kill runs; yield whether all is well after each, and a row of the table."""
    yield True, "mode | signal | after | status | said | pointer | workers left | again | well"
    draw, clean, whole = random.Random(seed), {}, {}
    for mode, flags in (("one", ()), ("workers", WORKERS)):
        output = bench.copy("clean")
        command = Command([*bench.run(output, "new"), *flags], bench.folder)
        assert command.end()[0] == 0
        whole[mode], clean[mode] = time.monotonic() - command.started, stated_hashes(output, "new")
    assert clean["one"] == clean["workers"]
    ends = [(mode, number) for number in range(bench.kills) for mode in [("one", "workers")[number // 3 % 2]]]
    for mode, number in ends:
        name = ("KILL", "TERM", "INT")[number % 3]
        after, output = draw.uniform(0, whole[mode]), bench.copy("killed")
        argv = [*bench.run(output, "new"), *(WORKERS if mode == "workers" else ())]
        command = Command(argv, bench.folder)
        command.process.join(after)
        _send(command, name)
        status, said = command.end(60)
        left, pointer = command.left(30), pointed(output)
        faults = list(find_faults(output))
        again, said_again = Command(argv, bench.folder).end()
        is_same = stated_hashes(output, "new") == clean[mode] and pointed(output) == "run=new"
        is_well = is_told(status, said) and not left and not faults and pointer in ("run=d", "run=new")
        # the ID of a published run is refused
        is_well = is_well and again == (2 if pointer == "run=new" else 0) and is_same and not [*find_faults(output)]
        is_well = is_well and status in {"KILL": (-9, 0), "TERM": (143, -15, 0), "INT": (130, 0)}[name]
        line = (
            f"{mode} | {name} | {after:.1f} s of {whole[mode]:.1f} | {status} | {one_said(said)} | {pointer} | {left}"
        )
        result = "same bytes" if is_same else "OTHER BYTES"
        yield is_well, f"{line} | {again} {result} {one_said(said_again)} | {'; '.join(faults) or is_well}"


def _send(command: Command, name: str) -> None:
    """Send a signal: INT to all processes of the session, as a terminal does, others to the command alone."""
    number = signal.Signals[f"SIG{name}"]
    if command.process.is_alive():
        (os.killpg if name == "INT" else os.kill)(command.process.pid, number)
