"""The console script, which first looks whether its packages are its own."""

import sys
from importlib.util import find_spec
from pathlib import Path

_PACKAGES = ("pipelines", "transforms", "models")


def start() -> int:
    """Run a command and return its exit status; 2 where another module has the name of a package of homeshelf."""
    ours = Path(__file__).parents[1]
    for name in _PACKAGES:
        spec = find_spec(name)
        found = Path(spec.origin) if spec and spec.origin else None
        if found != ours / name / "__init__.py":
            where = found or "nowhere"
            hint = "take its folder from PYTHONPATH, or install homeshelf as a tool of its own (uv tool, pipx)"
            print(f"homeshelf: error: the module {name!r} is {where}, not that of homeshelf: {hint}", file=sys.stderr)
            return 2
    from pipelines.cli import main as run_command

    return run_command()


if __name__ == "__main__":
    sys.exit(start())
