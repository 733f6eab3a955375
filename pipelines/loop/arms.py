"""The arms of a loop: policies by name, each a set of flags of homeshelf run."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import yaml

from pipelines.options.flag_kinds import flag_text, parse_file_name
from pipelines.options.loop_options import LoopOptions
from pipelines.options.options import RunOptions, StageOptions, UsageError
from pipelines.options.parsing import parse_flags
from pipelines.options.spelling import suggest

_DEFAULT_ARMS = "{none: off, greedy: {}, explorer: {exploration: 0.02}}"
_OFF = "off"
_ONLY = [one.name for one in fields(StageOptions)]


@dataclass(frozen=True)
class Arm:
    """A policy by name. flags: of homeshelf run, without inputs and output; None: it recommends nothing."""

    name: str
    flags: tuple[str, ...] | None


def read_arms(options: LoopOptions) -> tuple[Arm, ...]:
    """Read the arms in their order (UsageError: there is none, or one of them is wrong)."""
    text = _read(options.arms_file) if options.arms_file else _DEFAULT_ARMS
    try:
        found = yaml.load(text, Loader=yaml.BaseLoader)
    except yaml.YAMLError as error:
        raise UsageError(f"--arms_file={options.arms_file}: {' '.join(str(error).split())}") from error
    if not isinstance(found, dict) or not found:
        raise UsageError(f"--arms_file={options.arms_file}: no arm, as in `explorer: {{exploration: 0.02}}`")
    arms = tuple(_arm_of(str(name), given, options) for name, given in found.items())
    if all(arm.flags is None for arm in arms):
        raise UsageError(f"--arms_file={options.arms_file}: no arm recommends anything")
    return arms


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--arms_file={path}: {error}") from error


def _arm_of(name: str, given: object, options: LoopOptions) -> Arm:
    where = f"--arms_file={options.arms_file}: {name}"
    try:
        parse_file_name(name)
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from error
    if given == _OFF:
        return Arm(name, None)
    if not isinstance(given, Mapping):
        raise UsageError(f"{where}: neither `{_OFF}` nor flags of homeshelf run, as in `{{exploration: 0.02}}`")
    flags = _common_flags(options) | {str(flag): str(value) for flag, value in given.items()}
    for flag in given:
        if flag not in _ONLY:
            hint = suggest(str(flag), _ONLY)
            raise UsageError(f"{where}: no flag {flag!r} of the stages of homeshelf run{hint}")
    texts = tuple(f"--{flag}={value}" for flag, value in flags.items())
    try:
        parse_flags(RunOptions, [*texts, "--events=events", "--output=output"])
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from error
    return Arm(name, texts)


def _common_flags(options: LoopOptions) -> dict[str, str]:
    """Return the flags of all runs: those of the loop that a run has too and that were given."""
    of_stages = {one.name: one.default for one in fields(StageOptions)}
    changed = {
        name: flag_text(getattr(options, name))
        for name, default in of_stages.items()
        if getattr(options, name) != default
    }
    return {
        "num_buckets": "1",
        **changed,
        "gate": options.gate,
        **({"limits": options.limits} if options.limits else {}),
    }
