"""Flags that all commands have."""

from dataclasses import dataclass

from pipelines.options.options import path_flag, switch


@dataclass(frozen=True, kw_only=True)
class CommonOptions:
    """All commands: what is told of an error."""

    v: bool = switch("prints warnings and tracebacks, of libraries too, to standard error")
    log_file: str = path_flag("file that they are appended to", "")
