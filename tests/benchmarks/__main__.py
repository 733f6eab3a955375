"""Run the benchmarks, print what they found, and write a page of Markdown for each.

python -m tests.benchmarks                        all, at full size: an hour on 2 cores, 16 GiB
python -m tests.benchmarks --only=score           one of those below; several with commas
python -m tests.benchmarks --small                all, at sizes that say nothing: to try the benchmarks themselves
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from tests.benchmarks.candidates.cold_users import ColdUsers
from tests.benchmarks.candidates.item_item import ItemItem
from tests.benchmarks.candidates.new_tracks import NewTracks
from tests.benchmarks.candidates.retrieval import Retrieval
from tests.benchmarks.candidates.towers import TowersCost
from tests.benchmarks.candidates.warm_start import WarmStart
from tests.benchmarks.child_process import in_child
from tests.benchmarks.evaluation.evaluate import Evaluate
from tests.benchmarks.evaluation.signal import SignalBench
from tests.benchmarks.graph.featurize import Featurize
from tests.benchmarks.graph.scale import Scale
from tests.benchmarks.pages.assembly import Assembly
from tests.benchmarks.pages.pages import Pages
from tests.benchmarks.pages.weekly import Weekly
from tests.benchmarks.ranker.score import Score
from tests.benchmarks.ranker.scoring_speed import score_and_multiply, speed_section
from tests.benchmarks.ranker.training import RankerCost
from tests.benchmarks.report import Section, circumstances, markdown, show
from tests.benchmarks.worlds import ENDS_AT, find_world

NAMES = (
    "featurize",
    "score",
    "scale",
    "evaluate",
    "item_item",
    "towers",
    "retrieval",
    "new_tracks",
    "warm_start",
    "cold_users",
    "ranker",
    "ranker_speed",
    "signal",
    "assembly",
    "pages",
    "weekly",
)
OUTPUT = Path("docs/benchmarks")


@dataclass(frozen=True)
class Sizes:
    """Sizes of all benchmarks."""

    featurize_users: int  # about 184 events each
    row_by_row_events: int
    score_users: int
    score_rows: int
    scale_users: tuple[int, ...]
    evaluated_users: tuple[int, ...]
    compared_users: int
    item_item: tuple[int, int]  # users and tracks
    tower_tracks: tuple[int, ...]
    tower_sequences: int
    new_tracks: tuple[int, int]  # users and tracks of the world
    warm_start: tuple[int, int]  # users and tracks of the world
    searched_tracks: tuple[int, ...]
    searching_users: int
    assembly: tuple[int, int]  # users of the world, and users assembled
    assembly_bucket: int
    pages: tuple[int, int]  # users and tracks of the world
    ranker_examples: tuple[int, ...]
    signal: tuple[int, int, int, int]  # users and tracks of the world, seeds, users evaluated of each
    repetitions: int


FULL = Sizes(
    featurize_users=55_000,
    row_by_row_events=1_000_000,
    score_users=5_000,
    score_rows=5_000_000,
    scale_users=(1_000, 10_000, 100_000),
    evaluated_users=(10_000, 50_000, 200_000),
    compared_users=100_000,
    item_item=(55_000, 100_000),
    tower_tracks=(100_000, 1_000_000, 4_000_000),
    tower_sequences=50_000,
    new_tracks=(4_000, 20_000),
    warm_start=(1_000, 20_000),
    searched_tracks=(100_000, 1_000_000),
    searching_users=10_000,
    assembly=(10_000, 100_000),
    assembly_bucket=2_500,
    pages=(2_000, 5_000),
    ranker_examples=(1_000_000, 4_000_000),
    signal=(2_000, 5_000, 20, 250),
    repetitions=5,
)
SMALL = Sizes(
    featurize_users=500,
    row_by_row_events=20_000,
    score_users=300,
    score_rows=50_000,
    scale_users=(100, 200, 400),
    evaluated_users=(200, 400),
    compared_users=400,
    item_item=(500, 5_000),
    tower_tracks=(1_000, 5_000),
    tower_sequences=2_000,
    new_tracks=(300, 2_000),
    warm_start=(300, 2_000),
    searched_tracks=(10_000,),
    searching_users=300,
    assembly=(200, 400),
    assembly_bucket=100,
    pages=(300, 2_000),
    ranker_examples=(600_000, 900_000),
    signal=(200, 2_000, 1, 50),
    repetitions=2,
)


def numbers(text: str) -> tuple[int, ...]:
    """Read numbers divided by commas, as in 1000,10000."""
    return tuple(int(part) for part in text.split(","))


def names(text: str) -> tuple[str, ...]:
    """Read names of benchmarks divided by commas, as in featurize,score."""
    chosen = tuple(text.split(","))
    if unknown := set(chosen) - set(NAMES):
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: there are {', '.join(NAMES)}")
    return chosen


def main() -> None:
    """Run the chosen benchmarks."""
    parser = argparse.ArgumentParser(
        "python -m tests.benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", type=names, default=NAMES, help="which; default: all")
    parser.add_argument("--small", action="store_true", help="small sizes")
    parser.add_argument("--sizes", type=numbers, help="users of the scale benchmark, examples of the ranker's")
    parser.add_argument("--repetitions", type=int, help="how often each pair is measured")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(tempfile.gettempdir(), "homeshelf-benchmarks"),
        help="where sample worlds are kept",
    )
    parser.add_argument("--output", type=Path, help=f"folder of the pages; default: {OUTPUT}, with --small none")
    chosen = parser.parse_args()
    output = chosen.output or (None if chosen.small else OUTPUT)
    console = Console(width=None if sys.stdout.isatty() else 150)
    for name, benchmark in benchmarks(chosen).items():
        if name in chosen.only:
            console.print(f"{name} ...", style="dim")
            about, section = circumstances(), benchmark()
            show(console, section)
            if output:
                output.mkdir(parents=True, exist_ok=True)
                (output / f"{name}.md").write_text(markdown(about, section))


def benchmarks(chosen: argparse.Namespace) -> dict[str, Callable[[], Section]]:
    """Return all benchmarks by name; each makes its sample world when it starts."""
    sizes = SMALL if chosen.small else FULL
    data, repetitions = chosen.data, chosen.repetitions or sizes.repetitions
    data.mkdir(parents=True, exist_ok=True)
    scale_users = sorted(chosen.sizes or sizes.scale_users)
    ranker_examples = tuple(sorted(chosen.sizes or sizes.ranker_examples))
    return {
        "featurize": lambda: Featurize(find_world(data, sizes.featurize_users), sizes.row_by_row_events, repetitions)(),
        "score": lambda: Score(find_world(data, sizes.score_users), sizes.score_rows, repetitions)(),
        "scale": lambda: Scale([find_world(data, users) for users in scale_users])(),
        "evaluate": lambda: Evaluate(sizes.evaluated_users, sizes.compared_users, repetitions)(),
        "item_item": lambda: ItemItem(find_world(data, *sizes.item_item), sizes.item_item[1], repetitions)(),
        "towers": lambda: TowersCost(sizes.tower_tracks, sizes.tower_sequences, repetitions)(),
        "new_tracks": lambda: NewTracks(find_world(data, *sizes.new_tracks), ENDS_AT)(),
        "warm_start": lambda: WarmStart(find_world(data, *sizes.warm_start), ENDS_AT)(),
        "cold_users": lambda: ColdUsers(find_world(data, *sizes.new_tracks), ENDS_AT)(),
        "assembly": lambda: Assembly(
            find_world(data, sizes.assembly[0]), sizes.assembly[1], sizes.assembly_bucket, repetitions
        )(),
        "pages": lambda: Pages(find_world(data, *sizes.pages), is_small=chosen.small)(),
        "weekly": lambda: Weekly(find_world(data, *sizes.pages))(),
        "signal": lambda: SignalBench(find_world(data, *sizes.signal[:2]), *sizes.signal[2:])(),
        "ranker": lambda: RankerCost(ranker_examples, repetitions)(),
        "ranker_speed": lambda: speed_section(
            in_child(score_and_multiply, num_rows=sizes.ranker_examples[0], repetitions=repetitions).result
        ),
        "retrieval": lambda: Retrieval(sizes.searched_tracks, sizes.searching_users, repetitions)(),
    }


if __name__ == "__main__":
    main()
