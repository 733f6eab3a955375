"""Inputs of composition, which it never changes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl

from transforms.pages.composition.candidate_rows import CandidateRows
from transforms.pages.composition.page_value import number_ideas
from transforms.pages.composition.policy import Policy
from transforms.pages.composition.sampling import Chooser
from transforms.pages.composition.shelf_instances import ShelfInstances, find_instances
from transforms.pages.composition.titles import number_titles
from transforms.pages.rules.constraints import PageConstraints
from transforms.pages.shelves.shelf import Shelf
from transforms.pages.shelves.value import rank_discount
from transforms.tables.groups import rank_in_run


@dataclass(frozen=True)
class InstanceTraits:
    """Limits and kinds of the shelf instances [S], as their shelves declare them.

    limit, minimum: int, tracks at most and at least. max_instances: int, instances of the shelf on one page.
    is_personal, is_reserved, leads: bool, see Shelf. idea: int, see number_ideas().
    """

    limit: np.ndarray
    minimum: np.ndarray
    max_instances: np.ndarray
    is_personal: np.ndarray
    is_reserved: np.ndarray
    leads: np.ndarray
    idea: np.ndarray

    @classmethod
    def of_shelves(cls, shelves: Sequence[Shelf], shelf_index: np.ndarray, shelf_size: int) -> "InstanceTraits":
        """Read the shelves of the instances."""
        limit = np.array([shelf.max_tracks or shelf_size for shelf in shelves])
        minimum = np.minimum([shelf.min_tracks for shelf in shelves], limit)
        max_instances = np.array([shelf.max_instances for shelf in shelves])
        is_personal = np.array([shelf.is_personal for shelf in shelves])
        is_reserved = np.array([shelf.is_reserved for shelf in shelves])
        return cls(
            limit[shelf_index],
            minimum[shelf_index],
            max_instances[shelf_index],
            is_personal[shelf_index],
            is_reserved[shelf_index],
            np.array([shelf.leads for shelf in shelves])[shelf_index],
            number_ideas(shelves)[shelf_index],
        )


@dataclass(frozen=True)
class OptionGrid:
    """The instances of each user as columns of one array, in order of shelf and code.

    column: int [S], an instance's column. instance_at: int [U, K], the instance of a column, -1: none.
    """

    column: np.ndarray
    instance_at: np.ndarray

    @classmethod
    def of_users(cls, user: np.ndarray, num_users: int) -> "OptionGrid":
        """Arrange the instances of users, int [S]."""
        by_user = np.argsort(user, kind="stable")
        column = np.empty(len(user), dtype=np.int32)
        column[by_user] = rank_in_run(user[by_user])
        instance_at = np.full((num_users, int(column.max(initial=-1)) + 1), -1, dtype=np.int32)
        instance_at[user, column] = np.arange(len(user))
        return cls(column, instance_at)


class TrackFacts(NamedTuple):
    """Facts of all tracks by code: vectors, float32 [tracks, D]; names: title, artist_name, genre_name."""

    vectors: np.ndarray
    names: pl.DataFrame


# Candidates and instances of a block of users -> what chooses among them.
MakeChooser = Callable[[CandidateRows, ShelfInstances], Chooser]


@dataclass(frozen=True)
class CompositionInputs:
    """Candidates, shelf instances, and how pages of them are composed.

    index_of: index of each shelf by its id. discount: float64 [ranks], the weight of a track's score by its rank.
    vectors: float32 [tracks, D]. title: int [S], the number of each instance's title, see number_titles().
    """

    policy: Policy
    constraints: PageConstraints
    chooser: Chooser
    vectors: np.ndarray
    rows: CandidateRows
    instances: ShelfInstances
    traits: InstanceTraits
    title: np.ndarray
    grid: OptionGrid
    index_of: Mapping[str, int]
    discount: np.ndarray

    @property
    def num_users(self) -> int:
        """Number of users with a candidate."""
        return len(self.grid.instance_at)

    def artist_allowance(self, n_of_artist: np.ndarray) -> np.ndarray | None:
        """Return how many more tracks by each candidate's artist its page may hold, int [N]; None: any number.

        n_of_artist: int, tracks on the pages so far by pairs of user and artist.
        """
        if not self.constraints.has_artist_cap:
            return None
        on_page = n_of_artist[self.rows.artist]
        return np.maximum(self.constraints.artist_cap[self.rows.user] - on_page, 0)


def build_inputs(
    candidates: pl.DataFrame,
    shelves: Sequence[Shelf],
    policy: Policy,
    *,
    choosing: MakeChooser,
    tracks: TrackFacts,
    constraints: PageConstraints,
) -> CompositionInputs:
    """Find what could stand on the pages; see compose_pages()."""
    rows = CandidateRows.from_candidates(candidates)
    instances = find_instances(candidates, rows.user, rows.artist, shelves, constraints.artist_cap)
    largest = max(shelf.max_tracks or policy.shelf_size for shelf in shelves)
    return CompositionInputs(
        policy,
        constraints,
        choosing(rows, instances),
        tracks.vectors,
        rows,
        instances,
        InstanceTraits.of_shelves(shelves, instances.shelf_index, policy.shelf_size),
        number_titles(instances, rows.track, shelves, tracks.names),
        OptionGrid.of_users(instances.user, len(constraints.is_active)),
        {shelf.id: index for index, shelf in enumerate(shelves)},
        rank_discount(largest, policy.shelf_size),
    )
