"""--plugins: own entries, loaded before anything that looks at the tuples they add to."""

import os
from pathlib import Path

from pipelines.options.options import UsageError
from transforms.plugins import VARIABLE, late_tuples, load_plugin
from transforms.tables.failures import last_error_line


def use_plugins(text: str) -> None:
    """Load the files and modules of a list, and name them to this process and its workers.

    Raises:
        UsageError: there is none, or its code fails.
    """
    if not text:
        return
    given = [part.strip() for part in text.split(",") if part.strip()]
    names = [str(Path(one).absolute()) if one.endswith(".py") else one for one in given]
    # a plugin that imports a tuple by mistake must be found in the list
    os.environ[VARIABLE] = ",".join(names)
    if late := late_tuples():
        raise UsageError(
            f"--plugins={text}: {', '.join(late)} were loaded before: name plugins in a process of their own"
        )
    for one, name in zip(given, names, strict=True):
        try:
            load_plugin(name)
        except Exception as error:
            raise UsageError(f"--plugins={one}: {last_error_line(error)}") from error
