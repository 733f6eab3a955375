"""Whatever is changed in a published run, homeshelf check finds: pages, tables, manifest and files."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines.check.check import check_pages
from pipelines.check.facts import Truth, find_truth
from pipelines.check.files import check_files
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


def double_scores(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col("score") * 2)


def swap_cards(page: Row, shelf: Row) -> None:
    first, second, *others = shelf["tracks"]
    shelf["tracks"] = [{**second, "position": 0}, {**first, "position": 1}, *others]


def put_twice(page: Row, shelf: Row) -> None:
    shelf["tracks"][0] = {**page["shelves"][-1]["tracks"][0], "position": 0}


def drop_last_track(page: Row, shelf: Row) -> None:
    del shelf["tracks"][-1]


def drop_last_shelf(page: Row, shelf: Row) -> None:
    del page["shelves"][-1]


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
KNOWN, CANDIDATES = "every known user has a page", "cards are candidates"
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
    "dropped shelf": Corruption(METRICS, on_page("genre_mix", drop_last_shelf)),
    "dropped track": Corruption(METRICS, on_page("genre_mix", drop_last_track)),
    "dropped page": Corruption(KNOWN, rows("pages", lambda frame: frame[1:])),
    "dropped user": Corruption(KNOWN, both(rows("pages", without_user), rows("candidates", without_user))),
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
    both(rows("pages", without_user), rows("candidates", without_user))(run)
    run.state("erasures", lambda now: [{"at": "now", "rows": 1}])
    assert [finding.claim for finding in check_pages(run, plain[1]) if len(finding.violations)] == []


def first(folder: Path, pattern: str) -> Path:
    return sorted(path for path in folder.glob(pattern) if path.is_file())[0]


def write(path: Path, content: bytes) -> None:
    # the file is a hard link to that of a shared run
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    write(path, bytes(content))


def state(folder: Path, change: Callable[[Row], None]) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    write(folder / "manifest.json", json.dumps(manifest).encode())


FILES: dict[str, Callable[[Path], None]] = {
    "flipped bit of pages": lambda folder: flip(first(folder, "pages/*")),
    "flipped bit of rejects": lambda folder: flip(first(folder, "rejected/*")),
    "flipped bit of the ranker": lambda folder: flip(first(folder, "models/*/variables/*")),
    "flipped bit of the blend": lambda folder: flip(first(folder, "blends/*/*")),
    "missing file of candidates": lambda folder: first(folder, "candidates/*").unlink(),
    "missing file of the ranker": lambda folder: first(folder, "models/*/*.parquet").unlink(),
    "added file of the ranker": lambda folder: write(first(folder, "models/*/*.pb").with_name("more.py"), b"x"),
    "added file of pages": lambda folder: write(folder / "pages" / "part-9.parquet", b"x"),
    "hash": lambda folder: state(folder, lambda now: now["tables"]["pages"]["files"][0].update(sha256="0" * 64)),
    "rows of a table": lambda folder: state(folder, lambda now: now["tables"]["pages"].update(rows=7)),
    "rows of a file": lambda folder: state(folder, lambda now: now["tables"]["pages"]["files"][0].update(rows=7)),
}


@pytest.mark.parametrize("name", FILES)
def test_a_changed_file_is_found(name: str, published: Published, tmp_path: Path) -> None:
    folder = tmp_path / "ds=2025-12-31" / published.folder.name
    shutil.copytree(published.folder, folder, copy_function=os.link)
    run = PublishedRun(str(folder), needs_pages=False)
    assert not any(len(finding.violations) for finding in check_files(run))
    FILES[name](folder)
    run = PublishedRun(str(folder), needs_pages=False)
    assert any(len(finding.violations) for finding in check_files(run))
