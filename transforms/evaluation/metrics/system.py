"""System: a recommender whose lists are measured, and the kinds of systems that a metric may be limited to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

# The lists that homeshelf makes itself; the others are those of its sources, of baselines and of --lists.
PAGE, RANKER, FIRST_STAGE = "page", "ranker", "candidates"
# Lists of sources, of the first stage and of the ranker hold up to this many tracks.
CANDIDATE_DEPTH = 500

SystemKind = Literal["ours", "source", "baseline", "given"]


@dataclass(frozen=True)
class System:
    """A recommender whose lists are measured.

    kind: given is a list from elsewhere (--lists). parameters: of a baseline, as tuned.
    list_depth: tracks on each list of a baseline; None for all other systems.
    """

    name: str
    kind: SystemKind
    sentence: str = ""
    source: str = ""
    parameters: Mapping[str, float] = field(default_factory=dict)
    list_depth: int | None = None


def is_any_system(system: System) -> bool:
    """Return True for every system."""
    return True


def is_page(system: System) -> bool:
    """Return whether the lists are pages made of shelves."""
    return system.name == PAGE


def is_ranker(system: System) -> bool:
    """Return whether the tracks of the lists have scores of the ranker."""
    return system.name == RANKER


def is_source(system: System) -> bool:
    """Return whether the lists are those of one candidate source."""
    return system.kind == "source"


def has_candidate_lists(system: System) -> bool:
    """Return whether the lists are as long as lists of candidates, so that recall beyond 100 can be compared."""
    is_long = system.list_depth is not None and system.list_depth >= CANDIDATE_DEPTH
    return is_source(system) or system.name in (FIRST_STAGE, RANKER) or is_long
