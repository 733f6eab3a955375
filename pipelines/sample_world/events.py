"""The events of the sample world as a table."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.sample_world.catalog import SampleCatalog
from pipelines.sample_world.listeners import Listeners, to_timestamps
from pipelines.sample_world.outcomes import Outcomes
from pipelines.sample_world.plays import Plays
from pipelines.sample_world.tables import SAMPLE_EVENTS
from transforms.tables.schemas import ACTIONS


@dataclass(frozen=True)
class Origins:
    """By play: the surface that it started from, and on Home the shelf and the request of the page; elsewhere null.

    is_manual: whether the user chose the track. is_shuffle: whether the player shuffled.
    """

    surface: pa.Array
    shelf_id: pa.Array
    request_id: pa.Array
    is_manual: pa.Array
    is_shuffle: pa.Array


def event_table(
    catalog: SampleCatalog,
    listeners: Listeners,
    plays: Plays,
    outcomes: Outcomes,
    origins: Origins,
    rows: np.ndarray,
) -> pa.Table:
    """Return SAMPLE_EVENTS of some of the plays: the plays, then their further actions; `rows`: indexes."""
    acted = rows[outcomes.action[rows] > 0]
    play = np.concatenate([rows, acted])
    is_action = np.arange(len(play)) >= len(rows)
    code = np.where(is_action, outcomes.action[play], 0)
    # an action falls within its play
    at = outcomes.played_at[play] + np.where(is_action, outcomes.ms_played[play] // 2, 0)
    of_play = pa.array(play)
    columns = {
        "user_id": listeners.user_id.take(pa.array(plays.user[play])),
        "track_id": catalog.track_id.take(pa.array(plays.track[play])),
        "played_at": to_timestamps(at),
        "ms_played": pa.array(outcomes.ms_played[play], mask=is_action),
        "action": pa.array(ACTIONS).take(pa.array(code)),
        "surface": origins.surface.take(of_play),
        "shelf_id": origins.shelf_id.take(of_play),
        "request_id": origins.request_id.take(of_play),
        "arrived_at": to_timestamps(outcomes.arrived_at[play]),
        "is_manual": pc.if_else(pa.array(is_action), None, origins.is_manual.take(of_play)),
        "is_shuffle": pc.if_else(pa.array(is_action), None, origins.is_shuffle.take(of_play)),
    }
    return pa.table(columns, schema=SAMPLE_EVENTS.arrow)
