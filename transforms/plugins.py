"""Entries from outside the project: sources, features, rewards, shelves, rules, metrics and more from a user's modules.

--plugins, or the variable HOMESHELF_PLUGINS, names Python files and importable modules, with commas. A module adds to a
tuple of entries by defining a tuple of the same name, for example `SOURCES = (Source(...),)`. Worker processes on this
machine inherit the variable; those on other machines receive the files with the flags of the run, and its modules must
be there: in the workers' image.
"""

import atexit
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

VARIABLE = "HOMESHELF_PLUGINS"
# Files whose code is running: their module is there, but not whole.
_loading: set[str] = set()
# Names with which a tuple of entries was made, by its kind: it is made once in a process.
_asked: dict[str, tuple[str, ...]] = {}


def plugin_names() -> tuple[str, ...]:
    """Return the files, with their folders, and modules that are named, in their order."""
    given = [name.strip() for name in os.environ.get(VARIABLE, "").split(",")]
    return tuple(str(Path(name).absolute()) if name.endswith(".py") else name for name in given if name)


def plugin_entries(kind: str) -> tuple[Any, ...]:
    """Return the entries that plugin modules add to the tuple named `kind`.

    Raises:
        ImportError: there is no such module, or it imports, directly or not, a tuple that plugins add to. A plugin
            imports the classes of entries, whose modules load no tuple, and everything else inside its functions.
    """
    names = _asked[kind] = plugin_names()
    return tuple(entry for name in names for entry in _entries_of(name, kind))


def late_tuples() -> list[str]:
    """Return the kinds of entries that were made with other plugins than are named now, but commands."""
    return sorted(kind for kind, names in _asked.items() if kind != "COMMANDS" and names != plugin_names())


def plugin_hashes() -> dict[str, str]:
    """Return the SHA-256 of the source of each plugin, by the name of its module."""
    modules = [load_plugin(name) for name in plugin_names()]
    return {one.__name__: hashlib.sha256(Path(str(one.__file__)).read_bytes()).hexdigest() for one in modules}


def plugin_sources() -> list[tuple[str, str]]:
    """Return the file name and the text of each plugin that is a file, the name and "" of each module."""
    return [
        (Path(name).name, Path(name).read_text("utf-8")) if name.endswith(".py") else (name, "")
        for name in plugin_names()
    ]


def receive_plugins(sources: Sequence[tuple[str, str]]) -> None:
    """Write the files of plugin_sources() to a folder of this machine, name all plugins to this process, load them.

    A process that has plugins of its own, as a worker on the machine of the run, keeps them.
    """
    if plugin_names():
        return
    folder = tempfile.mkdtemp(prefix="homeshelf-plugins-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    names = []
    for name, text in sources:
        names.append(str(Path(folder, name)) if name.endswith(".py") else name)
        if name.endswith(".py"):
            Path(folder, name).write_text(text, "utf-8")
    os.environ[VARIABLE] = ",".join(names)
    # functions of a file arrive by the name of its module
    for name in names:
        load_plugin(name)


def load_plugin(name: str) -> ModuleType:
    """Import a plugin: a module, or a file, whose module is called as the file is.

    Raises:
        ImportError: there is none, or a file has the name of a module that is already loaded.
        Exception: whatever its code raises.
    """
    if not name.endswith(".py"):
        return import_module(name)
    path = Path(name).absolute()
    loaded = sys.modules.get(path.stem)
    if loaded is not None:
        if Path(str(getattr(loaded, "__file__", ""))) != path:
            raise ImportError(f"{name}: another module is called {path.stem!r}: give the file another name")
        return loaded
    spec = spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ImportError(f"{name}: there is no such file")
    # under its name, by which workers find its functions
    module = sys.modules[path.stem] = module_from_spec(spec)
    _loading.add(name)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[path.stem]
        raise
    finally:
        _loading.discard(name)
    return module


def _entries_of(name: str, kind: str) -> tuple[Any, ...]:
    module = load_plugin(name)
    # the entries of a module that is still being loaded would be missing without a word
    if name in _loading or getattr(module.__spec__, "_initializing", False):
        raise ImportError(f"{VARIABLE}: {name} imports a module that needs its {kind}: import it inside a function")
    return tuple(getattr(module, kind, ()))
