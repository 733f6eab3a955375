"""Copies of one recording: a song on a single and on an album is two tracks, but one thing to hear."""

import polars as pl

from transforms.catalog.names import name_key

# Lengths of copies differ by what is cut off at their ends.
_MAX_DIFFERENCE_MS = 2_000
_NAMES = ("_title", "artist_id", "_explicit")


def recordings(tracks: pl.DataFrame, metadata: pl.DataFrame, *, match_names: bool) -> pl.Series:
    """Return the code of the track that stands for the recording of each track, int32; its own if it has no copy.

    Tracks of one recording_id are copies. With `match_names` tracks without one are copies if they have the same title
    and artist, are both explicit or both not, and each is at most 2 s longer than the next shorter one.

    Of copies the one stands for all whose release date is unknown or, if all are known, the earliest; then by id.

    tracks: READ_TRACKS, distinct. metadata: TRACK_METADATA of the same rows.
    """
    coded = metadata.with_row_index("code").select(
        pl.col("code").cast(pl.Int32), "artist_id", "duration_ms", "release_date"
    )
    named = coded.hstack(
        tracks.select(
            _recording=name_key(pl.col("recording_id")).replace("", None),
            _title=name_key(pl.col("title")).replace("", None),
            _explicit=pl.col("explicit").fill_null(False),
        )
    )
    by_id = named.drop_nulls("_recording").select("code", "release_date", group=pl.col("_recording").rank("dense"))
    copies = [_representatives(by_id)]
    if match_names:
        unknown = named.filter(pl.col("_recording").is_null()).drop_nulls(("_title", "artist_id", "duration_ms"))
        twins = unknown.filter(pl.struct(_NAMES).is_duplicated()).sort(*_NAMES, "duration_ms", "code")
        copies.append(_representatives(_by_length(twins)))
    found = pl.concat(copies)
    joined = coded.select("code").join(found, on="code", how="left", maintain_order="left")
    return joined.select(pl.coalesce("recording", "code").alias("recording")).to_series()


def _by_length(twins: pl.DataFrame) -> pl.DataFrame:
    """Group tracks that are in order of name and length: code, release_date, group."""
    is_longer = pl.col("duration_ms").diff() > _MAX_DIFFERENCE_MS
    is_other = pl.struct(_NAMES).rle_id().diff() > 0
    return twins.select("code", "release_date", group=(is_longer | is_other).fill_null(False).cum_sum())


def _representatives(grouped: pl.DataFrame) -> pl.DataFrame:
    """Return the track that stands for the group of each track: code, recording."""
    ordered = grouped.sort("group", "release_date", "code", nulls_last=False)
    return ordered.select("code", recording=pl.col("code").first().over("group"))
