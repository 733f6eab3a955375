"""item_item: neighbours of all tracks by the product's stages and by implicit's CosineRecommender on the same plays."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.sparse import coo_matrix, load_npz, save_npz

from pipelines.inputs.inputs import inspect_input
from pipelines.options.beam_flags import parse_beam
from pipelines.options.options import RunOptions
from tests.benchmarks.child_process import Child, in_child
from tests.benchmarks.report import Ratio, Section, Table, at_most, megabytes, spread
from tests.benchmarks.stage_times import stage_times
from tests.benchmarks.worlds import AS_OF, World
from tests.worlds import MAX_USER_EVENTS, MIN_PLAYED_AT
from transforms.catalog.build_catalog import count_tracks, sum_track_counts
from transforms.catalog.co_listening import keep_first_listens, num_track_buckets, split_listens
from transforms.catalog.neighbours import find_neighbours
from transforms.events.clean_events import clean_events, keep_plays
from transforms.events.listening import is_listened
from transforms.events.order_histories import keep_first, order_histories
from transforms.reading.read_tables import read_row_group
from transforms.tables.buckets import CombineBuckets, GroupByBucket, MapBuckets, Opened, open_frame
from transforms.tables.columns import to_frame, to_table
from transforms.tables.schemas import EVENT_ROWS, EVENTS, LISTENS, NEIGHBOURS, PLAYS, TRACK_COUNTS

TARGET = 1.5


@dataclass(frozen=True)
class ItemItem:
    """Plays of a sample world."""

    world: World
    num_tracks: int
    repetitions: int

    def __call__(self) -> Section:
        """Measure both, in turns."""
        with tempfile.TemporaryDirectory() as folder:
            files = {"events": self.world.event_files, "tracks": f"{self.world.folder}/tracks"}
            num_plays = in_child(write_plays, folder=folder, **files).result
            arguments: dict[str, Any] = {"folder": folder, "num_neighbours": RunOptions.num_neighbours}
            ours, theirs = [], []
            for _ in range(self.repetitions):
                ours.append(in_child(by_stages, **arguments))
                theirs.append(in_child(by_implicit, **arguments))
        return self.section(num_plays, ours, theirs)

    def section(self, num_plays: int, ours: list[Child], theirs: list[Child]) -> Section:
        """Return the figures and tables."""
        ratio = Ratio.of([child.result["seconds"] for child in ours], [child.result["seconds"] for child in theirs])
        stages = ours[-1].result["stages"]
        named = ", ".join(f"{name} {stage['seconds']:.1f} s" for name, stage in list(stages.items())[:3])
        jobs = {"our stages in Beam": ours, "implicit CosineRecommender": theirs}
        rows = [_row(name, num_plays, children) for name, children in jobs.items()]
        return Section(
            "item_item: neighbours of all tracks",
            f"A sample world: {num_plays:,} plays of {self.world.num_users:,} users, {self.num_tracks:,} tracks,"
            f" {RunOptions.num_neighbours} neighbours each. Ours sum weights of first listens by distance and gap, in"
            " buckets of tracks to which the listens are shuffled; implicit multiplies the whole matrix of users and"
            " tracks, without order or time. Times are without reading and without imports. What takes most memory is a"
            " bucket of tracks: 20 bytes for each listen near one of its tracks.",
            [at_most("our stages / implicit", ratio, TARGET, f"{named}; the rest is Beam's shuffle")],
            [Table("Neighbours", ("job", "time", "plays/s", "pairs kept", "peak memory above imports"), rows)],
        )


def _row(name: str, num_plays: int, children: list[Child]) -> tuple[str, ...]:
    seconds = [child.result["seconds"] for child in children]
    above = max(child.peak_bytes - child.bytes_before for child in children)
    rate = num_plays / float(np.median(seconds))
    return name, spread(seconds), f"{rate:,.0f}", f"{children[-1].result['pairs']:,}", megabytes(above)


def write_plays(folder: str, events: list[str], tracks: str) -> int:
    """Write PLAYS, ordered and whole users a file, and the users' counts of tracks as a matrix; return the plays."""
    track_ids = pl.read_parquet(f"{tracks}/*.parquet", columns=["track_id"])["track_id"].sort()
    codes = pl.DataFrame({"track_id": track_ids}).with_row_index("track").cast({"track": pl.Int32})
    total, first_user, entries = 0, 0, []
    for number, path in enumerate(events):
        (group,) = inspect_input("events", path, None, schema=EVENTS).row_groups
        pieces = [to_frame(table) for table in read_row_group(group, schema=EVENT_ROWS, column_mapping={})]
        checked = clean_events(
            pl.concat(pieces),
            as_of=AS_OF,
            min_played_at=MIN_PLAYED_AT,
            track_codes=codes,
            max_user_events=MAX_USER_EVENTS,
        )
        plays = keep_first(
            order_histories(to_frame(to_table(keep_plays(checked), PLAYS)), max_user_events=MAX_USER_EVENTS)
        )
        table = to_table(plays, PLAYS)
        with pa.ipc.new_file(f"{folder}/{number:04d}.arrow", table.schema) as writer:
            writer.write_table(table.combine_chunks())
        listened = plays.filter(is_listened()).select(user=pl.col("user_id").to_physical(), track="track")
        entries.append(listened.group_by("user", "track").len().with_columns(pl.col("user") + first_user))
        first_user += len(plays["user_id"].cat.get_categories())
        total += len(plays)
    counts = pl.concat(entries)
    columns = counts["len"].cast(pl.Float32), (counts["user"], counts["track"])
    save_npz(f"{folder}/counts.npz", coo_matrix(columns, shape=(first_user, len(codes))).tocsr())
    return total


def read_ipc(path: str) -> tuple[int, pa.Table]:
    """Map a bucket into memory."""
    return int(Path(path).stem), pa.ipc.open_file(pa.memory_map(path)).read_all()


def by_stages(folder: str, num_neighbours: int) -> dict[str, Any]:
    """Time the stages that BuildCatalog uses, from plays to neighbours."""
    files = sorted(str(path) for path in Path(folder).glob("*.arrow"))
    start = time.perf_counter()
    root = beam.Pipeline(options=parse_beam([]))
    paths = root | beam.Create(files, reshuffle=False)
    plays = paths | beam.Map(read_ipc).with_output_types(tuple[int, pa.Table])
    listens = plays | MapBuckets(keep_first_listens, out=LISTENS, moments=[AS_OF])
    grouped = listens | GroupByBucket("track", num_track_buckets(len(files)), split_listens)
    counts = plays | CombineBuckets(count_tracks, sum_track_counts, out=TRACK_COUNTS, as_of=AS_OF, half_life_days=14.0)
    near = grouped | MapBuckets(
        find_neighbours,
        out=NEIGHBOURS,
        moment=0,
        track_counts=Opened(counts, open_frame),
        num_neighbours=num_neighbours,
    )
    with tempfile.TemporaryDirectory() as output:
        near | beam.MapTuple(lambda key, table: pq.write_table(table, f"{output}/{key}.parquet"))
        result = root.run()
        result.wait_until_finish()
        seconds = time.perf_counter() - start
        pairs = int(pl.scan_parquet(f"{output}/*.parquet").select(pl.len()).collect().item())
    return {"seconds": seconds, "pairs": pairs, "stages": stage_times(result)}


def by_implicit(folder: str, num_neighbours: int) -> dict[str, Any]:
    """Time the fit alone, on all cores; the matrix of users and tracks exists before."""
    from implicit.nearest_neighbours import CosineRecommender

    matrix = load_npz(f"{folder}/counts.npz")
    start = time.perf_counter()
    model = CosineRecommender(K=num_neighbours, num_threads=0)
    model.fit(matrix, show_progress=False)
    return {"seconds": time.perf_counter() - start, "pairs": int(model.similarity.nnz)}
