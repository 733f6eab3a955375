"""ALL_NEXT_TRACK_BASELINES: the recommenders of the next track that an evaluation compares, and those of plugins."""

from models.next_track.contract import NextTrackBaseline
from models.next_track.entries import NEXT_TRACK_BASELINES
from pipelines.options.options import UsageError
from transforms.plugins import plugin_entries

ALL_NEXT_TRACK_BASELINES: tuple[NextTrackBaseline, ...] = (
    *NEXT_TRACK_BASELINES,
    *plugin_entries("NEXT_TRACK_BASELINES"),
)


def choose_next_track_baselines(text: str) -> tuple[NextTrackBaseline, ...]:
    """Return the baselines that --baselines names (UsageError: one of them does not exist, or there is none)."""
    names = [entry.name for entry in ALL_NEXT_TRACK_BASELINES]
    chosen = names if text == "all" else text.split(",")
    if unknown := [name for name in chosen if name not in names]:
        raise UsageError(
            f"--baselines: with --task=next_track there is no {unknown[0]!r}; there are {', '.join(names)}, all"
        )
    return tuple(entry for entry in ALL_NEXT_TRACK_BASELINES if entry.name in chosen)
