"""Compose pages, position by position, for all users of a block at once.

The shelf with the largest value takes the position; its tracks are then used up, and the other shelves are valued anew
(the stage-wise page of Alvino & Basilico, Learning a Personalized Homepage, 2015).

- The value of a shelf is that of the tracks that it would show, in its order (see shelves/value.py).
- The k-th instance of one shelf counts 1/k of its value: returns diminish, as in Teo et al. (Adaptive, Personalized
  Diversity for Visual Discovery, RecSys 2016). Otherwise the mixes, full of tracks that will be played again anyway,
  would fill the page.
- Shelves that are not personal stand below all that are, whatever their value: the page of someone whose taste is known
  does not open with the charts.
- A shelf that can show fewer tracks than its minimum is left out, and the next takes the position; where that would
  leave the page empty, a shelf that is not personal needs no minimum.
- A shelf whose title another shelf of the page has, in whatever case, is left out.
- Shelves that rules pin to a position are filled first, so that no other shelf can take their tracks.
- What stands on the page lowers the worth of more of the same (page_value.py), and artists who fill the first screen
  are barred from the rest of it (first_screen.py).
- The page of a user with a habit opens with a shelf that leads, if one can.
- With exploration, shelves and tracks are drawn (see sampling.py), each with its probability given everything drawn
  before it and what was feasible then: the product of all of them is the probability of the page.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import polars as pl

from transforms.pages.composition.first_screen import crowded_users
from transforms.pages.composition.inputs import CompositionInputs, MakeChooser, TrackFacts, build_inputs
from transforms.pages.composition.policy import Policy
from transforms.pages.composition.progress import (
    SHOWN_TRACKS,
    Availability,
    ChosenShelves,
    PageObserver,
    Placement,
    Progress,
)
from transforms.pages.composition.sampling import MASKED
from transforms.pages.composition.show_tracks import STEPS_PER_POSITION, show_tracks
from transforms.pages.rules.constraints import PageConstraints, prefer
from transforms.pages.rules.page_state import PageState, ShelfOptions
from transforms.pages.shelves.shelf import Shelf
from transforms.pages.shelves.value import shelf_value
from transforms.tables.groups import rank_in_run

# A value whose logarithm is finite, below any that matters.
_MIN_VALUE = 1e-12


class ComposedPages(NamedTuple):
    """Composed pages, and which rules they break.

    shown: a row per track, in order of user, position and rank: user (number), position, shelf_index, code (of the
    instance), p_shelf, rank, row (of the candidates), p_track. violated: bool [U, R]. is_crowded: bool [U], whether the
    first screen holds more cards by one artist than its cap.
    """

    shown: pl.DataFrame
    violated: np.ndarray
    is_crowded: np.ndarray


def compose_pages(
    candidates: pl.DataFrame,
    shelves: Sequence[Shelf],
    policy: Policy,
    *,
    choosing: MakeChooser,
    tracks: TrackFacts,
    constraints: PageConstraints,
    observer: PageObserver | None = None,
) -> ComposedPages:
    """Compose the pages of candidates that are in order of user and score."""
    if candidates.is_empty():
        violated = np.zeros(constraints.is_active.shape, dtype=bool)
        return ComposedPages(pl.DataFrame(schema=SHOWN_TRACKS), violated, np.zeros(len(violated), dtype=bool))
    inputs = build_inputs(candidates, shelves, policy, choosing=choosing, tracks=tracks, constraints=constraints)
    if observer:
        observer.on_start(inputs)
    progress = Progress.start(inputs)
    _reserve_tracks(inputs, progress)
    for shelf_id, position, is_for in constraints.pinned_shelves():
        if position < policy.max_shelves:
            is_pinned = inputs.instances.shelf_index == progress.page.index(shelf_id)
            _fill_position(inputs, progress, position, is_for[inputs.instances.user] & is_pinned, observer)
    for position in range(policy.max_shelves):
        _fill_position(inputs, progress, position, np.ones(len(inputs.instances.user), dtype=bool), observer)
    return _finish(inputs, progress)


def _reserve_tracks(inputs: CompositionInputs, progress: Progress) -> None:
    """Keep for each reserved shelf the tracks that it would show if it were alone, and only these."""
    traits, instance, is_left = inputs.traits, inputs.instances.instance, progress.slots.is_left
    if not traits.is_reserved.any():
        return
    allowance = inputs.artist_allowance(progress.counts.artist)
    members, _ = inputs.instances.top(np.flatnonzero(traits.is_reserved), is_left, traits.limit, allowance)
    is_enough = np.bincount(instance[members], minlength=len(traits.limit)) >= traits.minimum
    members = members[is_enough[instance[members]]]
    owner_of_row = np.full(len(inputs.rows.user), -1, dtype=np.int32)
    owner_of_row[inputs.instances.row[members]] = instance[members]
    owner = owner_of_row[inputs.instances.row]
    is_left &= (owner == instance) | ((owner < 0) & ~traits.is_reserved[instance])


def _fill_position(
    inputs: CompositionInputs, progress: Progress, position: int, is_meant: np.ndarray, observer: PageObserver | None
) -> None:
    """Choose and fill one of the meant instances (bool [S]) for each user for whom the position is empty."""
    available = progress.available(inputs)
    is_empty = progress.page.shelf_index[:, position] < 0
    is_meant = is_empty[inputs.instances.user] & is_meant
    options = _value_options(inputs, progress, available, is_meant, position)
    chosen = _choose_shelves(inputs, progress, options, position)
    if not len(chosen.instance):
        return
    was_left = progress.slots.is_left.copy() if observer else progress.slots.is_left
    shown = show_tracks(inputs, progress, available, options, chosen, position)
    _record(inputs, progress, chosen.instance, position, shown)
    if observer:
        observer.on_placement(Placement(position, options, chosen.instance, shown, was_left, available.is_free))


def _value_options(
    inputs: CompositionInputs, progress: Progress, available: Availability, is_meant: np.ndarray, position: int
) -> ShelfOptions:
    """Value what each instance would show at a position; those meant (bool [S]) are open if they have enough."""
    instances, traits, rows = inputs.instances, inputs.traits, inputs.rows
    num_placed = progress.num_placed[instances.user, instances.shelf_index]
    is_open = is_meant & ~progress.is_placed & (num_placed < traits.max_instances)
    members = progress.slots.find(is_open, *available)
    rank, row = rank_in_run(instances.instance[members]), instances.row[members]
    instance, num_instances = instances.instance[members], len(instances.user)
    size = np.bincount(instance, minlength=num_instances)
    unplayed = np.bincount(instance, rows.is_unplayed[row], minlength=num_instances).astype(np.int64)
    saturation = progress.attention.saturation(rows, row, inputs.policy)
    worth = rows.score[row] if saturation is None else rows.score[row] / saturation
    value = shelf_value(worth, rank, instance, num_shelves=num_instances, discount=inputs.discount)
    share_unplayed = unplayed / np.maximum(size, 1)
    divisor = progress.above.divisor(position, instances.user, traits.idea, share_unplayed, inputs.policy)
    screen, has_room = progress.screen.at(position), np.ones(num_instances, dtype=bool)
    if screen:
        has_room = screen.has_room(instance, rank, rows.artist[row], size)
    return ShelfOptions(
        user=instances.user,
        shelf_index=instances.shelf_index,
        size=size,
        unplayed=unplayed,
        value=value,
        num_before=num_placed,
        divisor=divisor,
        log_utility=np.log(np.maximum(value / ((1 + num_placed) * divisor), _MIN_VALUE)),
        has_room=has_room,
        is_open=is_open & (size >= traits.minimum),
    )


def _choose_shelves(
    inputs: CompositionInputs, progress: Progress, options: ShelfOptions, position: int
) -> ChosenShelves:
    """Choose the instance that takes the position, for each user who has one that may."""
    options = replace(options, is_open=_with_fallback(inputs, progress, options))
    narrowed = inputs.constraints.narrow(options, progress.page, position)
    if position == 0 and inputs.policy.habit_share:
        narrowed = prefer(narrowed, _leads(inputs), options.user)
    personal = prefer(narrowed, inputs.traits.is_personal, options.user)
    allowed = np.flatnonzero(prefer(personal, options.has_room, options.user))
    users, grid = np.unique(options.user[allowed]), inputs.grid
    if not len(users):
        return ChosenShelves(users, np.zeros(0))
    utility = np.full(grid.instance_at.shape, MASKED)
    utility[options.user[allowed], grid.column[allowed]] = options.log_utility[allowed]
    choice = inputs.chooser.choose(utility[users], users, position * STEPS_PER_POSITION, grid.instance_at[users])
    return ChosenShelves(grid.instance_at[users, choice.option], choice.propensity)


def _leads(inputs: CompositionInputs) -> np.ndarray:
    """Return the instances that the page of their user should open with, bool [S]."""
    share_of_repeats = inputs.rows.share_of_novelty[::2]
    return inputs.traits.leads & (share_of_repeats >= inputs.policy.habit_share)[inputs.instances.user]


def _with_fallback(inputs: CompositionInputs, progress: Progress, options: ShelfOptions) -> np.ndarray:
    """Return the open instances and, on pages that would stay empty, impersonal ones however short, bool [S]."""
    is_empty = np.all(progress.page.shelf_index < 0, axis=1)
    is_empty[options.user[options.is_open]] = False
    return options.is_open | ((options.size > 0) & ~inputs.traits.is_personal & is_empty[options.user])


def _record(
    inputs: CompositionInputs, progress: Progress, chosen: np.ndarray, position: int, shown: pl.DataFrame
) -> None:
    """Note the chosen instances and their tracks as standing at a position."""
    user, shelf_index = inputs.instances.user[chosen], inputs.instances.shelf_index[chosen]
    row, is_unplayed = shown["row"].to_numpy(), inputs.rows.is_unplayed[shown["row"].to_numpy()]
    progress.shown.append(shown)
    progress.page.shelf_index[user, position] = shelf_index
    np.add.at(progress.page.unplayed[:, position], shown["user"].to_numpy(), is_unplayed)
    progress.attention.add(inputs.rows, row, position, shown["rank"].to_numpy())
    progress.above.idea[user, position] = inputs.traits.idea[chosen]
    size = np.bincount(shown["user"].to_numpy(), minlength=inputs.num_users)
    progress.above.unplayed[user, position] = progress.page.unplayed[user, position] / size[user]
    has_title = np.zeros(int(inputs.title.max()) + 1, dtype=bool)
    has_title[inputs.title[chosen]] = True
    progress.is_placed |= has_title[inputs.title]
    progress.num_placed[user, shelf_index] += 1
    is_used = np.zeros(len(inputs.rows.user), dtype=bool)
    is_used[row] = True
    progress.slots.remove(is_used)


def _finish(inputs: CompositionInputs, progress: Progress) -> ComposedPages:
    """Close the gaps on the pages and find the rules that they violate."""
    shown = pl.concat(progress.shown).sort("user", "position", "rank")
    # a pinned shelf may stand behind the end of what could be filled: it moves up
    shown = shown.with_columns(position=(pl.col("position").rank("dense").over("user") - 1).cast(pl.Int32))
    user, position, row = (shown[name].to_numpy() for name in ("user", "position", "row"))
    page = PageState.empty(inputs.num_users, inputs.policy.max_shelves, inputs.index_of)
    page.shelf_index[user, position] = shown["shelf_index"].to_numpy()
    np.add.at(page.unplayed, (user, position), inputs.rows.is_unplayed[row])
    is_crowded = crowded_users(shown, inputs.rows, inputs.num_users, inputs.policy.first_screen_artist_tracks)
    return ComposedPages(shown, inputs.constraints.violated(page), is_crowded)
