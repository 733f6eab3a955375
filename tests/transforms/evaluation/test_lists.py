"""How candidates, pages and the lists of others become ranked lists."""

from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest

from models.towers.user_tower import UserTower
from tests.worlds import AS_OF, catalog_of, moment_of, random_plays, tracks_of
from transforms.candidates.sources import SOURCES
from transforms.embeddings.embeddings import Embeddings
from transforms.evaluation.encode_lists import LIST_ROWS, UnknownTracksError, encode_lists, renumber_ranks
from transforms.evaluation.list_candidates import list_candidates
from transforms.evaluation.list_pages import list_pages
from transforms.evaluation.schemas import EVALUATION_ROWS, FIRST_STAGE, RANKER
from transforms.features.features import SCORED
from transforms.features.hydrate import hydrate_candidates
from transforms.features.rewards import PROBABILITIES
from transforms.pages.assemble_pages import assemble_pages
from transforms.pages.composition.policy import Policy
from transforms.tables.columns import to_frame, to_table
from transforms.tables.schemas import PAGES


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> tuple[pl.DataFrame, object]:
    plays = random_plays(41)
    folder = tmp_path_factory.mktemp("catalog")
    catalog = catalog_of(plays, tracks_of(40), folder)
    candidates = hydrate_candidates(plays, **moment_of(plays, catalog, folder))
    score = (pl.col("track") * 7 % 11 / 11).cast(pl.Float32)
    chances = [pl.lit(None, pl.Float32).alias(name) for name in PROBABILITIES[1:]]
    scored = candidates.with_columns(score=score, p_listened=score.sqrt()).with_columns(chances)
    return to_frame(to_table(scored, SCORED)), catalog


def lists_of(evaluation_rows: pl.DataFrame) -> dict[tuple[str, str], list[int]]:
    assert to_table(evaluation_rows, EVALUATION_ROWS).num_rows == len(evaluation_rows)
    ordered = evaluation_rows.sort("rank")
    for (_, _), rows in ordered.group_by("system", "user_id"):
        assert rows["rank"].to_list() == list(range(len(rows)))
    parts = ordered.group_by("system", "user_id", maintain_order=True).agg("track")
    return {(system, user): tracks for system, user, tracks in parts.iter_rows()}


def test_every_source_has_the_list_that_it_proposed(scored: tuple) -> None:
    rows, _ = scored
    lists = lists_of(list_candidates(rows))
    users = rows["user_id"].unique().to_list()
    for number, source in enumerate(SOURCES):
        for user in users:
            mine = [
                r for r in rows.filter(pl.col("user_id") == user).iter_rows(named=True) if r["sources"] >> number & 1
            ]
            expected = [r["track"] for r in sorted(mine, key=lambda r: (-r[f"score_{source.name}"], r["track"]))]
            assert lists.get((source.name, user), []) == expected
            assert len(expected) <= source.quota


def test_the_union_goes_by_fusion_and_the_ranker_by_its_score(scored: tuple) -> None:
    rows, _ = scored
    lists = lists_of(list_candidates(rows))
    for user in rows["user_id"].unique().to_list():
        mine = rows.filter(pl.col("user_id") == user)
        for system, column in ((FIRST_STAGE, "blend_score"), (RANKER, "score")):
            assert lists[system, user] == mine.sort(column, "track", descending=[True, False])["track"].to_list()


def test_the_ranker_is_judged_by_its_chance_of_a_listen(scored: tuple) -> None:
    rows, _ = scored
    judged = list_candidates(rows).filter(pl.col("system") == RANKER).select("user_id", "track", "score")
    both = judged.join(rows.select("user_id", "track", "p_listened"), on=["user_id", "track"])
    assert len(both) == len(rows) and both["score"].equals(both["p_listened"])


def test_pages_are_read_shelf_by_shelf(scored: tuple) -> None:
    rows, catalog = scored
    policy = Policy(("home",), 5, 4, 0.0, 0.0, 0.0, 1, AS_OF)
    both = replace(policy, surfaces=("home", "discover"))
    vectors = Embeddings(np.zeros((40, 0), np.float32), UserTower(np.zeros((40, 0), np.float32), {}), "", None)
    home, pages = (
        to_frame(to_table(assemble_pages(rows, catalog=catalog, embeddings=vectors, policy=one, rules=()), PAGES))
        for one in (policy, both)
    )
    assert len(pages) == 2 * len(home), "the other surface is no part of the list"
    evaluation_rows = list_pages(pages, track_codes=catalog.coded.select("track_id", "track"))
    lists = lists_of(evaluation_rows)
    places = {
        row[:2]: row[2:] for row in evaluation_rows.select("user_id", "track", "shelf_id", "row", "column").iter_rows()
    }
    for page in home.iter_rows(named=True):
        cards = [
            (shelf["shelf_id"], shelf["position"], track["position"], int(track["track_id"][1:]))
            for shelf in page["shelves"]
            for track in shelf["tracks"]
        ]
        assert lists["page", page["user_id"]] == [track for *_, track in cards]
        for shelf, row, column, track in cards:
            assert places[page["user_id"], track] == (shelf, row, column)


def given(rows: list[tuple[str, int, object]]) -> pl.DataFrame:
    frame = LIST_ROWS.frame(
        [{"user_id": "a", "track_id": track, "rank": rank, "cutoff_at": cutoff_at} for track, rank, cutoff_at in rows]
    )
    return to_frame(to_table(frame, LIST_ROWS))


KNOWN = pl.DataFrame(
    {"track_id": ["s", "t"], "track": pl.Series([0, 1], dtype=pl.Int32), "release_date": [None, date(2026, 2, 1)]}
)


def test_only_the_rows_of_the_cutoff_count() -> None:
    other = AS_OF.replace(year=2025)
    coded = encode_lists(given([("s", 3, AS_OF), ("s", 1, other)]), system="x", cutoff_at=AS_OF, known_tracks=KNOWN)
    assert coded.select("user_id", "system", "track", "rank").rows() == [("a", "x", 0, 3)]
    to_table(coded, EVALUATION_ROWS)
    assert len(encode_lists(given([("s", 3, None)]), system="x", cutoff_at=AS_OF, known_tracks=KNOWN)) == 1
    assert encode_lists(given([]), system="x", cutoff_at=AS_OF, known_tracks=KNOWN).is_empty()


def test_lists_of_others_are_numbered_and_name_a_track_once() -> None:
    known = pl.DataFrame(
        {"track_id": list("rstu"), "track": pl.Series([0, 1, 2, 3], dtype=pl.Int32), "release_date": [None] * 4},
        schema_overrides={"release_date": pl.Date},
    )
    rows = given([("s", 7, AS_OF), ("t", 3, AS_OF), ("s", -2, AS_OF), ("u", 3, AS_OF), ("r", 9, AS_OF)])
    numbered = renumber_ranks(encode_lists(rows, system="x", cutoff_at=AS_OF, known_tracks=known))
    assert numbered.select("track", "rank").rows() == [(1, 0), (2, 1), (3, 2), (0, 3)]
    to_table(numbered, EVALUATION_ROWS)


@pytest.mark.parametrize("track", ["t", "u"])
def test_tracks_that_nobody_could_know_are_refused(track: str) -> None:
    with pytest.raises(
        UnknownTracksError, match=f"list 'x': 1 tracks, such as '{track}', were not known on 2026-01-01"
    ):
        encode_lists(given([("s", 0, AS_OF), (track, 1, AS_OF)]), system="x", cutoff_at=AS_OF, known_tracks=KNOWN)
