"""SOURCES: the sources of candidates. A new source is one entry; its features, reports and documents follow from it."""

from transforms.candidates.embedding_sources import DEEP_CUTS, NEW_RELEASES, NEW_TRACKS, TWO_TOWER
from transforms.candidates.neighbour_sources import ARTISTS, CO_LISTENED
from transforms.candidates.popularity_sources import MARKET, POPULAR
from transforms.candidates.repeat_sources import CO_LISTENED_REPEATS, REPEATS
from transforms.candidates.source import Source
from transforms.catalog.catalog import Catalog
from transforms.plugins import plugin_entries

# If several sources rank a track equally high, the first of them is the track's source and gives the reason.
SOURCES: tuple[Source, ...] = (
    REPEATS,
    CO_LISTENED_REPEATS,
    CO_LISTENED,
    TWO_TOWER,
    ARTISTS,
    DEEP_CUTS,
    NEW_RELEASES,
    NEW_TRACKS,
    MARKET,
    POPULAR,
    *plugin_entries("SOURCES"),
)


def disabled_sources(catalog: Catalog) -> dict[str, str]:
    """Return the names of the sources that lack a fact in this catalog, each with the reason."""
    missing = {source.name: source.missing_facts(catalog) for source in SOURCES}
    return {name: f"there is no {' and no '.join(facts)}" for name, facts in missing.items() if facts}
