"""first_screen: what a listener sees first, and what it is worth, by strength of each part of the page's value.

python -m tests.benchmarks.pages.first_screen out/home sample [flag=strength,...]...

The run stood at an earlier moment (--as_of), so that its events go on for a week; `sample` is the folder of its sample
world, made by homeshelf sample with its default seed and end. Each further argument is a way to compose the candidates
of the run again, an empty one with its flags; without any it is WAYS. The first screen is the first SHELVES shelves,
the first CARDS cards of each.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from rich.console import Console

from pipelines.inputs.published import PublishedRun, card_rows
from pipelines.options.sample_options import SampleOptions
from pipelines.sample_world.world import WorldSpec
from tests.benchmarks.pages.page_measures import SEED, Stage, measure
from tests.benchmarks.pages.planted_reward import PlantedWorld
from tests.benchmarks.report import Section, Table, show
from transforms.evaluation.bootstrap import replicate_weights
from transforms.evaluation.matched_lists import rows_of
from transforms.evaluation.schemas import PLAYED_BEFORE
from transforms.pages.assemble_pages import assemble_pages
from transforms.tables.hashing import mix, stable_hash
from transforms.tables.surfaces import HOME

SHELVES, CARDS, MOST_BY_ARTIST, MANY_ARTISTS = 3, 5, 3, 5
NUM_REPLICATES = 400
# What each shelf is about, as an editor would say; stated here apart from the shelves' own declarations.
IDEAS = {
    "jump_back_in": "go on",
    **dict.fromkeys(("on_repeat", "recent_discoveries", "rediscover"), "favourites"),
    **dict.fromkeys(("genre_mix", "daypart_mix"), "mix"),
    **dict.fromkeys(("because_you_listened", "more_by_artists"), "more like"),
    **dict.fromkeys(("made_for_you", "weekly_discovery", "deep_cuts"), "discover"),
    **dict.fromkeys(("new_releases", "fresh"), "new"),
    **dict.fromkeys(("popular_now", "popular_in_genre"), "popular"),
}
BY_SCORE, BY_ACTIVATION = "the ranker's list in rows", "ACT-R in rows"
PUBLISHED, ANEW = "as published", "composed anew"
_OFF: dict[str, float] = dict.fromkeys(
    (
        *("artist_saturation", "genre_saturation", "idea_saturation", "interleaving"),
        *("first_screen_artist_tracks", "habit_share"),
    ),
    0,
)
WAYS: dict[str, dict[str, float]] = {
    ANEW: {},
    "all off": _OFF,
    **{
        f"{name}={strength:g} alone": _OFF | {name: strength}
        for name, strengths in {
            "first_screen_artist_tracks": (3,),
            "habit_share": (0.01, 0.3, 0.5),
            "idea_saturation": (0.25, 1),
            "interleaving": (0.25, 1),
            "artist_saturation": (0.1, 0.5),
            "genre_saturation": (0.1,),
        }.items()
        for strength in strengths
    },
}
_KINDS = ("all", "repeats", "discoveries")
Row = dict[str, float]


@dataclass(frozen=True)
class Pages:
    """Pages of a run's candidates, and what they are compared with."""

    stage: Stage
    world: PlantedWorld

    @cached_property
    def artists_played(self) -> pl.DataFrame:
        """Return how many artists each user has played: user_id, artists_played."""
        plays = rows_of(self.stage.evaluation_rows, PLAYED_BEFORE)
        named = plays.with_columns(artist=self.stage.run.catalog.tracks["artist"].gather(plays["track"]))
        counts = named.group_by("user_id").agg(artists_played=pl.col("artist").n_unique())
        return counts.with_columns(pl.col("user_id").cast(pl.String))

    def published(self) -> pl.DataFrame:
        """Return the pages of the run, of the same users."""
        users = self.stage.scored["user_id"].cast(pl.String).unique()
        pages = self.stage.run.table("pages").filter(pl.col("surface") == HOME).collect()
        return pages.with_columns(pl.col("user_id").cast(pl.String)).filter(pl.col("user_id").is_in(users.implode()))

    def composed(self, strengths: Mapping[str, float]) -> pl.DataFrame:
        """Compose the candidates again, with the policy of the run but for some strengths."""
        run = self.stage.run
        policy = replace(run.policy, surfaces=(HOME,), **dict[str, Any](strengths))
        return assemble_pages(
            self.stage.scored, catalog=run.catalog, embeddings=run.embeddings, policy=policy, rules=()
        )

    def in_rows(self, by: str, *, is_played: bool) -> pl.DataFrame:
        """Lay the candidates with the largest values of a column out in rows, without titles; played ones alone."""
        policy, ids = self.stage.run.policy, self.stage.run.catalog.tracks["track_id"]
        of_kind = self.stage.scored.filter((pl.col("plays_of_track") > 0) | pl.lit(not is_played))
        ranked = of_kind.sort("user_id", by, descending=[False, True], maintain_order=True)
        place = pl.int_range(pl.len(), dtype=pl.Int32).over("user_id")
        top = ranked.with_columns(place=place).filter(pl.col("place") < policy.shelf_size * policy.max_shelves)
        card = pl.struct(track_id=ids.gather(top["track"]), position=pl.col("place") % policy.shelf_size)
        rows = top.select("user_id", card.alias("card"), position=pl.col("place") // policy.shelf_size)
        shelves = rows.group_by("user_id", "position", maintain_order=True).agg(tracks="card")
        shelf = pl.struct("position", "tracks", shelf_id=pl.lit(""))
        nested = shelves.group_by("user_id", maintain_order=True).agg(shelves=shelf)
        return nested.with_columns(pl.col("user_id").cast(pl.String), surface=pl.lit(HOME))

    def accuracy(self, pages: pl.DataFrame) -> Row:
        """Return ndcg_2d by kind of targets, and the divergence of genres."""
        found = measure(self.stage, pages)
        names = [*(f"ndcg_2d, {kind}" for kind in _KINDS), "genre_kl"]
        return {name: found[name][0][0] / max(found[name][1][0], 1) for name in names}

    def first_screen(self, pages: pl.DataFrame) -> Row:
        """Return shares and means over pages."""
        cards = card_rows(pages).with_columns(pl.col("user_id").cast(pl.String))
        artists = self.stage.run.catalog.tracks.select("track_id", "artist")
        seen = cards.filter((pl.col("shelf_position") < SHELVES) & (pl.col("position") < CARDS))
        named = seen.join(artists, on="track_id").drop_nulls("artist")
        top = named.group_by("user_id", "artist").len().group_by("user_id").agg(top=pl.col("len").max())
        many = top.join(self.artists_played, on="user_id").filter(pl.col("artists_played") >= MANY_ARTISTS)
        heads = seen.unique(["user_id", "shelf_position"]).with_columns(idea=pl.col("shelf_id").replace_strict(IDEAS))
        ideas = heads.filter(pl.len().over("user_id") == SHELVES).group_by("user_id").agg(n=pl.col("idea").n_unique())
        opens = heads.filter(pl.col("shelf_position") == 0)["shelf_id"] == "jump_back_in"
        played = self.stage.scored.select("user_id", "plays_of_track", track_id=self._track_ids())
        known = seen.join(played.cast({"user_id": pl.String}), on=["user_id", "track_id"])
        means = {
            f"top artist <= {MOST_BY_ARTIST}": many["top"] <= MOST_BY_ARTIST,
            "top artist": many["top"],
            "ideas of 3": ideas["n"],
            "opens with jump_back_in": opens,
            "unplayed": known["plays_of_track"] == 0,
        }
        return {name: float(values.to_numpy().mean()) for name, values in means.items()}

    def _track_ids(self) -> pl.Series:
        return self.stage.run.catalog.tracks["track_id"].gather(self.stage.scored["track"])


def ratio(reward: pl.DataFrame, to: pl.DataFrame) -> tuple[float, float, float]:
    """Return the ratio of mean rewards of the same users, and its 95 % interval over users."""
    both = reward.join(to, on="user_id", suffix="_to")
    keys = mix(stable_hash(both["user_id"], seed=0) + np.uint64(SEED))
    weights = replicate_weights(keys, NUM_REPLICATES)
    of = (both["reward"].to_numpy() @ weights) / (both["reward_to"].to_numpy() @ weights)
    low, high = np.quantile(of[1:], (0.025, 0.975))
    return float(of[0]), float(low), float(high)


def section(pages: Pages, ways: Mapping[str, Mapping[str, float]]) -> Section:
    """Compose in every way and return the tables."""
    composed = {PUBLISHED: pages.published()}
    composed |= {name: pages.composed(strengths) for name, strengths in ways.items()}
    laid = {
        BY_SCORE: pages.in_rows("score", is_played=False),
        BY_ACTIVATION: pages.in_rows("activation", is_played=True),
    }
    rewards = {name: pages.world.reward(one) for name, one in composed.items()}
    plain = next(iter(rewards.values()))
    accuracy = {name: pages.accuracy(one) for name, one in {**laid, **composed}.items()}
    lists = accuracy[BY_SCORE]
    rows = []
    for name, found in accuracy.items():
        in_rows = f"{found['ndcg_2d, all'] / lists['ndcg_2d, all']:.3f}x"
        worth = "{:.3f}x ({:.3f} to {:.3f})".format(*ratio(rewards[name], plain)) if name in rewards else ""
        rows.append((name, *(f"{value:.4f}" for value in found.values()), in_rows, worth))
    screens = {name: pages.first_screen(one) for name, one in composed.items()}
    shares = [(name, *(f"{value:.3f}" for value in found.values())) for name, found in screens.items()]
    head = ("pages", *(f"ndcg {kind}" for kind in _KINDS), "genre_kl", "to the list", "planted reward")
    return Section(
        "first_screen: pages by what is seen first",
        f"{len(plain):,} users who listen in the week after; planted reward: mean, to that of the published pages.",
        [],
        [
            Table("Worth", head, rows),
            Table(f"First {SHELVES} shelves, {CARDS} cards each", ("pages", *next(iter(screens.values()))), shares),
        ],
    )


def sample_spec(folder: Path) -> WorldSpec:
    """Return the spec of a world that was made with the default seed and end; its sizes are those of its tables."""
    sizes = {
        name: sum(pq.read_metadata(path).num_rows for path in (folder / name).glob("*.parquet"))
        for name in ("users", "tracks")
    }
    played = pq.read_table(folder / "events", columns=["played_at"])["played_at"].to_pandas()
    ends_at = SampleOptions.ends_at
    num_days = round((ends_at - played.min().to_pydatetime()).total_seconds() / 86_400)
    return WorldSpec(
        num_users=sizes["users"],
        num_tracks=sizes["tracks"],
        num_days=num_days,
        seed=SampleOptions.seed,
        ends_at=ends_at,
    )


def parse_ways(texts: Sequence[str]) -> dict[str, dict[str, float]]:
    """Read ways to compose, flag=strength,flag=strength each; an empty text is the policy of the run."""
    pairs = {text: [one.split("=") for one in text.split(",") if one] for text in texts}
    integers = ("first_screen_artist_tracks", "shelf_size", "max_shelves")
    return {
        text or ANEW: {name: int(value) if name in integers else float(value) for name, value in of}
        for text, of in pairs.items()
    }


if __name__ == "__main__":
    run, sample, *given = sys.argv[1:]
    stage = Stage(PublishedRun(run))
    world = PlantedWorld.at(sample_spec(Path(sample)), stage.policy.as_of)
    show(Console(width=170), section(Pages(stage, world), parse_ways(given) or WAYS))
