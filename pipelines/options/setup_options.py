"""Flags of the commands that prepare a run: init and validate."""

from dataclasses import dataclass

from pipelines.options.flag_kinds import parse_positive
from pipelines.options.options import EventOptions, InputOptions, flag, path_flag


@dataclass(frozen=True, kw_only=True)
class InitOptions(InputOptions):
    """homeshelf init: guesses columns and units of your tables, and writes a file of flags."""

    file: str = path_flag("file to write, which --config reads", "homeshelf.yaml")
    output: str = path_flag("folder for the runs, as the file will say", "out/home")


@dataclass(frozen=True, kw_only=True)
class ValidateOptions(EventOptions, InputOptions):
    """homeshelf validate: counts what a run of your tables would reject or not find."""

    rules: str = path_flag("YAML file of page rules", "")
    num_rows: int = flag("number of first rows shown of each table", 3, kind=parse_positive)
