"""score: rows a second through the pipeline's scoring against a plain loop over the saved model, in turns."""

import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.metrics import MetricsFilter

from models._tensorflow import tf
from pipelines.options.beam_flags import parse_beam
from tests.benchmarks.child_process import in_child
from tests.benchmarks.report import Figure, Ratio, Section, Table, at_least
from tests.benchmarks.stage_times import stage_times
from tests.benchmarks.whole_run import run_all
from tests.benchmarks.worlds import World
from transforms.catalog.catalog import open_catalog
from transforms.features.feature_tables import CANDIDATES
from transforms.ranking.ranker_files import encode_batch, open_vocabulary
from transforms.ranking.rankers import load_ranker
from transforms.ranking.score_candidates import ScoreCandidates
from transforms.tables.columns import to_frame

PLAIN_BATCHES = (4096, 8192)
TARGET = 0.6


@dataclass(frozen=True)
class Score:
    """A run on the world; gives candidates (its examples hold all columns), catalog and ranker."""

    world: World
    num_rows: int
    repetitions: int

    def __call__(self) -> Section:
        """Measure."""
        with tempfile.TemporaryDirectory() as output:
            run = in_child(run_all, world=str(self.world.folder), output=output, flags=[])
            arguments = {"num_rows": self.num_rows, "repetitions": self.repetitions}
            found = in_child(score_by_turns, run=run.result["folder"], **arguments).result
        whole = run.result["stages"]["score_candidates"]
        return section(found, whole["rows"] / whole["seconds"])


def score_by_turns(run: str, num_rows: int, repetitions: int) -> dict[str, Any]:
    """Return the seconds of every way to score the same rows, and the pipeline's counters; all in one warm process."""
    manifest = json.loads(Path(run, "manifest.json").read_text())
    ranker, catalog = (f"{run}/{manifest['artifacts'][name]}" for name in ("ranker", "catalog"))
    tables = stored_candidates(run, manifest)
    passes = -(-num_rows // sum(table.num_rows for table in tables))
    with tempfile.TemporaryDirectory() as scratch:
        files = [write_ipc(f"{scratch}/{number}.arrow", table) for number, table in enumerate(tables)] * passes
        rows_of = open_vocabulary(ranker).rows_of(open_catalog(catalog))
        batches = [encode_batch(to_frame(table), rows_of) for table in tables] * passes
        model = load_model(ranker)
        found: dict[str, list[Any]] = {"pipeline": [], **{str(size): [] for size in PLAIN_BATCHES}}
        for repetition in range(repetitions + 1):
            once: dict[str, Any] = {"pipeline": score_in_pipeline(files, ranker, catalog)}
            for size in PLAIN_BATCHES:
                once[str(size)] = score_in_loop(model, batches, size)
            if repetition:  # the first is to warm up
                for name, seconds in once.items():
                    found[name].append(seconds)
    return {"num_rows": sum(len(batch["track"]) for batch in batches), "num_tables": len(batches), **found}


def stored_candidates(run: str, manifest: dict[str, Any]) -> list[pa.Table]:
    """Read the CANDIDATES among the columns of all examples, a table a file."""
    paths = [f"{run}/{file['path']}" for name in ("features", "holdout") for file in manifest["tables"][name]["files"]]
    return [pq.read_table(path, columns=CANDIDATES.names).cast(CANDIDATES.arrow) for path in paths]


def write_ipc(path: str, table: pa.Table) -> str:
    """Write a table so that it can be read without decoding."""
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    return path


def read_ipc(path: str) -> tuple[int, pa.Table]:
    """Map a table into memory."""
    return int(Path(path).stem), pa.ipc.open_file(pa.memory_map(path)).read_all()


def score_in_pipeline(files: list[str], ranker: str, catalog: str) -> dict[str, float]:
    """Time a pipeline that only scores: the whole, and its counters."""
    start = time.perf_counter()
    root = beam.Pipeline(options=parse_beam([]))
    paths = {name: root | name >> beam.Create([path]) for name, path in (("Ranker", ranker), ("Catalog", catalog))}
    tables = (
        root
        | "Files" >> beam.Create(files, reshuffle=False)
        | beam.Map(read_ipc).with_output_types(tuple[int, pa.Table])
    )
    tables | ScoreCandidates(paths["Ranker"], paths["Catalog"], load_ranker)
    result = root.run()
    result.wait_until_finish()
    seconds = time.perf_counter() - start
    stages = {name: stage["seconds"] for name, stage in stage_times(result).items()}
    loads = result.metrics().query(MetricsFilter().with_name("ranker_load_model_latency_milli_secs"))["distributions"]
    return {"seconds": seconds, "load": sum(one.committed.sum for one in loads) / 1000, **stages}


def load_model(ranker: str) -> Any:
    """Open the SavedModel without the product."""
    return tf.saved_model.load(ranker).signatures["serving_default"]


def score_in_loop(model: Any, batches: list[dict[str, np.ndarray]], size: int) -> float:
    """Time a plain loop over the arrays."""
    start = time.perf_counter()
    for batch in batches:
        for at in range(0, len(batch["track"]), size):
            inputs = {name: tf.constant(values[at : at + size]) for name, values in batch.items()}
            model(**inputs)["probability"].numpy()
    return time.perf_counter() - start


def section(found: dict[str, Any], whole_run_rows_per_second: float) -> Section:
    """Return the figures and tables; the plain loop is the one with the better batch size."""
    rows, passes = found["num_rows"], found["pipeline"]
    wall = [one["seconds"] - one["load"] for one in passes]
    loading = float(np.median([one["load"] for one in passes]))
    speeds = [
        *((f"plain loop, batches of {size:,}", _rate(rows, found[str(size)])) for size in PLAIN_BATCHES),
        ("pipeline, wall time", _rate(rows, wall)),
        ("pipeline, score_candidates alone", _rate(rows, [one["score_candidates"] for one in passes])),
        ("whole run, score_candidates alone", f"{whole_run_rows_per_second:,.0f}"),
    ]
    return Section(
        "score: rows a second",
        f"{rows:,} candidates in {found['num_tables']} tables; all but the whole run in one warm process in turns,"
        f" without loading the model ({loading:.2f} s). The pipeline encodes ids, checks, converts, and keeps"
        " the scores with their candidates; the plain loop calls the SavedModel's signature on arrays that are ready.",
        _figures(found, wall, whole_run_rows_per_second),
        [Table("Rows a second (median)", ("way", "rows/s"), speeds)],
    )


def _figures(found: dict[str, Any], wall: list[float], whole_run_rows_per_second: float) -> list[Figure]:
    rows, passes = found["num_rows"], found["pipeline"]
    size = min(PLAIN_BATCHES, key=lambda size: float(np.median(found[str(size)])))
    plain, fastest = found[str(size)], f"plain loop in batches of {size:,}"
    median = {name: float(np.median([one[name] for one in passes])) for name in passes[0]}
    rest = median["seconds"] - median["load"] - median["score_candidates"] - median["encode_candidates"]
    spent = (
        f"scoring {median['score_candidates']:.2f} s, encoding {median['encode_candidates']:.2f} s, Beam {rest:.2f} s"
    )
    return [
        at_least(f"pipeline of encode + RunInference, wall time / {fastest}", Ratio.of(plain, wall), TARGET, spent),
        at_least(
            f"score_candidates in that pipeline, its own time / {fastest}",
            Ratio.of(plain, [one["score_candidates"] for one in passes]),
            TARGET,
            "blocks of 8,192 as in the loop; the rest: Arrow to arrays, checks of the arrays, building the result",
        ),
        at_least(
            f"score_candidates in a whole run / {fastest}",
            Ratio(tuple(whole_run_rows_per_second / (rows / seconds) for seconds in plain)),
            TARGET,
            "as above, a table a bucket; in a run of few users the model's first call, which compiles, weighs too",
        ),
    ]


def _rate(rows: int, seconds: list[float]) -> str:
    return f"{rows / float(np.median(seconds)):,.0f}"
