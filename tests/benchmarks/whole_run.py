"""The main job on a sample world, as `homeshelf run` does it, sampled."""

from typing import Any

import apache_beam as beam

# Seconds of imports that a run makes when it first trains; here they are made before the clock starts.
import models.ranker.serving
import models.ranker.training_run  # noqa: F401
from pipelines.home_shelves import build_home
from pipelines.options.beam_flags import parse_beam
from pipelines.options.options import RunOptions
from pipelines.options.parsing import parse_flags
from tests.benchmarks.sampler import Sampler
from tests.benchmarks.stage_times import publishing_seconds, stage_times
from tests.benchmarks.worlds import AS_OF


def run_all(world: str, output: str, flags: list[str]) -> dict[str, Any]:
    """Run; return the folder of the run, the stages' times, and the sampled figures."""
    tables = [f"--events={world}/events", f"--tracks={world}/tracks", f"--users_table={world}/users"]
    options, rest = parse_flags(RunOptions, [*tables, f"--output={output}", f"--as_of={AS_OF.isoformat()}", *flags])
    with Sampler() as sampler:
        pipeline = beam.Pipeline(options=parse_beam(rest))
        folder = build_home(pipeline, options)
        result = pipeline.run()
        result.wait_until_finish()
    times = {"stages": stage_times(result), "publishing": publishing_seconds(result)}
    return {"folder": folder, **times, **sampler.report()}
