"""Whatever is changed in a published run, homeshelf check finds: pages, tables and manifest."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import polars as pl
import pytest

from pipelines.check.check import check_pages
from pipelines.check.facts import Truth, find_truth
from pipelines.inputs.published import PublishedRun
from tests.runs import Published
from transforms.publishing.manifest import Manifest

Row = dict[str, Any]


class Corrupted(PublishedRun):
    """A run with other tables and another manifest; its files are those of the run."""

    def __init__(self, run: PublishedRun) -> None:
        self.__dict__.update(run.__dict__)
        self.changed: dict[str, pl.DataFrame] = {}

    def table(self, name: str) -> pl.LazyFrame:
        return self.changed[name].lazy() if name in self.changed else super().table(name)

    def change(self, name: str, changed: pl.DataFrame) -> None:
        self.changed[name] = changed

    def state(self, path: str, value: Callable[[Any], Any]) -> None:
        """Change a value of the manifest."""
        values = json.loads(self.manifest.to_json())
        place, (*above, last) = values, path.split(".")
        for key in above:
            place = place[key]
        place[last] = value(place.get(last))
        self.manifest = Manifest.from_json(values)
        # what was read from the former manifest
        self.__dict__.pop("rules", None)


@dataclass(frozen=True)
class Corruption:
    """A change of a run, and the claim that it violates."""

    claim: str
    change: Callable[[Corrupted], None]


def on_page(shelf_id: str, change: Callable[[Row, Row], None]) -> Callable[[Corrupted], None]:
    """Change the first page that has a shelf; the function gets the page and that shelf."""

    def apply(run: Corrupted) -> None:
        pages = run.table("pages").collect()
        ids = pages["shelves"].list.eval(pl.element().struct.field("shelf_id") == shelf_id)
        place = int(ids.list.any().arg_max())  # type: ignore[arg-type]
        page = pages[place].to_dicts()[0]
        change(page, next(one for one in page["shelves"] if one["shelf_id"] == shelf_id))
        one = pl.DataFrame([page], schema=pages.schema)
        run.change("pages", pl.concat([pages[:place], one, pages[place + 1 :]]))

    return apply


def setting(where: str, name: str, value: Any, shelf_id: str = "genre_mix") -> Callable[[Corrupted], None]:
    """Set a value of a page, of a shelf or of its first card."""

    def change(page: Row, shelf: Row) -> None:
        holder = {"page": page, "shelf": shelf, "card": shelf["tracks"][0]}[where]
        holder[name] = value(holder[name]) if callable(value) else value

    return on_page(shelf_id, change)


def rows(table: str, change: Callable[[pl.DataFrame], pl.DataFrame]) -> Callable[[Corrupted], None]:
    return lambda run: run.change(table, change(run.table(table).collect()))


def stating(path: str, value: Callable[[Any], Any]) -> Callable[[Corrupted], None]:
    return lambda run: run.state(path, value)


def both(*changes: Callable[[Corrupted], None]) -> Callable[[Corrupted], None]:
    def apply(run: Corrupted) -> None:
        for change in changes:
            change(run)

    return apply


def without_user(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.filter(pl.col("user_id") != frame["user_id"].cast(pl.String).sort()[0])


def with_constant(frame: pl.DataFrame, *, name: str, value: str | None) -> pl.DataFrame:
    return pl.concat([frame[:1].with_columns(pl.lit(value, pl.String).alias(name)), frame[1:]])


def double_scores(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col("score") * 2)


def swap_cards(page: Row, shelf: Row) -> None:
    first, second, *others = shelf["tracks"]
    shelf["tracks"] = [{**second, "position": 0}, {**first, "position": 1}, *others]


def put_twice(page: Row, shelf: Row) -> None:
    shelf["tracks"][0] = {**page["shelves"][-1]["tracks"][0], "position": 0}


def drop_last(page: Row, shelf: Row, *, of: str) -> None:
    del (page if of == "shelves" else shelf)[of][-1]


def repeat_shelf(page: Row, shelf: Row) -> None:
    page["shelves"].append({**shelf, "position": len(page["shelves"])})


def reverse_shelves(pages: pl.DataFrame) -> pl.DataFrame:
    changed = pages.to_dicts()
    for page in changed:
        page["shelves"] = page["shelves"][::-1]
        for position, shelf in enumerate(page["shelves"]):
            shelf["position"] = position
    return pl.DataFrame(changed, schema=pages.schema)


def tell_of_another(page: Row, shelf: Row) -> None:
    shelf["reason"] = shelf["reason"].replace("not long ago", "a while ago")


CLAIMED, TRUE_REASON = "what a shelf says is true", "the reason of a card is true"
SENTENCE, COMPLETE, METRICS = "the sentence below a title", "no value is missing", "metrics are those of the pages"
KNOWN, CANDIDATES, LISTED = "every known user has a page", "cards are candidates", "table of cards is what pages say"
CORRUPTIONS = {
    "title of a genre": Corruption(CLAIMED, setting("shelf", "title", "Your polka mix")),
    "title of a shelf": Corruption(CLAIMED, setting("shelf", "title", "Jump", "jump_back_in")),
    "title of another daypart": Corruption(
        "of that daypart",
        setting("shelf", "title", lambda now: f"Your {'night' if 'evening' in now else 'evening'} mix", "daypart_mix"),
    ),
    "dayparts of candidates": Corruption(
        "of that daypart", rows("candidates", lambda frame: frame.with_columns(daypart=(pl.col("daypart") + 1) % 4))
    ),
    "format of a shelf": Corruption("has the format of its kind", setting("shelf", "format", "grid", "genre_mix")),
    "first screen": Corruption(
        "the first screen holds its cap", setting("page", "relaxed", ["first_screen_artist_tracks", "first"])
    ),
    "sentence of a shelf": Corruption(SENTENCE, setting("shelf", "reason", "Because we say so")),
    "sentence of another shelf": Corruption(SENTENCE, setting("shelf", "reason", "You listen to a lot of polka")),
    "sentence of another time": Corruption(SENTENCE, on_page("jump_back_in", tell_of_another)),
    "sentence of another track": Corruption(
        SENTENCE, setting("shelf", "reason", "Everyone is playing x", "popular_now")
    ),
    "plain reason of another source": Corruption(
        TRUE_REASON, setting("card", "reason", "You are among the first to hear it", "jump_back_in")
    ),
    "plain reason instead of a seed": Corruption(
        TRUE_REASON,
        setting("card", "reason", "Often heard together with what you play", "because_you_listened"),
    ),
    "number of plays": Corruption(TRUE_REASON, setting("card", "reason", "Played 77 times, last 3 days ago")),
    "no reason": Corruption(COMPLETE, setting("card", "reason", None)),
    "no format": Corruption(COMPLETE, setting("shelf", "format", None)),
    "no sentence": Corruption(COMPLETE, setting("shelf", "reason", None)),
    "no score": Corruption(COMPLETE, setting("card", "score", None)),
    "score that is no number": Corruption(COMPLETE, setting("card", "score", float("nan"))),
    "no propensity": Corruption(COMPLETE, setting("card", "propensity", None)),
    "no score of a shelf": Corruption(COMPLETE, setting("shelf", "score", None)),
    "no propensity of a shelf": Corruption(COMPLETE, setting("shelf", "propensity", None)),
    "no propensity of a page": Corruption(COMPLETE, setting("page", "propensity", None)),
    "no track": Corruption(COMPLETE, setting("card", "track_id", None)),
    "no list of rules": Corruption(COMPLETE, setting("page", "relaxed", None)),
    "no shelves": Corruption(COMPLETE, setting("page", "shelves", None)),
    "half a propensity": Corruption("propensity is a probability", setting("card", "propensity", 0.5)),
    "propensity above 1": Corruption("propensity is a probability", setting("card", "propensity", 1.5)),
    "impossible shelf": Corruption("shelf_propensity is a probability", setting("shelf", "propensity", 0.0)),
    "propensity of a page": Corruption("the product of its choices", setting("page", "propensity", 0.5)),
    "dropped shelf": Corruption(METRICS, on_page("genre_mix", partial(drop_last, of="shelves"))),
    "dropped track": Corruption(METRICS, on_page("genre_mix", partial(drop_last, of="tracks"))),
    "dropped page": Corruption(KNOWN, rows("pages", lambda frame: frame[1:])),
    "dropped user": Corruption(KNOWN, both(*(rows(table, without_user) for table in ("pages", "cards", "candidates")))),
    "page of nobody": Corruption(KNOWN, setting("page", "user_id", "nobody")),
    "page of another surface": Corruption(KNOWN, setting("page", "surface", "discover")),
    "page twice": Corruption("one page a user", rows("pages", lambda frame: pl.concat([frame, frame[:1]]))),
    "track twice": Corruption("no track twice", on_page("genre_mix", put_twice)),
    "track of nobody": Corruption(CANDIDATES, setting("card", "track_id", "nothing")),
    "seed of nobody": Corruption(CANDIDATES, setting("card", "seed_track_id", "nothing")),
    "source": Corruption(CANDIDATES, setting("card", "source", "market")),
    "doubled score": Corruption(CANDIDATES, setting("card", "score", lambda now: now * 2)),
    "doubled scores of all candidates": Corruption("a score is the sum", rows("candidates", double_scores)),
    "score of a shelf": Corruption("a shelf's score", setting("shelf", "score", lambda now: now * 1.5)),
    "listed card dropped": Corruption(LISTED, rows("cards", lambda frame: frame[1:])),
    "listed card twice": Corruption(LISTED, rows("cards", lambda frame: pl.concat([frame, frame[-1:]]))),
    **{
        f"{name} of listed cards": Corruption(LISTED, rows("cards", partial(with_constant, name=name, value=value)))
        for name, value in {"user_id": "nobody", "title": "x", "artist_name": None, "seed_track_id": "x"}.items()
    },
    "swapped cards": Corruption("a shelf's score", on_page("genre_mix", swap_cards)),
    "position of a card": Corruption("tracks stand at", setting("card", "position", 7)),
    "position of a shelf": Corruption("shelves stand at", setting("shelf", "position", 9)),
    "unknown shelf": Corruption("shelves are known", setting("shelf", "shelf_id", "polka")),
    "shelf of another kind": Corruption(CLAIMED, setting("shelf", "shelf_id", "jump_back_in")),
    "shelf twice": Corruption("no title twice", on_page("genre_mix", repeat_shelf)),
    "what everyone plays first": Corruption("stands last", rows("pages", reverse_shelves)),
    "rule that there is not": Corruption("conflicts are those", setting("page", "relaxed", ["no rule"])),
    "conflicts": Corruption("conflicts are those", stating("conflicts", lambda now: {"a": 3})),
    "events kept": Corruption("the manifest's events add up", stating("events.kept", lambda now: now - 5)),
    "events kept and read": Corruption(
        "the manifest's events add up",
        both(stating("events.kept", lambda now: now - 5), stating("events.read", lambda now: now - 5)),
    ),
    "emptied rejects": Corruption(
        "rejected rows are those",
        both(
            stating("events.read", lambda now: now + 5),
            stating("events.rejected", lambda now: {**now, "exact_duplicate": now.get("exact_duplicate", 0) + 5}),
        ),
    ),
    **{
        f"metrics.{name}": Corruption(METRICS, stating(f"metrics.{name}", lambda now: now + 1))
        for name in ("pages", "empty_pages", "users_with_page", "tracks_on_pages", "tracks")
    },
    "metrics.shelves": Corruption(METRICS, stating("metrics.shelves.genre_mix", lambda now: now - 1)),
    "metrics.tracks_by_shelf": Corruption(METRICS, stating("metrics.tracks_by_shelf.genre_mix", lambda now: now - 1)),
}


@pytest.fixture(scope="module")
def plain(published: Published) -> tuple[PublishedRun, Truth]:
    run = PublishedRun(str(published.folder))
    return run, find_truth(run, "", "")


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_is_found(name: str, plain: tuple[PublishedRun, Truth]) -> None:
    run, corruption = Corrupted(plain[0]), CORRUPTIONS[name]
    corruption.change(run)
    found = [finding.claim for finding in check_pages(run, plain[1]) if len(finding.violations)]
    assert any(corruption.claim in claim for claim in found), found


def test_after_an_erasure_nobody_is_missing(plain: tuple[PublishedRun, Truth]) -> None:
    run = Corrupted(plain[0])
    both(*(rows(table, without_user) for table in ("pages", "cards", "candidates")))(run)
    run.state("erasures", lambda now: [{"at": "now", "rows": 1}])
    assert [finding.claim for finding in check_pages(run, plain[1]) if len(finding.violations)] == []
