"""Measure how well the part of the day and the kind of day predict which played tracks are played again.

python -m tests.benchmarks.candidates.dayparts --events=... --as_of=...

For every user, every context (a part of the day by the user's own clock; working day or weekend) and one week: the own
tracks played in it are to be found among all own tracks. They are ordered by base-level activation, and by that times
how much more of a track's activation was in this context than of all that the user plays, which is taken to be 1 until
`prior` plays of the track say otherwise. Printed is NDCG@10 and the difference, paired by user, with 95 % intervals.
"""

import argparse
from datetime import datetime, timedelta, timezone

import polars as pl
from rich.console import Console
from rich.table import Table

from models.metrics import ndcg_of_groups
from pipelines.ranker_study.boosting import mean_interval
from transforms.candidates.user_history import DEFAULT_DECAY
from transforms.events.dayparts import DAYPARTS, add_dayparts
from transforms.events.listening import SKIP_MS

HORIZON, TOP_K = timedelta(days=7), 10
PRIORS = (4, 16, 64)
CONTEXTS = {"part of the day": ("daypart", len(DAYPARTS)), "working day or weekend": ("weekend", 2)}


def listens_of(pattern: str, mapping: dict[str, str]) -> pl.DataFrame:
    """Return the plays of 30 s or more: user_id, track, played_at, daypart, weekend."""
    events = pl.read_parquet(pattern).rename(mapping)
    if "action" in events.columns:
        events = events.filter(pl.col("action").fill_null("play") == "play")
    if "ms_played" in events.columns:
        events = events.filter(pl.col("ms_played").fill_null(SKIP_MS) >= SKIP_MS)
    at = pl.col("played_at").cast(pl.Datetime("us", "UTC"))
    plays = events.select(pl.col("user_id").cast(pl.String), at, track="track_id")
    return add_dayparts(plays).with_columns(weekend=(pl.col("played_at").dt.weekday() > 5).cast(pl.Int8))


def cases_of(listens: pl.DataFrame, cutoff: datetime, context: str, number: int) -> pl.DataFrame:
    """Return the played tracks of every user and context with a target: context, user_id, label, activations."""
    past = listens.filter(pl.col("played_at") < cutoff)
    coming = listens.filter(pl.col("played_at").is_between(cutoff, cutoff + HORIZON, closed="left"))
    hours = ((pl.lit(cutoff) - pl.col("played_at")).dt.total_seconds() / 3600).clip(lower_bound=1)
    strength = hours.pow(-DEFAULT_DECAY)
    parts = []
    for index in range(number):
        is_here = pl.col(context) == index
        own = past.group_by("user_id", "track").agg(
            all=strength.sum(), here=strength.filter(is_here).sum(), plays=pl.len()
        )
        shares = past.group_by("user_id").agg(usual=is_here.mean())
        played = coming.filter(is_here).select("user_id", "track", label=pl.lit(1.0)).unique()
        rows = own.join(played, on=["user_id", "track"], how="left").with_columns(pl.col("label").fill_null(0.0))
        rows = rows.filter(pl.col("label").sum().over("user_id") > 0).join(shares, on="user_id")
        parts.append(rows.with_columns(context=pl.lit(index)))
    return pl.concat(parts).sort("context", "user_id", "track")


def score_of(prior: int) -> pl.Expr:
    """Return the activation times the lift of the context over the user's average."""
    share = (pl.col("here") / pl.col("all") * pl.col("plays") + pl.col("usual") * prior) / (pl.col("plays") + prior)
    return pl.col("all").log() + (share / pl.col("usual").clip(lower_bound=1e-6)).clip(lower_bound=1e-6).log()


def compare(cases: pl.DataFrame) -> list[tuple[str, ...]]:
    """Return a table with a row for each prior: users, NDCG@10 by activation alone, the difference and its interval."""
    group = cases.select(pl.struct("context", "user_id").rle_id()).to_series().to_numpy()
    users = cases.group_by("context", "user_id", maintain_order=True).first()["user_id"]
    label = cases["label"].to_numpy()
    plain = ndcg_of_groups(group, label, cases["all"].to_numpy(), TOP_K)
    found: list[tuple[str, ...]] = []
    for prior in PRIORS:
        score = cases.select(score_of(prior)).to_series().to_numpy()
        gained = ndcg_of_groups(group, label, score, TOP_K) - plain
        by_user = pl.DataFrame({"user_id": users, "plain": plain, "gained": gained}).group_by("user_id").mean()
        mean, low, high = mean_interval(by_user.sort("user_id")["gained"].to_numpy())
        of_all = f"{by_user['plain'].to_numpy().mean():.4f}"
        found.append((str(prior), f"{len(by_user):,}", of_all, f"{mean:+.4f} ({low:+.4f} to {high:+.4f})"))
    return found


def main() -> None:
    """Compare at each cutoff."""
    parser = argparse.ArgumentParser("python -m tests.benchmarks.candidates.dayparts", description=__doc__)
    parser.add_argument("--events", required=True, help="a pattern of Parquet files")
    parser.add_argument("--columns", default="", help="ours:theirs with commas")
    parser.add_argument("--as_of", required=True, help="cutoffs, with commas")
    chosen = parser.parse_args()
    mapping = {theirs: ours for ours, theirs in (part.split(":") for part in filter(None, chosen.columns.split(",")))}
    listens = listens_of(chosen.events, mapping)
    cutoffs = [datetime.fromisoformat(text).replace(tzinfo=timezone.utc) for text in chosen.as_of.split(",")]
    table = Table("context", "plays of prior", "users", "NDCG@10 by activation", "gained by the context")
    for name, (context, number) in CONTEXTS.items():
        cases = pl.concat(named(cases_of(listens, cutoff, context, number), cutoff) for cutoff in cutoffs)
        for row in compare(cases.sort("context", "user_id", "track")):
            table.add_row(name, *row)
    Console(width=120).print(table)


def named(cases: pl.DataFrame, cutoff: datetime) -> pl.DataFrame:
    """Make a user at another cutoff another user."""
    return cases.with_columns(pl.col("user_id") + f" {cutoff:%F}")


if __name__ == "__main__":
    main()
