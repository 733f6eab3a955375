"""--plugins: own entries, loaded before anything that looks at the tuples they add to."""

import os

from pipelines.options.options import UsageError
from transforms.plugins import VARIABLE, late_tuples, load_plugin, plugin_names
from transforms.tables.failures import last_error_line


def use_plugins(text: str) -> None:
    """Load the files and modules of a list, and name them to this process and its workers.

    Raises:
        UsageError: there is none, or its code fails.
    """
    if not text:
        return
    os.environ[VARIABLE] = text
    # a plugin that imports a tuple by mistake must be found in the list; workers may have another working folder
    os.environ[VARIABLE] = ",".join(plugin_names())
    if late := late_tuples():
        raise UsageError(
            f"--plugins={text}: {', '.join(late)} were loaded before: name plugins in a process of their own"
        )
    for name in plugin_names():
        try:
            load_plugin(name)
        except Exception as error:
            raise UsageError(f"--plugins={name}: {last_error_line(error)}") from error
