"""Rank with RecTools' transformers on the split that `homeshelf evaluate --export` wrote.

Runs in the environment of requirements.txt, not in homeshelf's:

    python tests/peers/rank.py EXPORT sasrec LISTS.parquet

For each cutoff below EXPORT the model learns from `history` and ranks tracks for `users`: the best 100 that a user had
played and the best 100 of the others, together by score.

- sasrec: Kang and McAuley, ICDM 2018, with the full softmax that made it competitive again (Klenitskiy and Vasilev,
  RecSys 2023).
- esasrec: LiGR layers and sampled softmax (Tikhonovich et al., eSASRec, RecSys 2025).
"""

import argparse
import json
import time
from datetime import datetime
from pathlib import Path

import polars as pl
import torch
from pytorch_lightning import Callback, Trainer, seed_everything
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import SASRecModel
from rectools.models.nn.transformers.ligr import LiGRLayers

DEPTH = 100
USERS_AT_ONCE = 500
SHARED = {"n_blocks": 2, "n_heads": 2, "n_factors": 64, "session_max_len": 50, "batch_size": 128, "lr": 1e-3}
MODELS = {
    "sasrec": {**SHARED, "loss": "softmax"},
    "esasrec": {**SHARED, "loss": "sampled_softmax", "n_negatives": 512, "transformer_layers_type": LiGRLayers},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("export", type=Path)
    parser.add_argument("model", choices=sorted(MODELS))
    parser.add_argument("lists", type=Path)
    parser.add_argument("--epochs", type=int, default=15)
    options = parser.parse_args()
    cutoffs = sorted(options.export.glob("cutoff=*"))
    lists = [rank_cutoff(cutoff, options.model, options.epochs) for cutoff in cutoffs]
    options.lists.parent.mkdir(parents=True, exist_ok=True)
    pl.concat(lists).write_parquet(options.lists)


def rank_cutoff(cutoff: Path, model: str, epochs: int) -> pl.DataFrame:
    about = json.loads((cutoff / "about.json").read_text())
    history = pl.read_parquet(cutoff / "history" / "*.parquet")
    users = pl.read_parquet(cutoff / "users" / "*.parquet")["user_id"]
    seed_everything(about["seed"])
    started = time.perf_counter()
    rows = history.sort("user_id", "played_at").select(
        pl.col("user_id").alias(Columns.User),
        pl.col("track_id").alias(Columns.Item),
        pl.col("played_at").dt.replace_time_zone(None).alias(Columns.Datetime),
        pl.lit(1.0).alias(Columns.Weight),
    )
    dataset = Dataset.construct(rows.to_pandas())
    fitted = SASRecModel(
        **MODELS[model], epochs=epochs, get_trainer_func=trainer_of, get_trainer_func_kwargs={"epochs": epochs}
    )
    fitted.fit(dataset)
    print(f"{cutoff.name} {model}: {epochs} epochs, {time.perf_counter() - started:.0f} s", flush=True)
    played = history.select("user_id", "track_id").unique().with_columns(is_played=pl.lit(True))
    known = users.filter(users.is_in(played["user_id"].unique().implode()))
    parts = [
        ranked(fitted, dataset, known[start : start + USERS_AT_ONCE], played)
        for start in range(0, len(known), USERS_AT_ONCE)
    ]
    cutoff_at = pl.lit(datetime.fromisoformat(about["cutoff_at"])).dt.cast_time_unit("us")
    return pl.concat(parts).with_columns(cutoff_at=cutoff_at)


def trainer_of(epochs: int) -> Trainer:
    return Trainer(
        accelerator="cpu", max_epochs=epochs, min_epochs=epochs, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, deterministic=True, gradient_clip_val=1.0,
        callbacks=[Losses()],
    )  # fmt: skip


class Losses(Callback):
    """Print the training loss after each epoch."""

    def on_train_epoch_end(self, trainer: Trainer, module: torch.nn.Module) -> None:
        losses = {name: round(float(value), 4) for name, value in trainer.callback_metrics.items()}
        print(f"epoch {trainer.current_epoch + 1}: {losses}", flush=True)


def ranked(model: SASRecModel, dataset: Dataset, users: pl.Series, played: pl.DataFrame) -> pl.DataFrame:
    num_tracks = played["track_id"].n_unique()
    found = model.recommend(
        users=users.to_list(), dataset=dataset, k=num_tracks, filter_viewed=False, on_unsupported_targets="ignore"
    )
    scored = pl.from_pandas(found[[Columns.User, Columns.Item, Columns.Score]]).rename(
        {Columns.User: "user_id", Columns.Item: "track_id", Columns.Score: "score"}
    )
    marked = scored.join(played, on=["user_id", "track_id"], how="left").with_columns(
        pl.col("is_played").fill_null(False)
    )
    ordered = marked.sort("user_id", "score", "track_id", descending=[False, True, False])
    kept = ordered.filter(pl.int_range(pl.len()).over("user_id", "is_played") < DEPTH)
    rank = pl.int_range(pl.len(), dtype=pl.Int32).over("user_id").alias("rank")
    return kept.select("user_id", "track_id", rank)


if __name__ == "__main__":
    main()
