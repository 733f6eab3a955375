"""Random evaluation rows, and every metric of them by plain Python loops."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl

from tests.worlds import AS_OF, catalog_of, random_plays, tracks_of
from transforms.catalog.catalog import Catalog
from transforms.catalog.deep_catalogue import popularity_deciles
from transforms.evaluation.metrics.metric import Metric
from transforms.evaluation.metrics.system import PAGE, RANKER
from transforms.evaluation.schemas import ARRIVED_LATE, EVALUATION_ROWS, PLAYED_BEFORE, TARGET
from transforms.tables.columns import fill_columns, to_frame, to_table

SOURCES = ("near", "far")
SYSTEMS = (*SOURCES, PAGE, RANKER)
NUM_TRACKS = 60
Rows = list[dict[str, object]]


def catalog(folder: Path) -> Catalog:
    return catalog_of(random_plays(1, num_tracks=NUM_TRACKS), tracks_of(NUM_TRACKS), folder)


def random_evaluation_rows(seed: int, *, num_users: int = 40) -> pl.DataFrame:
    """Lists of 0 to 40 tracks, targets, played and late tracks of random users, with ties of scores."""
    rng = np.random.default_rng(seed)
    rows: Rows = []
    for number in range(num_users):
        user = f"ü{number:03d}"
        for mark, most in ((TARGET, 12), (PLAYED_BEFORE, 20), (ARRIVED_LATE, 4)):
            size = int(rng.integers(0, most))
            for track in rng.choice(NUM_TRACKS, size, replace=False):
                plays = int(rng.integers(1, 5))
                rows.append({"user_id": user, "system": mark, "track": int(track), "n_plays": plays})
        for system in SYSTEMS:
            size = int(rng.integers(0, 40))
            for rank, track in enumerate(rng.choice(NUM_TRACKS, size, replace=False)):
                row = {"user_id": user, "system": system, "track": int(track), "rank": rank}
                if system == PAGE:
                    row |= {
                        "shelf_id": f"shelf {rank // 5}",
                        "shelf_position": rank // 5,
                        "track_position": rank % 5,
                    }
                if system == RANKER:
                    row["score"] = float(np.float32(rng.integers(1, 20) / 20))
                rows.append(row)
    return evaluation_rows_of([rows[i] for i in rng.permutation(len(rows))])


def evaluation_rows_of(rows: Rows) -> pl.DataFrame:
    return to_frame(to_table(fill_columns(EVALUATION_ROWS.frame(rows), EVALUATION_ROWS), EVALUATION_ROWS))


def ndcg(ranks: list[int], total: int, k: int) -> float:
    ideal = sum(1 / math.log2(rank + 2) for rank in range(min(k, total)))
    return sum(1 / math.log2(rank + 2) for rank in ranks if rank < k) / ideal


class Plain:
    """Every metric by loops over users, systems and tracks."""

    def __init__(self, evaluation_rows: pl.DataFrame, catalog: Catalog) -> None:
        self.marks: dict[str, dict[str, dict[int, int]]] = defaultdict(lambda: defaultdict(dict))
        self.lists: dict[tuple[str, str], list[dict[str, object]]] = defaultdict(list)
        for row in evaluation_rows.iter_rows(named=True):
            if row["rank"] is None:
                self.marks[row["system"]][row["user_id"]][row["track"]] = row["n_plays"]
            else:
                self.lists[row["system"], row["user_id"]].append(row)
        for rows in self.lists.values():
            rows.sort(key=lambda row: row["rank"])
        self.catalog, self.decile = catalog, popularity_deciles(catalog).to_list()
        self.users = sorted(self.marks[TARGET])

    def targets(self, user: str, kind: str) -> dict[int, int]:
        wanted, played = self.marks[TARGET][user], self.marks[PLAYED_BEFORE][user]
        late = {t: n for t, n in self.marks[ARRIVED_LATE][user].items() if t not in wanted and t not in played}
        return {
            "all": wanted,
            "repeats": {t: n for t, n in wanted.items() if t in played},
            "discoveries": {t: n for t, n in wanted.items() if t not in played},
            "tail": {t: n for t, n in wanted.items() if self.decile[t] == 9},
            "late": late,
        }[kind]

    def ranked(self, system: str, user: str, kind: str) -> list[int]:
        played = self.marks[PLAYED_BEFORE][user]
        tracks = [int(row["track"]) for row in self.lists[system, user]]
        if kind == "repeats":
            return [t for t in tracks if t in played]
        return [t for t in tracks if t not in played] if kind in ("discoveries", "late") else tracks

    def mean(self, kind: str, value: Callable[[str], float | None], users: list[str]) -> float | None:
        evaluated = [value(user) for user in users if kind == "" or self.targets(user, kind)]
        known = [one for one in evaluated if one is not None]
        return sum(known) / len(known) if known else None

    def figure(self, metric: Metric, system: str, kind: str, users: list[str]) -> float | None:
        """The mean over the users for whom the metric has a value."""
        if metric.over == "scored":
            pairs = [pair for user in users if (pair := self.scored(metric.name, user))]
            return sum(one for one, _ in pairs) / sum(weight for _, weight in pairs) if pairs else None
        if metric.over == "list":
            return self.mean("", lambda user: self.listed(metric.name, system, user), users)
        if metric.name == "marginal_recall":
            return self.mean(kind, lambda user: self.marginal_recall(system, user, kind), users)
        if metric.over == "page":
            on_page = self.ndcg_2d if metric.name == "ndcg_2d" else self.share_of_plays
            return self.mean(kind, lambda user: on_page(user, kind), users)
        return self.mean(kind, lambda user: self.accuracy(metric.name, system, user, kind), users)

    def exposure(self, name: str, system: str) -> float:
        """A metric of the exposure that a system's lists give to the catalogue."""
        depth = int(name.partition("@")[2] or 100)
        shown = Counter(t for user in self.users for t in self.ranked(system, user, "all")[:depth])
        counts = [shown[track] for track in range(len(self.catalog.tracks))]
        if name.startswith("coverage"):
            return sum(n > 0 for n in counts) / len(counts)
        if name.startswith("gini"):
            return sum(abs(a - b) for a in counts for b in counts) / (2 * len(counts) * sum(counts))
        decile = int(name.removeprefix("exposure_decile_"))
        return sum(n for n, one in zip(counts, self.decile, strict=True) if one == decile) / sum(counts)

    def hits(self, system: str, user: str, kind: str) -> tuple[list[int], int]:
        wanted = self.targets(user, kind)
        return [p for p, t in enumerate(self.ranked(system, user, kind)) if t in wanted], len(wanted)

    def accuracy(self, name: str, system: str, user: str, kind: str) -> float:
        ranks, total = self.hits(system, user, kind)
        what, _, k = name.partition("@")
        within = [rank for rank in ranks if rank < int(k or 100)]
        if what == "ndcg":
            return ndcg(ranks, total, int(k))
        if what == "recall":
            return len(within) / total
        if what == "mrr":
            return 1 / (within[0] + 1) if within else 0.0
        return 1.0 if within else 0.0

    def marginal_recall(self, system: str, user: str, kind: str) -> float:
        wanted = self.targets(user, kind)
        others = {t for other in SOURCES if other != system for t in self.ranked(other, user, kind)}
        return len([t for t in self.ranked(system, user, kind) if t in wanted and t not in others]) / len(wanted)

    def share_of_plays(self, user: str, kind: str, shelf: str = "") -> float:
        wanted = self.targets(user, kind)
        shown = {row["track"] for row in self.lists[PAGE, user] if not shelf or row["shelf_id"] == shelf}
        return sum(n for t, n in wanted.items() if t in shown) / sum(wanted.values())

    def ndcg_2d(self, user: str, kind: str) -> float:
        wanted = self.targets(user, kind)
        gains = [
            1 / math.log2(row["shelf_position"] + 2) / math.log2(row["track_position"] + 2)
            for row in self.lists[PAGE, user]
            if row["track"] in wanted
        ]
        grid = sorted((1 / math.log2(r + 2) / math.log2(c + 2) for r in range(50) for c in range(50)), reverse=True)
        return sum(gains) / sum(grid[: len(wanted)])

    def listed(self, name: str, system: str, user: str) -> float | None:
        tracks = self.ranked(system, user, "all")[:10]
        if not tracks:
            return None
        rows = [self.catalog.tracks.row(track, named=True) for track in tracks]
        if name == "repeat_share":
            return sum(t in self.marks[PLAYED_BEFORE][user] for t in tracks) / len(tracks)
        if name == "tail_share":
            return sum(self.decile[t] == 9 for t in tracks) / len(tracks)
        if name == "novelty":
            total = self.catalog.tracks["n_plays"].sum() + len(self.catalog.tracks)
            return -sum(math.log2((row["n_plays"] + 1) / total) for row in rows) / len(rows)
        if name == "fresh_share":
            fresh = [(AS_OF.date() - row["release_date"]) <= timedelta(days=28) for row in rows]
            return sum(fresh) / len(fresh)
        if name == "genre_kl":
            return self.genre_kl(rows, user)
        what = name.removesuffix("_diversity")
        pairs = [(a, b) for i, a in enumerate(rows) for b in rows[:i]]
        different = sum(a[what] is None or a[what] != b[what] for a, b in pairs)
        return different / len(pairs) if pairs else None

    def genre_kl(self, rows: Rows, user: str) -> float | None:
        played: Counter[int] = Counter()
        for track, n in self.marks[PLAYED_BEFORE][user].items():
            if (genre := self.catalog.tracks["genre"][track]) is not None:
                played[genre] += n
        shown = Counter(row["genre"] for row in rows if row["genre"] is not None)
        if not played:
            return None
        divergence = 0.0
        for genre, n in played.items():
            p, q = n / played.total(), shown[genre] / max(1, shown.total())
            divergence += p * math.log(p / (0.99 * q + 0.01 * p))
        return divergence

    def scored(self, name: str, user: str) -> tuple[float, float] | None:
        """Value and weight."""
        rows = self.lists[RANKER, user]
        label = [row["track"] in self.marks[TARGET][user] for row in rows]
        if name == "log_loss":
            losses = [
                -math.log(r["score"] if y else 1 - min(r["score"], 1 - 1e-7)) for r, y in zip(rows, label, strict=True)
            ]
            return (sum(losses), len(losses)) if rows else None
        if name == "auc":
            marked = list(zip(rows, label, strict=True))
            pairs = [(a["score"], b["score"]) for a, y in marked for b, z in marked if y and not z]
            wins = sum((a > b) + (a == b) / 2 for a, b in pairs)
            return (wins / len(pairs), 1.0) if pairs else None
        ranks = [rank for rank, y in enumerate(label) if y]
        return (ndcg(ranks, len(ranks), int(name.split("@")[1])), 1.0) if ranks else None


def binned(name: str, rows: Rows) -> float:
    """AUC by pairs of rows of score bins, or the calibration error of score groups."""
    if name == "auc_of_all":
        pairs = [(a["bin"], b["bin"], a["n_positives"] * (b["n_rows"] - b["n_positives"])) for a in rows for b in rows]
        return sum(n * ((a > b) + (a == b) / 2) for a, b, n in pairs) / sum(n for *_, n in pairs)
    errors = [abs(row["mean_score"] - row["positive_rate"]) * row["rows"] for row in rows]
    return sum(errors) / sum(row["rows"] for row in rows)
