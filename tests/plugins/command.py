"""A command: says hello."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.command import Command
from pipelines.options.options import flag, parse_all_flags


@dataclass(frozen=True, kw_only=True)
class ToyOptions:
    """homeshelf toy: say hello."""

    name: str = flag("whom to greet", "world")


def run_toy(argv: Sequence[str]) -> int:
    print(f"hello {parse_all_flags(ToyOptions, argv).name}")
    return 0


COMMANDS = (Command("toy", ToyOptions, "tests.plugins.command:run_toy"),)
