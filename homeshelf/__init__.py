"""homeshelf from Python: make a sample service, run, open what was published, explain a card, evaluate.

    import homeshelf

    world = homeshelf.sample("out/small", num_users=400, num_tracks=2000)
    run = homeshelf.run(events=f"{world}/events", tracks=f"{world}/tracks", output="out/home")
    run.cards().collect()

Names, parameters and fields here and in pipelines.api follow semantic versioning.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from homeshelf.actions import build, evaluate, run, sample
    from homeshelf.runs import CardReasons, PageReasons, Run, open_run
    from transforms.tables.failures import HomeshelfError

__all__ = [
    "sample",
    "run",
    "open_run",
    "evaluate",
    "build",
    "Run",
    "PageReasons",
    "CardReasons",
    "HomeshelfError",
]
# loaded when they are asked for: the command, which needs none of them, would take seconds to print its help
_MODULES = {
    **dict.fromkeys(("sample", "run", "evaluate", "build"), "homeshelf.actions"),
    **dict.fromkeys(("open_run", "Run", "PageReasons", "CardReasons"), "homeshelf.runs"),
    "HomeshelfError": "transforms.tables.failures",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module 'homeshelf' has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
