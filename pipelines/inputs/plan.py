"""What a run is to do: settled before the graph is built."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from pipelines.inputs.inputs import InputTable
from pipelines.inputs.page_rules import build_policy
from pipelines.options.options import StageOptions
from transforms.pages.composition.policy import Policy
from transforms.pages.rules.read_rules import parse_rules
from transforms.pages.rules.rule import Rule
from transforms.pages.shelves.shelves import SHELF_IDS
from transforms.tables.surfaces import HOME


@dataclass(frozen=True)
class RunPlan:
    """What stands at one moment: what is asked, what is there to read, where everything is written."""

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
    carry_over: Mapping[date, InputTable] = field(default_factory=dict)  # pages of earlier runs of the week, by day
    impressions: InputTable | None = None

    @property
    def is_learning(self) -> bool:
        """Whether it ends before any page."""
        return self.mode in ("features", "train")

    @property
    def policy(self) -> Policy:
        """How pages are composed."""
        return build_policy(self.options, self.surfaces, self.as_of)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """What pages are held to."""
        return parse_rules(self.rules_text, SHELF_IDS, self.options.rules)

    @property
    def moments(self) -> tuple[datetime, ...]:
        """For which moments a catalog is needed, the run's own last.

        The ranker is trained on the candidates of two label windows ago (and of others before that, if asked for), and
        judged on those of one window ago:

            history ... | training -- labels --> | holdout -- labels --> | as_of
        """
        window = timedelta(days=self.options.label_days)
        ago = () if self.ranker else (*self.options.training_windows, 1)
        earlier = tuple(self.as_of - number * window for number in ago)
        return earlier if self.is_learning else (*earlier, self.as_of)

    @property
    def num_buckets(self) -> int:
        """How many buckets: given, or so that one has about 500,000 events and users."""
        num_rows = self.events.num_rows + (self.users.num_rows if self.users else 0)
        return self.options.num_buckets or max(8, -(-num_rows // 500_000))

    @property
    def num_shards(self) -> int:
        """How many files per table: given, or from the events; the buckets must not show in the bytes.

        A file is sorted in memory: of candidates, one has about 2,500 users with 500 each.
        """
        return self.options.num_shards or max(1, -(-self.events.num_rows // 500_000))
