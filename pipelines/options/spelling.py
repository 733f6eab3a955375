"""Names of flags: those of Beam, how they are written, and hints at what was meant by one that does not exist."""

import re
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path

_DECLARED = re.compile(r"""["']--(\w+)["']""")


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


def beam_flag_names() -> set[str]:
    """Return the names of the flags that the installed Beam declares, without dashes.

    They are read from its source: Beam itself takes seconds to load, and a misspelt flag is refused at once.
    """
    spec = find_spec("apache_beam")
    folder = Path(spec.origin).parent if spec and spec.origin else Path()
    return set(_DECLARED.findall((folder / "options" / "pipeline_options.py").read_text(encoding="utf-8")))
