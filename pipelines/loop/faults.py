"""Faults that happen to logs, planted in a day's tables, so that the gate of the run that reads them can be seen."""

from collections.abc import Callable, Mapping
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.options.loop_options import FAULT_KINDS

_IMPRESSIONS, _EVENTS = "impressions", "events"
_DELAY = timedelta(days=1)


def inject_fault(tables: Mapping[str, pa.Table], kind: str, share: float, seed: int) -> dict[str, pa.Table]:
    """Return a day's tables in which the fault has happened to a share of the rows, drawn at random."""
    name, damage = _FAULTS[kind]
    is_hit = np.random.default_rng(seed).random(tables[name].num_rows) < share
    return {**tables, name: damage(tables[name], pa.array(is_hit))}


def _duplicate(table: pa.Table, is_hit: pa.Array) -> pa.Table:
    """Log rows twice, as a client does that does not see its request acknowledged."""
    return pa.concat_tables([table, table.filter(is_hit)])


def _lose_propensities(table: pa.Table, is_hit: pa.Array) -> pa.Table:
    """Log rows without propensity, as a client does that has not learned of the column."""
    lost = pc.if_else(is_hit, pa.scalar(None, pa.float64()), table["propensity"])
    return table.set_column(table.schema.get_field_index("propensity"), table.schema.field("propensity"), lost)


def _delay(table: pa.Table, is_hit: pa.Array) -> pa.Table:
    """Receive rows a day late."""
    at = table["arrived_at"]
    later = pc.if_else(is_hit, pc.add(at, pa.scalar(_DELAY, pa.duration("us"))), at)
    return table.set_column(table.schema.get_field_index("arrived_at"), table.schema.field("arrived_at"), later)


_FAULTS: Mapping[str, tuple[str, Callable[[pa.Table, pa.Array], pa.Table]]] = dict(
    zip(FAULT_KINDS, ((_IMPRESSIONS, _duplicate), (_IMPRESSIONS, _lose_propensities), (_EVENTS, _delay)), strict=True)
)
