"""Two commands at once."""

import random
import time
from collections.abc import Iterator, Sequence

from tests.attacks.bench import ERASED_USER, Bench, Command, arguments, find_faults, holders, is_told, one_said, pointed

_PAIRS = (
    *(("run new", "run new"), ("run new", "run other"), ("run new", "prune"), ("prune", "prune"), ("run new", "erase")),
    *(("run new", "rollback"), ("erase", "prune"), ("erase", "erase"), ("check", "prune"), ("run new", "preview")),
    *(("run new", "report"), ("rollback", "prune"), ("check", "erase"), ("rollback", "rollback"), ("runs", "prune")),
)


def attack_pairs(bench: Bench, seed: int) -> Iterator[tuple[bool, str]]:
    """Start two commands at once; yield whether the output and both are well, and a row of the table."""
    yield True, "commands | statuses | said | pointer | holders of the erased | well"
    draw, started = random.Random(seed), time.monotonic()
    assert Command(bench.run(bench.copy("pair"), "new"), bench.folder).end()[0] == 0
    seconds = time.monotonic() - started
    for first, second in _PAIRS:
        output = bench.copy("pair")
        commands = []
        for name in (first, second):
            commands.append(Command(arguments(bench, output, name), bench.folder))
            commands[-1].process.join(draw.uniform(0, seconds if "run " in first else 0.3))
        ended = [command.end() for command in commands]
        faults = [*find_faults(output), *(f"{number} left" for one in commands if (number := one.left(10)))]
        wrong = [said for status, said in ended if not (is_told(status, said) or _is_listing(status, said))]
        held: list[str] = []
        if "erase" in (first, second):
            again, _ = Command(arguments(bench, output, "erase"), bench.folder).end()
            held = holders(output, ERASED_USER)
            faults += [f"erase again: {again}"] if again else []
        if first == second == "run new" and sorted(str(status) for status, _ in ended) != ["0", "2"]:
            faults.append("not one of two runs with the same ID was refused")
        is_well = not faults and not wrong and not held and all(status in (0, 1, 2) for status, _ in ended)
        statuses = ", ".join(str(status) for status, _ in ended)
        said = "; ".join(one_said(said) for _, said in ended if said)
        yield (
            is_well,
            f"{first} / {second} | {statuses} | {said} | {pointed(output)} | {held} | {'; '.join(faults) or is_well}",
        )


def _is_listing(status: int | None, said: Sequence[str]) -> bool:
    """Return whether a command ended with a finding (1), which it prints on standard output, or with a remark (0)."""
    return status in (0, 1) and all(line.startswith("homeshelf: ") for line in said) and len(said) < 2
