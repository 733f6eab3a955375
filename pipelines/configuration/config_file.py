"""Flags from elsewhere: a YAML or TOML file (--config), and below it environment variables, HOMESHELF_ and their name.

    events: data/events
    events_columns: {played_at: timestamp, ms_played: playtime_s*1000}
    hidden_units: [64, 32]
    evaluate:                  # for one command only
      output: out/report

One file serves all commands: each takes the flags that it has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import environ
from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import App
from cyclopts.argument import ArgumentCollection
from cyclopts.config import Env
from cyclopts.token import Token

from pipelines.options.options import UsageError
from pipelines.options.spelling import suggest

if TYPE_CHECKING:
    from pipelines.configuration.config_text import Setting

PREFIX = "HOMESHELF_"
# For editors; homeshelf init copies them beside the file that it writes.
SCHEMA_PATH = Path(__file__).with_name("homeshelf.schema.json")
RULES_SCHEMA_PATH = Path(__file__).with_name("rules.schema.json")
_FLAG = "--config"


@dataclass(frozen=True)
class Layers:
    """Flags besides those of the command line: the settings of a file; and, once parsed, where each flag is from."""

    settings: Mapping[str, "Setting"] = field(default_factory=dict)
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


def read_layers(path: str, command: str, commands: Mapping[str, set[str]], beam_names: set[str]) -> Layers:
    """Read a file of flags for a command.

    commands: names of the flags of each command. beam_names: names of Beam's flags.

    Raises:
        UsageError: the file cannot be read, or names a flag that is none.
    """
    # its parsers take a quarter of the time of a help
    from pipelines.configuration.config_text import read_settings

    known = set().union(beam_names, *commands.values())
    settings: dict[str, Setting] = {}
    for section, name, setting in read_settings(path, commands):
        if name not in known:
            raise UsageError(f"{setting.place}: no command has a flag {name!r}{suggest(name, known)}")
        # what a section says of its command goes before what stands for all
        if section == command or (not section and name not in settings):
            settings[name] = setting
    return Layers(settings)


def config_path(argv: Sequence[str]) -> str:
    """Return the last path behind --config, or that of the environment, HOMESHELF_CONFIG; empty: there is none."""
    found = environ.get(f"{PREFIX}CONFIG", "")
    for one, following in zip(argv, [*argv[1:], ""], strict=False):
        name, equals, value = one.partition("=")
        if name == _FLAG:
            found = value if equals else following
    return found
