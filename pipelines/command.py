"""A command of the console script: its name, its flags, its function and its exit statuses."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Command:
    """Declaration of `homeshelf NAME --flags`.

    flags: "module:dataclass" of the flags, imported when they are looked at; its docstring is "homeshelf NAME: what the
    command does".
    function: "module:function", imported when the command is called, because Beam takes seconds to load; it takes the
    options and returns the exit status.
    takes_beam_flags: it also takes flags that are not its own, which are Beam's. extra: the extra of the package that
    it needs, if any. examples: command lines below the help. statuses: meaning of each exit status besides those that
    all commands have. note: remark above the flags in docs/reference/commands.md.
    """

    name: str
    flags: str
    function: str
    takes_beam_flags: bool = False
    extra: str = ""
    examples: tuple[str, ...] = ()
    statuses: tuple[tuple[int, str], ...] = ()
    note: str = ""

    @property
    def options(self) -> type:
        """Import the dataclass of the flags."""
        loaded: type = _import(self.flags)
        return loaded

    @property
    def usage(self) -> str:
        """Return the command and its positional arguments, as in "homeshelf compare A B"."""
        return (self.options.__doc__ or "").partition(":")[0]

    @property
    def sentence(self) -> str:
        """Return what the command does."""
        return (self.options.__doc__ or "").partition(": ")[2]

    def load(self) -> Callable[..., int]:
        """Import the function (ModuleNotFoundError: for example, the extra is not installed)."""
        loaded: Callable[..., int] = _import(self.function)
        return loaded


def _import(name: str) -> Any:
    module, _, attribute = name.partition(":")
    return getattr(import_module(module), attribute)
