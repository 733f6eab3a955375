"""compose() one user, one position, one shelf, one track after the other: what the vectorised one must equal."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import polars as pl

from tests.transforms.pages.small_pages import VECTORS, Row
from transforms.pages.composition.policy import Policy
from transforms.pages.rules.rule import Rule, RuleKind
from transforms.pages.rules.rule_kinds import Cap, Pin, Quota, Spacing
from transforms.pages.shelves.shelf import Shelf

# position -> (index, tracks)
Page = dict[int, tuple[int, list[int]]]


def slow_pages(
    candidates: pl.DataFrame, shelves: tuple[Shelf, ...], policy: Policy, rules: tuple[Rule, ...] = ()
) -> list[list[tuple[int, list[int]]]]:
    """Every user's page, in order of users: (index, tracks) of each position."""
    asked = {f"where_{index}": shelf.where for index, shelf in enumerate(shelves)}
    ordered = {f"order_{index}": shelf.order.cast(pl.Float32) for index, shelf in enumerate(shelves)}
    rows = candidates.with_columns(**asked, **ordered).to_dicts()
    users = sorted({row["user_id"] for row in rows})
    of_user = [[row for row in rows if row["user_id"] == user] for user in users]
    pages = [SlowPage(of, shelves, policy, rules).compose() for of in of_user]
    return [[page[position] for position in sorted(page)] for page in pages]


def every_page(
    candidates: pl.DataFrame, shelves: tuple[Shelf, ...], policy: Policy, rules: tuple[Rule, ...] = ()
) -> Iterator[tuple[tuple[tuple[int, tuple[int, ...]], ...], float]]:
    """Each page that can be drawn for one user, with its probability: every sequence of choices once."""
    asked = {f"where_{index}": shelf.where for index, shelf in enumerate(shelves)}
    ordered = {f"order_{index}": shelf.order.cast(pl.Float32) for index, shelf in enumerate(shelves)}
    rows = candidates.with_columns(**asked, **ordered).to_dicts()
    todo: list[list[int]] = [[]]
    while todo:
        one = SlowPage(rows, shelves, policy, rules)
        one.decided = todo.pop()
        page = one.compose()
        # what was not decided took the first option: the others are yet to come
        for step in range(len(one.decided), len(one.taken)):
            todo += [[*one.taken[:step], other] for other in range(1, one.num_options[step])]
        yield tuple((page[at][0], tuple(page[at][1])) for at in sorted(page)), one.probability


class SlowPage:
    def __init__(self, rows: list[Row], shelves: tuple[Shelf, ...], policy: Policy, rules: tuple[Rule, ...]) -> None:
        self.rows, self.shelves, self.policy = rows, shelves, policy
        plays = rows[0]["user_plays"]
        self.rules = [rule for rule in rules if rule.when.min_plays <= plays <= rule.when.max_plays]
        self.page: Page = {}
        self.codes: set[tuple[int, int]] = set()
        self.stand: list[Row] = []
        # (position, rank, row): all cards, and those of shelves that are full, which draw attention
        self.placed: list[tuple[int, int, Row]] = []
        self.seen: list[tuple[int, int, Row]] = []
        self.mine: dict[int, set[int]] = {}
        # choices: those to make, those made, among how many, and how probable they were
        self.decided: list[int] = []
        self.taken: list[int] = []
        self.num_options: list[int] = []
        self.probability = 1.0

    def pick(self, utilities: list[float]) -> int:
        """The best, of equals the first; with a temperature what was decided, else the first."""
        if not self.policy.exploration:
            return utilities.index(max(utilities))
        step = len(self.taken)
        option = self.decided[step] if step < len(self.decided) else 0
        weights = [np.exp((one - max(utilities)) / self.policy.exploration) for one in utilities]
        self.probability *= weights[option] / sum(weights)
        self.taken.append(option)
        self.num_options.append(len(utilities))
        return option

    def compose(self) -> Page:
        self.reserve()
        for rule in self.rules:
            pin = rule.kind
            if isinstance(pin, Pin) and pin.position < self.policy.max_shelves and pin.position not in self.page:
                self.place(pin.position, pin.shelf)
        for position in range(self.policy.max_shelves):
            if position not in self.page:
                self.place(position, None)
        return self.page

    def reserve(self) -> None:
        for index, shelf in enumerate(self.shelves):
            if shelf.is_reserved:
                found = {code: self.head(index, code, self.size(shelf)) for code in self.codes_of(index)}
                self.mine = {
                    code: {row["track"] for row in head} if len(head) >= self.minimum(shelf) else set()
                    for code, head in found.items()
                }

    def size(self, shelf: Shelf) -> int:
        return shelf.max_tracks or self.policy.shelf_size

    def minimum(self, shelf: Shelf) -> int:
        return min(shelf.min_tracks, self.size(shelf))

    def codes_of(self, index: int) -> list[int]:
        shelf = self.shelves[index]
        members = [row for row in self.rows if row[f"where_{index}"] and row["user_plays"] >= shelf.min_history]
        return sorted({row[shelf.instance.column] if shelf.instance else 0 for row in members} - {None})

    def head(self, index: int, code: int, most: int) -> list[Row]:
        """The first tracks of a shelf under its caps; those of the albums count before those of the artists."""
        shelf = self.shelves[index]
        page_cap = min([rule.kind.artist for rule in self.rules if isinstance(rule.kind, Cap)], default=1 << 30)
        of_artist = Counter(row["artist"] for row in self.stand)
        reserved = {track for tracks in self.mine.values() for track in tracks}
        albums: Counter[int | None] = Counter()
        artists: Counter[int | None] = Counter()
        found: list[Row] = []
        for row in sorted(self.rows, key=lambda row: (-row[f"order_{index}"], -row["score"], row["track"])):
            if shelf.is_reserved and self.mine:
                is_free = row["track"] in self.mine.get(code, set())
            else:
                is_free = row["track"] not in reserved
            is_member = row[f"where_{index}"] and (not shelf.instance or row[shelf.instance.column] == code)
            is_used = row["track"] in {other["track"] for other in self.stand}
            left = page_cap - of_artist[row["artist"]] if row["artist"] is not None else page_cap
            if not (is_member and is_free) or is_used or left <= 0 or row["user_plays"] < shelf.min_history:
                continue
            if row["album"] is not None and albums[row["album"]] >= (shelf.max_album_tracks or 99):
                continue
            albums[row["album"]] += 1
            if row["artist"] is not None and artists[row["artist"]] >= min(shelf.max_artist_tracks or 99, left):
                continue
            artists[row["artist"]] += 1
            found.append(row)
        return found[:most]

    def place(self, position: int, only: str | None) -> None:
        options = []
        for index, shelf in enumerate(self.shelves):
            before = sum(index == other for other, _ in self.page.values())
            for code in self.codes_of(index):
                if before < shelf.max_instances and (index, code) not in self.codes and only in (None, shelf.id):
                    head = self.head(index, code, self.size(shelf))
                    if head:
                        options.append((index, code, head, self.utility_of(head, before, position, index)))
        fitting = self.fitting(options, position)
        if fitting:
            index, code, head, _ = fitting[self.pick([one[3] for one in fitting])]
            wanted = max(
                [self.wanted(rule.kind, position) for rule in self.rules if isinstance(rule.kind, Quota)], default=0
            )
            self.page[position] = (index, self.fill(position, index, code, min(wanted, len(unplayed(head)))))
            self.codes.add((index, code))

    def fitting(self, options: list, position: int) -> list:
        """The options that may take a position."""
        fitting = [one for one in options if len(one[2]) >= self.minimum(self.shelves[one[0]])]
        if not self.page and not fitting:
            fitting = [one for one in options if not self.shelves[one[0]].is_personal]
        for rule in self.rules:
            fitting = self.narrowed(fitting, rule.kind, position) or fitting
        repeats = 1 - min(float(np.float32(self.rows[0]["user_distinct_track_ratio"])), 1.0)
        if position == 0 and self.policy.habit_share and repeats >= self.policy.habit_share:
            fitting = [one for one in fitting if self.shelves[one[0]].leads] or fitting
        fitting = [one for one in fitting if self.shelves[one[0]].is_personal] or fitting
        if self.policy.first_screen_artist_tracks and position < 3:
            fitting = [one for one in fitting if self.has_room(one[2])] or fitting
        return fitting

    def utility_of(self, head: list[Row], before: int, position: int, index: int) -> float:
        value = 0.0
        for rank, row in enumerate(head):
            worth = row["score"] / self.saturation(row)
            value += worth * (1 / np.log2(rank + 2) if rank < self.policy.shelf_size else 0.0)
        divisor = (1 + before) * self.crowding(position, index, len(unplayed(head)) / len(head))
        return np.log(max(value / divisor, 1e-12))

    def saturation(self, row: Row) -> float:
        """By what a card counts less, after the attention on its artist and its genre."""
        divisor = 1.0
        for maker, strength in (("artist", self.policy.artist_saturation), ("genre", self.policy.genre_saturation)):
            seen = 0.0
            for position, rank, other in self.seen:
                if row[maker] is not None and other[maker] == row[maker]:
                    seen += 1 / np.log2(position + 2) * (1 / np.log2(rank + 2))
            divisor *= 1 + strength * seen
        return divisor

    def crowding(self, position: int, index: int, new: float) -> float:
        """By what a shelf counts less beside shelves of its idea, and beside those that are as familiar."""
        near = alike = 0.0
        ideas = [shelf.idea or shelf.id for shelf in self.shelves]
        for at in sorted(self.page):
            other, shown = self.page[at]
            rows = [row for row in self.stand if row["track"] in shown]
            share = len(unplayed(rows)) / len(rows)
            near += (ideas[other] == ideas[index]) / abs(at - position)
            alike += (new * share + (1 - new) * (1 - share)) / abs(at - position)
        return (1 + self.policy.idea_saturation * near) * (1 + self.policy.interleaving * alike)

    def has_room(self, head: list[Row]) -> bool:
        """Whether a shelf can fill its part of the first screen under the cap."""
        cap, fits = self.policy.first_screen_artist_tracks, 0
        for artist in {row["artist"] for row in head[:10]}:
            of_artist = sum(row["artist"] == artist for row in head[:10])
            there = sum(at < 3 and rank < 5 and other["artist"] == artist for at, rank, other in self.placed)
            fits += of_artist if artist is None else min(of_artist, cap - min(there, cap))
        return fits >= min(len(head), 5)

    def is_crowded(self, row: Row) -> bool:
        """Whether the first screen has enough by the artist of a track."""
        of_artist = [at < 3 and rank < 5 and other["artist"] == row["artist"] for at, rank, other in self.placed]
        return row["artist"] is not None and sum(of_artist) >= self.policy.first_screen_artist_tracks

    def wanted(self, quota: Quota, position: int) -> int:
        tracks, shelves = quota.unplayed, quota.shelves
        if position >= shelves:
            return 0
        on_top = [
            row for at, (_, shown) in self.page.items() if at < shelves for row in self.stand if row["track"] in shown
        ]
        places = [at for at in range(min(shelves, self.policy.max_shelves)) if at not in self.page]
        return -(-max(tracks - len(unplayed(on_top)), 0) // max(len(places), 1))

    def narrowed(self, fitting: list, kind: RuleKind, position: int) -> list:
        if isinstance(kind, Quota):
            most = max([len(unplayed(one[2])) for one in fitting], default=0)
            return [one for one in fitting if len(unplayed(one[2])) >= min(self.wanted(kind, position), most)]
        if isinstance(kind, Spacing):
            name, apart = kind.shelf, kind.apart
            near = [self.shelves[index].id for at, (index, _) in self.page.items() if abs(at - position) < apart]
            return [one for one in fitting if self.shelves[one[0]].id != name or name not in near]
        return fitting

    def fill(self, position: int, index: int, code: int, wanted: int) -> list[int]:
        size = self.size(self.shelves[index])
        pool = self.head(index, code, 4 * size)
        shown: list[Row] = []
        size = min(size, len(pool))
        for rank in range(size):
            must = wanted - len(unplayed(shown)) >= size - rank
            open_ = [row for row in pool if row not in shown and not (must and row["plays_of_track"] > 0)]
            if self.policy.first_screen_artist_tracks and position < 3 and rank < 5:
                fixed = self.shelves[index].is_reserved
                open_ = [row for row in open_ if fixed or not self.is_crowded(row)] or open_
            best = open_[self.pick([self.utility(row, position, index, shown) for row in open_])]
            shown.append(best)
            self.stand.append(best)
            self.placed.append((position, rank, best))
        self.seen += [(at, rank, row) for at, rank, row in self.placed if at == position]
        return [row["track"] for row in shown]

    def utility(self, row: Row, position: int, index: int, shown: list[Row]) -> float:
        utility = float(np.float32(row[f"order_{index}"]))
        if not self.shelves[index].is_reserved:
            utility = utility - np.log(self.saturation(row))
        nearest = max([similarity(row, other) for other in shown], default=0.0)
        if self.policy.diversity:
            utility = utility - self.policy.diversity * 3.0 * nearest
        if self.policy.calibration:
            strength = self.policy.calibration * np.log2(position + 2) * np.log2(len(shown) + 2)
            utility = utility + strength * self.gain(row)
        return utility

    def gain(self, row: Row) -> float:
        total = len(self.stand) + 1.0
        is_new = row["plays_of_track"] == 0
        discovery = float(np.float32(row["user_distinct_track_ratio"]))
        of_genre = sum(row["genre"] is not None and other["genre"] == row["genre"] for other in self.stand)
        of_kind = sum((other["plays_of_track"] == 0) == is_new for other in self.stand)
        share = float(np.float32(row["share_of_genre"]))
        return gain(of_genre, share, total) + 0.1 * gain(of_kind, discovery if is_new else 1 - discovery, total)


def gain(counted: int, share: float, total: float) -> float:
    floor, kept = 0.1 * share + 1e-12, 0.9 / total
    return total * share * np.log((kept * (counted + 1) + floor) / (kept * counted + floor))


def similarity(one: Row, other: Row) -> float:
    if one["artist"] is not None and one["artist"] == other["artist"]:
        return 1.0
    return float(np.clip(VECTORS[one["track"]] @ VECTORS[other["track"]], 0, 1))


def unplayed(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row["plays_of_track"] == 0]
