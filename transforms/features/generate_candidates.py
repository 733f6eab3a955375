"""Generate the candidates of every user from all sources, with their features, as of one moment."""

from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import polars as pl

from transforms.candidates.blending import open_blend
from transforms.features.feature_tables import CANDIDATES
from transforms.features.hydrate import Snapshot, hydrate_candidates
from transforms.tables.buckets import MapBlocks, Opened

# Candidates with all their features are 0.13 MB a user; what a user gets does not depend on who shares the block.
_USERS_PER_BLOCK = 1024


@dataclass(eq=False)
class GenerateCandidates(beam.PTransform):
    """generate_candidates() on blocks of the users of every bucket: scoring and composition go on with each block."""

    snapshot: Snapshot
    blend_path: beam.PCollection
    max_candidates: int

    def expand(self, plays: beam.PCollection) -> beam.PCollection:
        """Map every bucket."""
        arguments = {"blend": Opened(self.blend_path, open_blend), "max_candidates": self.max_candidates}
        return plays | MapBlocks(
            generate_candidates,
            _USERS_PER_BLOCK,
            out=CANDIDATES,
            **self.snapshot.arguments(),
            **arguments,
        )


def generate_candidates(plays: pl.DataFrame, **snapshot: Any) -> pl.DataFrame:
    """Return the CANDIDATES of whole users from their ordered PLAYS: no track twice, none that the user disliked.

    Args:
        plays: PLAYS of whole users, in order.
        snapshot: catalog, embeddings, blend; new_tracks: NEW_TRACK_MATCHES, empty for none; as_of; carry_over:
            CARRY_OVER or None; max_candidates: of a user.
    """
    return hydrate_candidates(plays, **snapshot)
