"""Measure lists with rectools.metrics, in its own environment; prints values and seconds by kind of targets as JSON.

    python tests/peers/metrics.py LISTS.parquet TARGETS.parquet

Both have user_id, track and is_played, the lists also rank (0 is best). Repeats are evaluated on the tracks of a list
that the user had played, discoveries on the others.
"""

import json
import sys
import time

import pandas as pd
from rectools import Columns
from rectools.metrics import MRR, NDCG, HitRate, Recall, calc_metrics

METRICS = {
    **{f"NDCG@{k}": NDCG(k=k, divide_by_achievable=True) for k in (10, 20, 100)},
    **{f"Recall@{k}": Recall(k=k) for k in (10, 100)},
    "MRR@100": MRR(k=100),
    "HitRate@10": HitRate(k=10),
}


def main() -> None:
    names = {"user_id": Columns.User, "track": Columns.Item}
    lists, targets = (pd.read_parquet(path).rename(columns=names) for path in sys.argv[1:])
    lists = lists.sort_values([Columns.User, "rank"], ignore_index=True)
    lists[Columns.Rank] = lists["rank"] + 1
    found = {"all": measured(lists, targets)}
    for kind, is_played in {"repeats": True, "discoveries": False}.items():
        started = time.perf_counter()
        part = lists[lists["is_played"] == is_played].copy()
        part[Columns.Rank] = part.groupby(Columns.User).cumcount() + 1
        filtered = time.perf_counter() - started
        found[kind] = measured(part, targets[targets["is_played"] == is_played])
        found[kind]["seconds"] += filtered
    print(json.dumps(found))


def measured(lists: pd.DataFrame, targets: pd.DataFrame) -> dict[str, object]:
    started = time.perf_counter()
    reco = lists[[Columns.User, Columns.Item, Columns.Rank]]
    values = calc_metrics(METRICS, reco=reco, interactions=targets[[Columns.User, Columns.Item]])
    return {"seconds": time.perf_counter() - started, "values": values}


if __name__ == "__main__":
    main()
