"""Attack runs and commands at work on outputs of a tiny world, and print what became of the outputs as tables.

python -m tests.attacks kills    30 runs ended by KILL, TERM or INT at random moments, in one process and with workers
python -m tests.attacks pairs    pairs of commands at once
python -m tests.attacks disk     a disk that fills up at five places of a run, and below other commands (as root)
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.attacks.bench import Bench
from tests.attacks.disk import attack_disk
from tests.attacks.kills import attack_kills
from tests.attacks.pairs import attack_pairs

ATTACKS: dict[str, Callable[[Bench, int], Iterator[tuple[bool, str]]]] = {
    "kills": attack_kills,
    "pairs": attack_pairs,
    "disk": attack_disk,
}


def main(argv: Sequence[str]) -> int:
    """Print the tables of the attacks; return 1 if an output or a command was not well after one."""
    parser = argparse.ArgumentParser(prog="python -m tests.attacks", description=__doc__)
    parser.add_argument("only", nargs="?", choices=tuple(ATTACKS), help="one kind of attack")
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    parser.add_argument("--kills", type=int, default=30, help="number of kills")
    options, lost = parser.parse_args(argv), 0
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        bench = Bench(Path(folder), options.kills)
        bench.build()
        for name in [options.only] if options.only else ATTACKS:
            rows = -1
            for is_well, row in ATTACKS[name](bench, options.seed):
                print(f"| {row} |", flush=True)
                rows, lost = rows + 1, lost + (not is_well)
            print(f"{name}: {rows} attacks; {lost} not well so far")
    return int(lost > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
