"""Entries from outside the project: sources, features, rewards, shelves, rules, metrics and more from a user's modules.

HOMESHELF_PLUGINS names importable modules, with commas. A module adds to a tuple of entries by defining a tuple of the
same name, for example `SOURCES = (Source(...),)`. The variable must be set for every process of a run: on Dataflow and
Flink in the workers' image.
"""

import os
from importlib import import_module
from typing import Any

VARIABLE = "HOMESHELF_PLUGINS"


def plugin_modules() -> tuple[str, ...]:
    """Return the names of the plugin modules, in the order in which they are given."""
    return tuple(name.strip() for name in os.environ.get(VARIABLE, "").split(",") if name.strip())


def plugin_entries(kind: str) -> tuple[Any, ...]:
    """Return the entries that plugin modules add to the tuple named `kind`.

    Raises:
        ImportError: there is no such module, or it imports, directly or not, a tuple that plugins add to. A plugin
            imports the classes of entries, whose modules load no tuple, and everything else inside its functions.
    """
    return tuple(entry for name in plugin_modules() for entry in _entries_of(name, kind))


def _entries_of(name: str, kind: str) -> tuple[Any, ...]:
    module = import_module(name)
    # the entries of a module that is still being loaded would be missing without a word
    if getattr(module.__spec__, "_initializing", False):
        raise ImportError(f"{VARIABLE}: {name} imports a module that needs its {kind}: import it inside a function")
    return tuple(getattr(module, kind, ()))
