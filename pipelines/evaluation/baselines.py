"""BASELINES: the recommenders that an evaluation compares with, and those of plugins."""

from models.baselines.entries import BUILT_IN_BASELINES
from models.baselines.interactions import Baseline
from pipelines.options.options import UsageError
from transforms.plugins import plugin_entries

BASELINES: tuple[Baseline, ...] = (*BUILT_IN_BASELINES, *plugin_entries("BASELINES"))


def choose_baselines(text: str) -> tuple[Baseline, ...]:
    """Return the baselines that --baselines names (UsageError: one of them does not exist)."""
    names = [entry.name for entry in BASELINES]
    chosen = names if text == "all" else [] if text == "none" else text.split(",")
    if unknown := [name for name in chosen if name not in names]:
        raise UsageError(f"--baselines: there is no {unknown[0]!r}; there are {', '.join(names)}, all, none")
    return tuple(entry for entry in BASELINES if entry.name in chosen)
