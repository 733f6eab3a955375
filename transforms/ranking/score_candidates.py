"""Score whole tables of candidates with Beam's RunInference."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import polars as pl
import pyarrow as pa
from apache_beam.ml.inference.base import ModelHandler, ModelMetadata, RunInference

from models.ranker.contract import Ranker
from transforms.catalog.catalog import Catalog, open_catalog
from transforms.features.feature_tables import CANDIDATES, SCORED
from transforms.features.rewards import PROBABILITIES, REWARD_NAMES, expected_reward
from transforms.ranking.ranker_files import Vocabulary, encode_batch, open_vocabulary
from transforms.tables.artifacts import local_copy
from transforms.tables.buckets import Element, MapBuckets, Opened
from transforms.tables.columns import Column, to_frame, to_table
from transforms.tables.schemas import RECENT_LENGTH
from transforms.tables.stage_counters import StageCounters

LoadRanker = Callable[[str], Ranker]
_ENCODED = CANDIDATES.extended(
    "encoded_candidates",
    Column("track_row", pa.int32(), "row of the track's embedding; 0: unknown"),
    Column("artist_row", pa.int32(), "row of the artist's embedding; 0: unknown"),
    Column("recent_rows", pa.list_(pa.int32(), RECENT_LENGTH), "rows of the user's latest tracks; 0: unknown or none"),
)


@dataclass(eq=False)
class ScoreCandidates(beam.PTransform):
    """score_candidates() on every bucket; `ranker_path` and `catalog_path` hold one path each."""

    ranker_path: beam.PCollection
    catalog_path: beam.PCollection
    load: LoadRanker

    def expand(self, candidates: beam.PCollection) -> beam.PCollection:
        """Encode, then infer; the model's path is known only when the graph runs, so it comes as a side input."""
        encoded = candidates | MapBuckets(
            encode_candidates,
            out=_ENCODED,
            catalog=Opened(self.catalog_path, open_catalog),
            vocabulary=Opened(self.ranker_path, open_vocabulary),
        )
        models = self.ranker_path | beam.Map(lambda path: ModelMetadata(model_id=path, model_name="ranker"))
        handler = RankerHandler(self.load)
        return encoded | RunInference(handler, model_metadata_pcoll=models).with_output_types(Element)


def encode_candidates(candidates: pl.DataFrame, *, catalog: Catalog, vocabulary: Vocabulary) -> pl.DataFrame:
    """Return CANDIDATES with the embedding rows that the ranker has for the catalog's codes (_ENCODED)."""
    batch = encode_batch(candidates, vocabulary.rows_of(catalog))
    recent = pl.Series("recent_rows", batch["recent"], dtype=pl.Array(pl.Int32, RECENT_LENGTH))
    return candidates.with_columns(
        pl.Series("track_row", batch["track"]), pl.Series("artist_row", batch["artist"]), recent
    )


def score_candidates(encoded: pl.DataFrame, *, ranker: Ranker) -> pl.DataFrame:
    """Return SCORED from encode_candidates(); the probability of a reward that the ranker does not predict is null."""
    batch = {
        "dense": encoded.select(ranker.spec.dense).to_numpy(order="c"),
        "track": encoded["track_row"].to_numpy(),
        "artist": encoded["artist_row"].to_numpy(),
        "recent": encoded["recent_rows"].to_numpy().reshape(-1, RECENT_LENGTH),
    }
    scored = ranker.score(batch)
    probabilities = {name: scored[:, head] for head, name in enumerate(ranker.spec.heads)}
    columns = [
        pl.Series(column, probabilities[name]) if name in probabilities else pl.lit(None, pl.Float32).alias(column)
        for name, column in zip(REWARD_NAMES, PROBABILITIES, strict=True)
    ]
    return encoded.select(CANDIDATES.names).with_columns(pl.Series("score", expected_reward(probabilities)), *columns)


class RankerHandler(ModelHandler[Element, Element, Ranker]):
    """Handler of whole tables and of a ranker's path; Beam's own TensorFlow handlers require rows and Keras."""

    def __init__(self, load: LoadRanker) -> None:
        """Store the function that opens a ranker."""
        super().__init__()
        self._load = load
        self._path = ""

    def load_model(self) -> Ranker:
        """Open the ranker at the path of the side input."""
        return self._load(str(local_copy(self._path)))

    def update_model_path(self, model_path: str | None = None) -> None:
        """Store the path of the side input."""
        self._path = model_path or self._path

    def run_inference(
        self, batch: Sequence[Element], model: Ranker, inference_args: Mapping[str, Any] | None = None
    ) -> Iterable[Element]:
        """Score each table of the batch, which holds one."""
        for bucket, table in batch:
            with StageCounters("score_candidates", bucket) as counters:
                scored = to_table(score_candidates(to_frame(table), ranker=model), SCORED)
                counters.record(scored)
            yield bucket, scored

    def batch_elements_kwargs(self) -> Mapping[str, Any]:
        """Return the batch size 1: a table is a batch already."""
        return {"min_batch_size": 1, "max_batch_size": 1}

    def get_num_bytes(self, batch: Sequence[Element]) -> int:
        """Return the size of the tables; the inherited method would pickle them."""
        return sum(int(table.nbytes) for _, table in batch)

    def get_metrics_namespace(self) -> str:
        """Return the namespace of Beam's inference metrics, which is that of the stage."""
        return "score_candidates"
