"""The plan of a run, complete before the graph is built."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import NamedTuple

from pipelines.inputs.inputs import InputTable
from pipelines.inputs.page_rules import build_policy
from pipelines.options.options import StageOptions
from transforms.now_playing.queues.queue_tables import QueuePolicy
from transforms.pages.composition.policy import Policy
from transforms.pages.rules.read_rules import parse_rules
from transforms.pages.rules.rule import Rule
from transforms.pages.shelves.shelves import RULE_SURFACES, SHELF_IDS, SURFACES
from transforms.state.state_days import StatePlan
from transforms.tables.surfaces import HOME


def num_buckets_for(events: InputTable, users: InputTable | None) -> int:
    """Return the number of buckets for tables of this size."""
    return max(8, -(-(events.num_rows + (users.num_rows if users else 0)) // 500_000))


class InputTables(NamedTuple):
    """The input tables of a run; None for tables that were not given."""

    events: InputTable
    tracks: InputTable | None
    users: InputTable | None
    erase: InputTable | None
    impressions: InputTable | None


@dataclass(frozen=True)
class RunPlan:
    """A run as of one moment: its options, inputs, reused artifacts and output folder.

    state: where the events of earlier days are, and those of this run's go; None: `events` are all.

    ranker, embeddings: paths of reused artifacts; empty: none. carry_over: pages of earlier runs of the same week, by
    day. remarks: sentences on the input, for the summary. max_feature_users: of about so many users all features
    are published. queues: how they are composed; None: the run has none.
    """

    options: StageOptions
    events: InputTable
    tracks: InputTable | None
    users: InputTable | None
    as_of: datetime
    folder: str
    ranker: str = ""
    embeddings: str = ""
    mode: str = "full"
    rules_text: str = ""
    surfaces: tuple[str, ...] = (HOME,)
    erase: InputTable | None = None
    carry_over: Mapping[date, InputTable] = field(default_factory=dict)
    impressions: InputTable | None = None
    remarks: tuple[str, ...] = ()
    max_feature_users: int = 0
    state: StatePlan | None = None
    queues: QueuePolicy | None = None

    @property
    def input_tables(self) -> dict[str, InputTable]:
        """Return the input tables that were given, by name."""
        names = InputTables._fields
        return {name: table for name in names if (table := getattr(self, name)) is not None}

    @property
    def is_learning(self) -> bool:
        """Return whether the run ends with training, before pages."""
        return self.mode in ("features", "train")

    @property
    def has_pages(self) -> bool:
        """Return whether the run composes pages."""
        return not self.is_learning and any(surface in SURFACES for surface in self.surfaces)

    @property
    def policy(self) -> Policy:
        """Return the policy of page composition."""
        return build_policy(self.options, tuple(one for one in self.surfaces if one in SURFACES), self.as_of)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Return the rules of pages."""
        return parse_rules(self.rules_text, SHELF_IDS, RULE_SURFACES, self.options.rules)

    @property
    def moments(self) -> tuple[datetime, ...]:
        """Return the moments that need a catalog, in ascending order; the last is that of the run.

        The ranker is trained on candidates as of the training windows (by default two label windows ago), and evaluated
        on those as of one window ago:

            history ... | training -- labels --> | holdout -- labels --> | as_of
        """
        window = timedelta(days=self.options.label_days)
        ago = () if self.ranker else (*self.options.training_windows, 1)
        earlier = tuple(self.as_of - number * window for number in ago)
        return earlier if self.is_learning else (*earlier, self.as_of)

    @property
    def num_events(self) -> int:
        """Return the number of events, those of a state among them."""
        earlier = self.state.earlier if self.state else None
        return self.events.num_rows + (earlier.num_rows if earlier else 0)

    @property
    def num_buckets(self) -> int:
        """Return the number of buckets: that of the state, the given one, or one per 500,000 events and users."""
        if self.state:
            return self.state.num_buckets
        return self.options.num_buckets or num_buckets_for(self.events, self.users)

    @property
    def num_shards(self) -> int:
        """Return the number of files per table: the given one, or one per 500,000 events.

        It does not depend on the buckets, which must not change the published bytes. A file is sorted in memory: one of
        candidates has about 2,500 users with 500 rows each.
        """
        return self.options.num_shards or max(1, -(-self.num_events // 500_000))
