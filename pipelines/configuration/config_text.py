"""Reading of a file of flags: YAML or TOML, with the line of each."""

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from pipelines.options.flag_kinds import flag_text
from pipelines.options.options import UsageError
from pipelines.options.spelling import suggest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class Setting:
    """A flag in a file: its value as on the command line, and where it stands."""

    text: str
    place: str


def read_settings(path: str, commands: Mapping[str, set[str]]) -> Iterator[tuple[str, str, Setting]]:
    """Yield (section, flag, setting) of a file, sections first (UsageError: it cannot be read, or names one twice)."""
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8")
        found = _read_toml(path, text) if path.endswith(".toml") else _read_yaml(path, text)
        entries = sorted(found, key=lambda one: not one[0])
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UsageError(f"--config={path}: {_reason(error)}") from error
    except RecursionError:
        # lists in lists, or an alias of what it stands in
        raise UsageError(f"--config={path}: nested too deep") from None
    seen: set[tuple[str, str]] = set()
    for section, name, setting in entries:
        if (section, name) in seen:
            raise UsageError(f"{setting.place}: {name!r} stands here twice")
        seen.add((section, name))
        if section and section not in commands:
            raise UsageError(f"{setting.place}: there is no command {section!r}{suggest(section, commands)}")
        yield section, name, setting


def _reason(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return str(error.strerror if isinstance(error, OSError) else " ".join(str(error).split()))


def _read_yaml(path: str, text: str) -> Iterator[tuple[str, str, Setting]]:
    root = yaml.compose(text, yaml.SafeLoader)
    if root is None:
        return
    if not isinstance(root, yaml.MappingNode):
        raise ValueError("it is no mapping of flags to values")
    for key, value in root.value:
        # the mapping of a table's columns is a value, any other mapping holds the flags of a command
        is_section = isinstance(value, yaml.MappingNode) and not _node_text(key).endswith("_columns")
        for inner, node in value.value if is_section else [(key, value)]:
            place = f"{path} line {inner.start_mark.line + 1}"
            yield _node_text(key) if is_section else "", _name(_node_text(inner)), Setting(_node_text(node), place)


def _node_text(node: yaml.Node) -> str:
    """Return a value as it is written, so that 0:1 and 007 stay what they are."""
    if isinstance(node, yaml.MappingNode):
        return ",".join(f"{_node_text(key)}:{_node_text(value)}" for key, value in node.value)
    if isinstance(node, yaml.SequenceNode):
        return ",".join(map(_node_text, node.value))
    return "" if node.tag.endswith(":null") else str(node.value)


def _read_toml(path: str, text: str) -> Iterator[tuple[str, str, Setting]]:
    for key, value in tomllib.loads(text).items():
        is_section = isinstance(value, dict) and not key.endswith("_columns")
        for name, one in value.items() if is_section else [(key, value)]:
            rows = enumerate(text.splitlines(), 1)
            line = next((number for number, row in rows if re.match(rf"\s*{re.escape(name)}\s*=", row)), 1)
            yield key if is_section else "", _name(name), Setting(_toml_text(one), f"{path} line {line}")


def _toml_text(value: object) -> str:
    if isinstance(value, dict):
        return ",".join(f"{key}:{_toml_text(one)}" for key, one in value.items())
    return flag_text(tuple(value) if isinstance(value, list) else value)


def _name(key: str) -> str:
    return key.replace("-", "_")
