"""Hints at what was meant by a name that does not exist."""

from collections.abc import Collection, Sequence
from difflib import get_close_matches


def suggest(word: str, known: Collection[str]) -> str:
    """Return " (is NAME meant?)" for the known name that a word resembles most, or nothing."""
    near = get_close_matches(word, sorted(known), 1)
    return f" (is {near[0]} meant?)" if near else ""


def name_of(flag: str) -> str:
    """Return the name in "--name=value"."""
    return flag.partition("=")[0]


def with_underscores(argv: Sequence[str]) -> list[str]:
    """Return the arguments with the names of flags written as ours and Beam's are: --num-buckets as --num_buckets."""
    return [
        f"--{name_of(one)[2:].replace('-', '_')}{one[len(name_of(one)) :]}" if one.startswith("--") else one
        for one in argv
    ]
