"""Measure lists with rectools.metrics, in its own environment; prints values and seconds as JSON.

    python tests/peers/metrics.py LISTS.parquet TARGETS.parquet

Both have user_id and track, the lists also rank (0 is best).
"""

import json
import sys
import time

import pandas as pd
from rectools import Columns
from rectools.metrics import MRR, NDCG, HitRate, Recall, calc_metrics


def main() -> None:
    lists, targets = (pd.read_parquet(path) for path in sys.argv[1:])
    names = {"user_id": Columns.User, "track": Columns.Item}
    lists = lists.rename(columns=names).assign(**{Columns.Rank: lists["rank"] + 1})[
        [Columns.User, Columns.Item, Columns.Rank]
    ]
    targets = targets.rename(columns=names)
    metrics = {f"NDCG@{k}": NDCG(k=k, divide_by_achievable=True) for k in (10, 20, 100)}
    metrics |= {f"Recall@{k}": Recall(k=k) for k in (10, 100)}
    metrics |= {"MRR@100": MRR(k=100), "HitRate@10": HitRate(k=10)}
    started = time.perf_counter()
    values = calc_metrics(metrics, reco=lists, interactions=targets)
    print(json.dumps({"seconds": time.perf_counter() - started, "values": values}))


if __name__ == "__main__":
    main()
