"""Flags from elsewhere: a YAML or TOML file (--config), and below it environment variables, HOMESHELF_ and their name.

    events: data/events
    events_columns: {played_at: timestamp, ms_played: playtime_s*1000}
    hidden_units: [64, 32]
    evaluate:                  # for one command only
      output: out/report

One file serves all commands: each takes the flags that it has.
"""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from os import environ
from pathlib import Path

import yaml
from cyclopts import App
from cyclopts.argument import ArgumentCollection
from cyclopts.config import Env
from cyclopts.token import Token

from pipelines.options.flag_kinds import flag_text
from pipelines.options.options import UsageError
from pipelines.options.spelling import suggest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PREFIX = "HOMESHELF_"
# For editors; homeshelf init copies them beside the file that it writes.
SCHEMA_PATH = Path(__file__).with_name("homeshelf.schema.json")
RULES_SCHEMA_PATH = Path(__file__).with_name("rules.schema.json")
_FLAG = "--config"


@dataclass(frozen=True)
class Setting:
    """A flag in a file: its value as on the command line, and where it stands."""

    text: str
    place: str


@dataclass(frozen=True)
class Layers:
    """Flags besides those of the command line: the settings of a file; and, once parsed, where each flag is from."""

    settings: Mapping[str, Setting] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)

    def apply_to(self, app: App) -> None:
        """Let a command take them: the command line goes first, then the file, then the environment."""
        app.config = (self._give, Env(PREFIX, command=False, show=False), self._note)

    def beam_flags(self, names: set[str]) -> list[str]:
        """Return the settings that are flags of Beam."""
        return [f"--{name}={setting.text}" for name, setting in self.settings.items() if name in names]

    def _give(self, app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
        for argument in arguments:
            setting = self.settings.get(argument.name.lstrip("-"))
            if setting and not argument.tokens:
                argument.append(Token(keyword=argument.name, value=setting.text, source=setting.place))

    def _note(self, app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
        for argument in arguments:
            if argument.tokens:
                token = argument.tokens[0]
                place = {"cli": argument.name, "env": str(token.keyword)}.get(token.source, token.source)
                self.places[argument.name.lstrip("-")] = place


def find_layers(argv: Sequence[str], commands: Mapping[str, set[str]], beam_names: set[str]) -> Layers:
    """Read the file that a command line names, or HOMESHELF_CONFIG.

    commands: names of the flags of each command. beam_names: names of Beam's flags.

    Raises:
        UsageError: the file cannot be read, or names a flag that is none.
    """
    path = _config_path(argv)
    if not path or not argv or argv[0] not in commands:
        return Layers()
    known = set().union(beam_names, *commands.values())
    settings: dict[str, Setting] = {}
    for section, name, setting in _read(path, commands):
        if name not in known:
            raise UsageError(f"{setting.place}: no command has a flag {name!r}{suggest(name, known)}")
        # what a section says of its command goes before what stands for all
        if section == argv[0] or (not section and name not in settings):
            settings[name] = setting
    return Layers(settings)


def _config_path(argv: Sequence[str]) -> str:
    """Return the last path behind --config, or that of the environment."""
    found = environ.get(f"{PREFIX}CONFIG", "")
    for one, following in zip(argv, [*argv[1:], ""], strict=False):
        name, equals, value = one.partition("=")
        if name == _FLAG:
            found = value if equals else following
    return found


def _read(path: str, commands: Mapping[str, set[str]]) -> Iterator[tuple[str, str, Setting]]:
    """Yield (section, flag, setting) of a file, sections first (UsageError: it cannot be read)."""
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8")
        found = _read_toml(path, text) if path.endswith(".toml") else _read_yaml(path, text)
        entries = sorted(found, key=lambda one: not one[0])
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UsageError(f"{_FLAG}={path}: {_reason(error)}") from error
    for section, name, setting in entries:
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
        is_section = isinstance(value, yaml.MappingNode) and not key.value.endswith("_columns")
        for inner, node in value.value if is_section else [(key, value)]:
            place = f"{path} line {inner.start_mark.line + 1}"
            yield key.value if is_section else "", _name(inner.value), Setting(_node_text(node), place)


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
