"""A command: on which share of the pages each shelf stands."""

from dataclasses import dataclass

from pipelines.command import Command
from pipelines.options.flag_kinds import parse_share
from pipelines.options.options import flag

TOO_RARE = 3


@dataclass(frozen=True, kw_only=True)
class ShelfSharesOptions:
    """homeshelf shelf-shares: prints on which share of the pages each shelf stands."""

    run: str = flag("folder of a run, of its day, or output folder: the newest run")
    min_share: float = flag("share of the pages on which every shelf must stand", 0.0, kind=parse_share)


def print_shelf_shares(options: ShelfSharesOptions) -> int:
    """Print one line per shelf, the most frequent first; TOO_RARE if one is rarer than --min_share."""
    # Beam and Polars take seconds to load: not while commands are only listed
    from pipelines.inputs.published import PublishedRun, card_rows
    from transforms.pages.shelves.shelves import SHELF_IDS

    pages = PublishedRun(options.run).table("pages").collect()
    on_page = card_rows(pages).select("user_id", "surface", "shelf_id").unique()["shelf_id"].to_list()
    shares = {shelf: on_page.count(shelf) / max(len(pages), 1) for shelf in SHELF_IDS}
    for shelf, share in sorted(shares.items(), key=lambda one: -one[1]):
        print(f"{share:6.1%}  {shelf}")
    return TOO_RARE if min(shares.values()) < options.min_share else 0


COMMANDS = (
    Command(
        "shelf-shares",
        "shelf_shares_command:ShelfSharesOptions",
        "shelf_shares_command:print_shelf_shares",
        statuses=((TOO_RARE, "a shelf is rarer than `--min_share`"),),
    ),
)
