"""Flags that all commands have."""

from dataclasses import dataclass

from pipelines.options.options import path_flag, switch


@dataclass(frozen=True, kw_only=True)
class CommonOptions:
    """All commands: where flags come from, and what is told of an error."""

    config: str = path_flag("YAML or TOML file of flags; those on the command line go before it", "")
    plugins: str = path_flag(
        "Python files or modules, separated by commas, with own shelves, features, sources, rewards, rules, metrics and"
        " their claims",
        "",
    )
    print_config: bool = switch(
        "prints the flags as they hold, as such a file, and where each is from; no more is done"
    )
    verbose: bool = switch(
        "prints all that there is to say of a run, and warnings and tracebacks, of libraries too, to standard error",
        alias="v",
    )
    log_file: str = path_flag("file that they are appended to", "")
