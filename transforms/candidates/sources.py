"""SOURCES: where candidates come from. Adding one is adding an entry here; its score becomes a feature by itself."""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from transforms.candidates.context import CandidateContext
from transforms.candidates.embedding_sources import (
    propose_deep_cuts,
    propose_new_releases,
    propose_new_tracks,
    propose_two_tower,
)
from transforms.candidates.new_tracks import NEW_RELEASE_DAYS
from transforms.candidates.repeat_sources import (
    propose_artists,
    propose_co_listened,
    propose_co_listened_repeats,
    propose_market,
    propose_popular,
    propose_repeats,
)
from transforms.catalog.catalog import Catalog
from transforms.catalog.deep_catalogue import DEEP_SHARE

# (what is known, quota) -> user_id, track, score (float64, higher is better), seed_track (null: none)
_Propose = Callable[[CandidateContext, int], pl.DataFrame]


@dataclass(frozen=True)
class Source:
    """One way to find candidates.

    quota: how many of them, the best by score, become candidates of a user.
    needs: facts without any of which there is nothing to propose (see Catalog.has()).
    is_certain: its proposals are kept whatever the merged cap.
    """

    name: str
    quota: int
    propose: _Propose
    sentence: str
    needs: tuple[str, ...] = ()
    is_guaranteed: bool = False


# Of sources that rank a track equally high, the first names the reason.
SOURCES = (
    Source("repeats", 100, propose_repeats, "own tracks, by how often and how lately they were played"),
    Source(
        "co_listened_repeats",
        100,
        propose_co_listened_repeats,
        "own tracks first heard near others that the user plays",
    ),
    Source("co_listened", 300, propose_co_listened, "unheard tracks first heard near those that the user plays"),
    Source(
        "two_tower",
        500,
        propose_two_tower,
        "unheard tracks nearest to the user's vector, the popular a little nearer",
    ),
    Source(
        "artists",
        100,
        propose_artists,
        "unheard tracks of the artists the user plays, and of artists heard near these",
        needs=("artist",),
    ),
    Source(
        "deep_cuts",
        50,
        propose_deep_cuts,
        f"unheard tracks near the user's vector among the least played, which have {DEEP_SHARE:.0%} of the plays",
    ),
    Source(
        "new_releases",
        50,
        propose_new_releases,
        f"tracks of the last {NEW_RELEASE_DAYS} days, by the user's artists and near the user's vector",
        needs=("release_date",),
    ),
    Source(
        "new_tracks",
        1000,
        propose_new_tracks,
        "new tracks for which the user is one of the first audience",
        needs=("release_date",),
        is_guaranteed=True,
    ),
    Source("market", 100, propose_market, "what is played now in the user's market", needs=("market",)),
    Source("popular", 200, propose_popular, "what everyone plays now; the fallback"),
)


def disabled_sources(catalog: Catalog) -> dict[str, str]:
    """Name the sources that this catalog cannot feed, with the reason."""
    lacking = {source.name: [column for column in source.needs if not catalog.has(column)] for source in SOURCES}
    return {name: f"there is no {' and no '.join(columns)}" for name, columns in lacking.items() if columns}
