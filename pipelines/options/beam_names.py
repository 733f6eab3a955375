"""Names of Beam's flags without Beam, which takes seconds to load: a misspelt flag is refused at once."""

import re
from importlib.util import find_spec
from pathlib import Path

_DECLARED = re.compile(r"""["']--(\w+)["']""")


def beam_flag_names() -> set[str]:
    """Return the names of the flags that the installed Beam declares, without dashes, read from its source."""
    spec = find_spec("apache_beam")
    folder = Path(spec.origin).parent if spec and spec.origin else Path()
    return set(_DECLARED.findall((folder / "options" / "pipeline_options.py").read_text(encoding="utf-8")))
