"""The flags of a command as they would hold, as a file that --config reads."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING

import yaml

from pipelines.options.flag_kinds import flag_text
from pipelines.options.parsing import flag_name

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def config_lines(options: "DataclassInstance", places: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each flag: its value, and where it is from."""
    for one in fields(options):
        if "positional" not in one.metadata:
            name = flag_name(one)
            yield f"{name}: {yaml_value(getattr(options, one.name))}  # {places.get(name, 'default')}"


def yaml_value(value: object) -> str:
    """Return the value of a flag in YAML, in one line."""
    plain = value if isinstance(value, bool | int | float) else flag_text(value)
    text: str = yaml.safe_dump(plain, width=1_000_000, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")
