"""How far the skipped artist moves down: python -m tests.quality.skip_flips --run=out/home.

For a skip of each of the first five tracks of every queue of a run, after which the queue has another track by the same
artist that is not of the album it goes on from: whether the first of these comes later than without the skip.
"""

import argparse

import polars as pl

from pipelines.inputs.published import open_published
from pipelines.runs.preview.queue_views import queue_branches

NUM_SKIPS = 5


def main(path: str) -> None:
    """Print the share of cases in which the artist moves down, and what else changes."""
    run = open_published(path)
    queues = run.table("queues").collect()
    artist = dict(run.catalog.tracks.select("track_id", "artist_id").rows())
    before, after, kept = [], [], []
    for queue, branches in zip(queues.to_dicts(), queue_branches(run, queues, NUM_SKIPS), strict=True):
        of_track = [artist[one["track_id"]] for one in queue["tracks"]]
        is_later = [one["source"] != "context" for one in queue["tracks"]]
        for skipped, places in enumerate(branches):
            own = [place for place in places if of_track[place] == of_track[skipped] and is_later[place]]
            if own and of_track[skipped] is not None:
                before.append(min(own) - skipped)
                after.append(1 + min(places.index(place) for place in own))
            if len(places) > 10:
                kept.append(sum(place <= skipped + 5 for place in places[:5]) / 5)
    moves = pl.DataFrame({"before": before, "after": after})
    down = moves.select((pl.col("after") > pl.col("before")).mean()).item()
    mean = moves.mean().row(0)
    print(
        f"{len(moves):,} skips: the artist moves down in {down:.1%}, from {mean[0]:.1f} to {mean[1]:.1f} tracks later"
    )
    print(f"of the next five tracks {sum(kept) / len(kept):.1%} would be next without the skip, too")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", required=True)
    main(parser.parse_args().run)
