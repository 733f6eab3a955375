"""All features of one user's candidates: as published, or computed again from the run's input and artifacts."""

from collections.abc import Iterator

import polars as pl

from pipelines.inputs.inputs import InputTable, inspect_input
from pipelines.inputs.published import PublishedRun
from pipelines.inputs.state import events_of_run
from pipelines.options.options import UsageError
from transforms.candidates.carry_over import CARRY_OVER
from transforms.candidates.match_new_tracks import match_new_tracks
from transforms.candidates.new_tracks import NEW_TRACKS_SOURCE
from transforms.candidates.sources import SOURCES
from transforms.events.clean_events import clean_events, keep_plays, users_without_events
from transforms.events.order_histories import keep_first, order_histories
from transforms.features.features import FEATURES
from transforms.features.generate_candidates import generate_candidates
from transforms.pages.published_candidates import CANDIDATE_FEATURES, RANKED
from transforms.reading.read_tables import read_row_group
from transforms.tables.columns import Schema, to_frame, to_table
from transforms.tables.schemas import CHECKED, EVENT_ROWS, HISTORIES, PLAYS, USER_ROWS, USERS

_PUBLISHED = [one.name for one in FEATURES if one.name in RANKED.names]


def features_of_user(run: PublishedRun, candidates: pl.DataFrame) -> pl.DataFrame:
    """Return `candidates` with the columns of all FEATURES.

    Runs publish the features of a sample of users; those of others are computed as the run did, from its input.

    Args:
        run: the run.
        candidates: all rows of RANKED of one user, with the codes of tracks.

    Raises:
        UsageError: the input of the run is not there any more, or has changed.
    """
    user = candidates["user_id"][0]
    published = run.table(CANDIDATE_FEATURES.name).filter(pl.col("user_id") == user).collect()
    features = published if len(published) else _computed(run, str(user), candidates)
    found = candidates.drop(_PUBLISHED).join(
        features.select("track_id", *(one.name for one in FEATURES)), on="track_id", maintain_order="left"
    )
    if not found.select(_PUBLISHED).equals(candidates.select(_PUBLISHED)):
        raise UsageError(f"the features of {user}: the input of {run.folder} has changed since the run")
    return found


def _computed(run: PublishedRun, user: str, candidates: pl.DataFrame) -> pl.DataFrame:
    """Return track_id and all features, from the plays of the user as the run read them."""
    plays, options = _plays(run, user), run.options
    # a match does not depend on other users: they decide only whether the user is one of the nearest
    bit = 1 << [source.name for source in SOURCES].index(NEW_TRACKS_SOURCE)
    is_matched = (pl.col("sources") & bit) > 0
    matches = match_new_tracks(
        plays, catalog=run.catalog, embeddings=run.embeddings, as_of=run.as_of, floor=options.new_track_floor
    )
    generated = generate_candidates(
        plays,
        catalog=run.catalog,
        embeddings=run.embeddings,
        as_of=run.as_of,
        blend=run.blend,
        max_candidates=options.max_candidates,
        new_tracks=matches.join(candidates.filter(is_matched), on="track", how="semi", maintain_order="left"),
        carry_over=_carried_over(candidates, run),
    )
    ids = run.track_codes["track_id"]
    return generated.with_columns(track_id=ids.gather(generated["track"]))


def _carried_over(candidates: pl.DataFrame, run: PublishedRun) -> pl.DataFrame:
    """Return CARRY_OVER of the candidates that earlier runs of the week had shown."""
    carried = candidates.filter(pl.col("carried_over_position").is_not_null())
    return CARRY_OVER.conform(carried.with_columns(position="carried_over_position", day=pl.lit(run.as_of.date())))


def _plays(run: PublishedRun, user: str) -> pl.DataFrame:
    """Return PLAYS of one user, in order."""
    options = run.options
    events = events_of_run(vars(options), run.folder)
    plays = []
    for rows in _rows_of_user(events, EVENT_ROWS, user):
        checked = clean_events(
            rows,
            as_of=run.as_of,
            min_played_at=options.min_played_at,
            track_codes=run.track_codes,
            max_user_events=options.max_user_events,
        )
        plays.append(keep_plays(to_frame(to_table(checked, CHECKED))))
    if options.users_table:
        users = inspect_input("users_table", options.users_table, options.users_table_columns, schema=USERS)
        plays += [users_without_events(rows) for rows in _rows_of_user(users, USER_ROWS, user)]
    histories = order_histories(PLAYS.conform(*plays), max_user_events=options.max_user_events)
    return keep_first(to_frame(to_table(histories, HISTORIES)))


def _rows_of_user(table: InputTable, schema: Schema, user: str) -> Iterator[pl.DataFrame]:
    """Yield the rows of one user of an input table."""
    for group in table.row_groups:
        for rows in read_row_group(group, schema=schema, column_mapping=table.column_mapping):
            frame = to_frame(rows)
            yield frame.filter(pl.col("user_id").cast(pl.String) == user)
