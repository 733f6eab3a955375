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
    """Return the entries that plugin modules add to the tuple named `kind` (ImportError: there is no such module)."""
    return tuple(entry for name in plugin_modules() for entry in getattr(import_module(name), kind, ()))
