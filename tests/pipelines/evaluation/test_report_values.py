from collections import defaultdict
from pathlib import Path

from pipelines.evaluation.estimates import Estimates
from pipelines.evaluation.report import report_values
from tests.transforms.evaluation.random_lists import SOURCES, catalog, random_evaluation_rows
from tests.worlds import AS_OF
from transforms.evaluation.measure_lists import measure_lists
from transforms.evaluation.metrics.metric import SHOWN_TARGETS
from transforms.evaluation.metrics.system import System


def test_every_shelf_has_a_value_for_each_kind_of_targets(tmp_path: Path) -> None:
    options = {"catalog": catalog(tmp_path), "cutoff_at": AS_OF, "sources": SOURCES, "num_replicates": 4, "seed": 1}
    estimates = Estimates(measure_lists(random_evaluation_rows(1), **options), 0.95)
    found = defaultdict(list)
    for one in report_values(estimates, [System("page", "ours")], ""):
        if one.segment.startswith("shelf: "):
            found[one.segment].append(one.targets)
    assert len(found) > 5 and all(sorted(targets) == sorted(SHOWN_TARGETS) for targets in found.values())
    of_one_cutoff = report_values(estimates, [System("page", "ours")], "2026-01-01T00:00:00+00:00")
    assert {one.segment for one in of_one_cutoff} == {"everyone"}
