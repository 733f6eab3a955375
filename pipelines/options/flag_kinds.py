"""Parsers of flag values; an invalid text raises ValueError."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timezone


def parse_time(text: str) -> datetime:
    """Parse an ISO 8601 time; without a zone it is UTC."""
    try:
        parsed = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise ValueError(f"{text!r} is no time such as 2026-11-23 or 2026-11-23T06:00:00") from None
    if not 1970 < parsed.year < 9999:
        raise ValueError(f"{text!r} is not between 1971 and 9998")
    return parsed.replace(tzinfo=timezone.utc) if parsed.tzinfo is None else parsed.astimezone(timezone.utc)


def parse_day(text: str) -> str:
    """Parse a day."""
    try:
        return f"{date.fromisoformat(text)}" if text else ""
    except ValueError:
        raise ValueError(f"{text!r} is no day such as 2026-11-23") from None


def parse_times(text: str) -> tuple[datetime, ...]:
    """Parse times separated by commas: sorted, without repeats."""
    return tuple(sorted({parse_time(part) for part in text.split(",")}))


def parse_file_name(text: str) -> str:
    """Parse a name that is valid in a path."""
    if text and not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", text):
        raise ValueError(f"{text!r} is no name of letters, digits, '.', '_' and '-'")
    return text


def parse_path(text: str) -> str:
    """Parse paths, separated by commas: ~ is the home folder, which no shell expands behind --flag=."""
    return ",".join(os.path.expanduser(part) for part in text.split(","))


def parse_given(kind: Callable[[str], object]) -> Callable[[str], object]:
    """Return the parser of a flag that must have a value: a script may leave the name of a folder empty by mistake."""

    def parse(text: str) -> object:
        if not text.strip():
            raise ValueError("it is empty")
        return kind(text)

    return parse


def parse_positive(text: str) -> int:
    """Parse a whole number above 0."""
    if not text.isdigit() or int(text) < 1:
        raise ValueError(f"{text!r} is no whole number above 0")
    return int(text)


def parse_whole(text: str) -> int:
    """Parse a whole number of 0 or more."""
    if not text.isdigit():
        raise ValueError(f"{text!r} is no whole number")
    return int(text)


def parse_days(text: str) -> float:
    """Parse a positive number of days."""
    return _between(text, 0.001, 36500)


def parse_minutes(text: str) -> float:
    """Parse a number of minutes of 0 or more."""
    return _between(text, 0.0, 1e6)


def parse_share(text: str) -> float:
    """Parse a number from 0 to 1."""
    return _between(text, 0.0, 1.0)


def parse_names(text: str) -> tuple[str, ...]:
    """Parse names separated by commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def parse_sizes(text: str) -> tuple[int, ...]:
    """Parse whole numbers above 0 separated by commas."""
    return tuple(parse_positive(part) for part in text.split(","))


def parse_yes_or_no(text: str) -> bool:
    """Parse yes or no."""
    if text not in ("yes", "no"):
        raise ValueError(f"{text!r} is neither yes nor no")
    return text == "yes"


def parse_windows(text: str) -> tuple[int, ...]:
    """Parse label windows, counted back from as_of, 2 or more, separated by commas: descending, without repeats."""
    chosen = tuple(sorted(set(parse_sizes(text)), reverse=True))
    if chosen[-1] < 2:
        raise ValueError("the last label window is held out: training windows are 2 or more ago")
    return chosen


@dataclass(frozen=True)
class OneOf:
    """Parser of a choice."""

    choices: tuple[str, ...]

    def __call__(self, text: str) -> str:
        """Parse one of the choices."""
        if text not in self.choices:
            raise ValueError(f"{text!r} is none of {', '.join(self.choices)}")
        return text


def parse_bounds(text: str) -> str:
    """Check the form name:bound,name:bound of limits; their names are checked by parse_limits()."""
    if text and not re.fullmatch(r"\w+:-?\d+(\.\d+)?(,\w+:-?\d+(\.\d+)?)*", text):
        raise ValueError(f"{text!r} is not of the form name:bound,name:bound")
    return text


def parse_counts(text: str) -> str:
    """Check the form name:number,name:number; what may have a number is checked by its reader."""
    if not re.fullmatch(r"\w+:\d+(,\w+:\d+)*", text):
        raise ValueError(f"{text!r} is not of the form name:number,name:number")
    return text


def _between(text: str, least: float, most: float) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not least <= number <= most:
        raise ValueError(f"{text!r} is no number from {least:g} to {most:g}")
    return number


def flag_text(value: object) -> str:
    """Format the value of a flag as on the command line."""
    if isinstance(value, tuple):
        return ",".join(map(flag_text, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
