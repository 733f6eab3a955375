"""Choose how much of a track's popularity is added to the scores of the two towers.

python -m tests.benchmarks.candidates.popularity_priors --run=out/home

The towers and the catalog are those of a run whose events go on for a week after its --as_of. Searched are the tracks
that a user has not played, by their cosine plus a share of ln(1 + plays) times the temperature; a share of 1 puts all
of the popularity back that the logQ correction took out. Targets are the tracks that the user plays for the first time
in that week.
"""

import argparse
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pyarrow as pa
from rich.console import Console

from pipelines.inputs.inputs import inspect_input
from pipelines.inputs.published import PublishedRun
from pipelines.rendering.console import table_of_numbers
from tests.benchmarks.candidates.trained_towers import pairs_of, plays_in
from transforms.candidates.embedding_sources import popularity_bias
from transforms.catalog.deep_catalogue import NUM_DECILES, popularity_deciles
from transforms.embeddings.embeddings import open_embeddings
from transforms.embeddings.exact_search import Matches, SearchFilter
from transforms.embeddings.sequences import latest_sequences
from transforms.events.listening import is_listened
from transforms.reading.read_tables import read_row_group
from transforms.tables.columns import to_frame
from transforms.tables.groups import rank_in_run
from transforms.tables.schemas import EVENT_ROWS, EVENTS

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
HORIZON, GAP = timedelta(days=7), timedelta(minutes=30)
TOP_K, FIRST, TOP = 500, 100, 10


def plays_of(published: PublishedRun, until: datetime) -> pl.DataFrame:
    """Return PLAYS of the run's events before a moment."""
    options = published.options
    found = inspect_input("events", options.events, options.events_columns, schema=EVENTS)
    parts = [
        table
        for row_group in found.row_groups
        for table in read_row_group(row_group, schema=EVENT_ROWS, column_mapping=found.column_mapping)
    ]
    codes = published.catalog.tracks.select("track_id").with_row_index("track").cast({"track": pl.Int32})
    return plays_in(to_frame(pa.concat_tables(parts)), codes, until)


def measures(found: Matches, wanted: np.ndarray, is_tail: np.ndarray) -> tuple[float, ...]:
    """Return recall in FIRST and in TOP_K, NDCG in TOP, and coverage and tail recall of the FIRST ranks.

    wanted: bool [U, N]. is_tail: bool [N], the tracks that together have the last tenth of all plays, or none.
    """
    rank = rank_in_run(found.query)
    hit = wanted[found.query, found.item]
    count = wanted.sum(axis=1)
    recalls = [np.bincount(found.query, hit * (rank < most), len(count)) / count for most in (FIRST, TOP_K)]
    gains = np.bincount(found.query, hit * (rank < TOP) / np.log2(rank + 2), len(count))
    ideal = np.cumsum(1 / np.log2(np.arange(TOP) + 2))[np.minimum(count, TOP) - 1]
    covered = len(np.unique(found.item[rank < FIRST])) / len(is_tail)
    of_tail = (wanted & is_tail).sum(axis=1)
    found_of_tail = np.bincount(found.query, hit * is_tail[found.item] * (rank < FIRST), len(count))
    tail = float((found_of_tail[of_tail > 0] / of_tail[of_tail > 0]).mean())
    return *(float(one.mean()) for one in recalls), float((gains / ideal).mean()), covered, tail


def main() -> None:
    """Search with every share."""
    parser = argparse.ArgumentParser("python -m tests.benchmarks.candidates.popularity_priors", description=__doc__)
    parser.add_argument("--run", required=True, help="folder of a run, or an output folder")
    published = PublishedRun(parser.parse_args().run, needs_pages=False)
    catalog, embeddings = published.catalog, open_embeddings(published.artifact("embeddings"))
    as_of = datetime.fromisoformat(published.manifest.as_of)
    plays = plays_of(published, as_of + GAP + HORIZON)
    past = plays.filter(pl.col("known_at") < as_of)
    coming = plays.filter((pl.col("played_at") >= as_of + GAP) & is_listened())
    users, num_tracks = plays["user_id"].unique(maintain_order=True).to_list(), len(catalog.tracks)
    played = pairs_of(past, users, num_tracks)
    wanted = pairs_of(coming, users, num_tracks) & ~played
    vectors = embeddings.embed_users(latest_sequences(plays, as_of=as_of))
    chosen = wanted.any(axis=1) & vectors.any(axis=1)
    user, track = np.nonzero(played[chosen])
    is_nothing, is_tail = (
        np.all(embeddings.tracks == 0, axis=1),
        popularity_deciles(catalog).to_numpy() == NUM_DECILES - 1,
    )
    table = table_of_numbers(
        f"{int(chosen.sum()):,} users who hear something new within a week of {as_of:%F}",
        ("share of ln P", "recall@100", "recall@500", "NDCG@10", "coverage@100", "tail recall@100"),
    )
    for share in SHARES:
        prior = popularity_bias(catalog, share * published.options.temperature)
        found = embeddings.nearest(vectors[chosen], TOP_K, SearchFilter(user, track, is_nothing, prior))
        values = measures(found, wanted[chosen], is_tail)
        table.add_row(f"{share:g}", *(f"{value:.4f}" for value in values))
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
