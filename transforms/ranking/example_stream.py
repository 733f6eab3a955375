"""Training examples, streamed from the published files of features."""

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from models.ranker.contract import Examples
from transforms.events.match_impressions import IMPRESSION_COLUMNS, encode_impressions
from transforms.features.features import FEATURE_NAMES
from transforms.features.reward import label_column
from transforms.ranking.ranker_files import encode_batch
from transforms.tables.files import open_parquet


def stream_examples(
    paths: Sequence[str], rows: tuple[np.ndarray, np.ndarray], heads: Sequence[str]
) -> Iterator[Examples]:
    """Yield the examples of the files in order, a row group at a time.

    Rows are sorted by user, so a user is one group even across row groups and files. `rows` holds the embedding rows of
    track and artist codes (see Vocabulary.rows_of()); `heads` names the rewards whose labels are read.
    """
    labels = [label_column(name) for name in heads]
    impressions = (column.name for column in IMPRESSION_COLUMNS)
    columns = ("user_id", "track", "artist", "recent", *FEATURE_NAMES, *labels, *impressions)
    last_user, last_group = "", 0
    for frame, _ in row_groups(paths, columns):
        users = frame["user_id"].cast(pl.String)
        is_next = (users != users.shift(1)).fill_null(users[0] != last_user)
        group = is_next.cast(pl.Int32).cum_sum().to_numpy() + np.int32(last_group)
        last_user, last_group = users[-1], int(group[-1])
        label = frame.select(pl.col(labels).fill_null(float("nan"))).to_numpy(order="c")
        yield Examples({**encode_batch(frame, rows), **encode_impressions(frame)}, label, group)


def row_groups(paths: Sequence[str], columns: Sequence[str]) -> Iterator[tuple[pl.DataFrame, int]]:
    """Yield every row group that is not empty, with the number of rows of its file."""
    for path in paths:
        with open_parquet(path) as file:
            for number in range(file.num_row_groups):
                frame = pl.DataFrame(pl.from_arrow(file.read_row_group(number, columns=list(columns))))
                if len(frame):
                    yield frame, file.metadata.num_rows
