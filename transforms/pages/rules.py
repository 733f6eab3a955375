"""Rules that the people who run a Home lay down, read from YAML: what must hold of a page, for whom, and when.

    rules:
      - name: new music on top
        pin: {shelf: new_releases, position: 1}
        when: {markets: [SE, NO], from: 2026-01-01, until: 2026-01-31}

The first is the most important.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode


class RulesError(ValueError):
    """The rules cannot be read; the message names the line."""


@dataclass(frozen=True)
class Audience:
    """Whom a rule is for, and when; what is empty leaves nobody out.

    markets: ISO 3166 codes; a user whose market is not known is in none. since, until: days, both included.
    """

    markets: tuple[str, ...] = ()
    surfaces: tuple[str, ...] = ()
    since: date = date.min
    until: date = date.max
    min_plays: int = 0
    max_plays: int = 1 << 30


@dataclass(frozen=True)
class Rule:
    """One rule; exactly one of the five is given.

    pin: a shelf and the position where it stands. exclude: tracks, artists, genres, or all that is explicit.
    cap: tracks by one artist on a page. quota: so many unheard tracks, at least, on the first shelves.
    space: shelves of one kind stand so far apart, at least.
    """

    name: str
    line: int
    when: Audience
    pin: tuple[str, int] | None = None
    exclude: dict[str, tuple[str, ...]] | None = None
    cap: int | None = None
    quota: tuple[int, int] | None = None
    space: tuple[str, int] | None = None


KINDS = {
    "pin": ("shelf", "position"),
    "exclude": ("tracks", "artists", "genres", "explicit"),
    "cap": ("artist",),
    "quota": ("unplayed", "shelves"),
    "space": ("shelf", "apart"),
}
WHEN = ("markets", "surfaces", "from", "until", "min_plays", "max_plays")


def parse_rules(text: str, shelf_ids: Iterable[str], file: str = "rules") -> tuple[Rule, ...]:
    """Read rules; `shelf_ids` are the shelves that they may name.

    Raises:
        RulesError: not YAML, an unknown key or shelf, a value of another kind; it names file and line.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise RulesError(f"{file} line {line}: not YAML: {error.problem}") from None
    if root is None:
        return ()
    reader = _Reader(file, frozenset(shelf_ids))
    rules = tuple(reader.rule(node) for node in reader.items(reader.fields(root, ("rules",)).get("rules")))
    twice = [rule for place, rule in enumerate(rules) if rule.name in {other.name for other in rules[:place]}]
    if twice:
        raise RulesError(f"{file} line {twice[0].line}: another rule is called {twice[0].name!r} too")
    return rules


@dataclass(frozen=True)
class _Reader:
    """YAML nodes, which know their lines, into rules."""

    file: str
    shelf_ids: frozenset[str]

    def wrong(self, node: Node, what: str) -> RulesError:
        return RulesError(f"{self.file} line {node.start_mark.line + 1}: {what}")

    def rule(self, node: Node) -> Rule:
        given = self.fields(node, ("name", "when", *KINDS))
        kinds = [kind for kind in KINDS if kind in given]
        if len(kinds) != 1:
            raise self.wrong(
                node, f"a rule has one of {', '.join(KINDS)}; this one has {' and '.join(kinds) or 'none'}"
            )
        (kind,) = kinds
        line = node.start_mark.line + 1
        name = self.text(given["name"]) if "name" in given else f"{kind} of line {line}"
        value = getattr(self, f"_{kind}")(given[kind], self.fields(given[kind], KINDS[kind]))
        return Rule(name, line, self.audience(given.get("when")), **{kind: value})

    def _pin(self, node: Node, given: dict[str, Node]) -> tuple[str, int]:
        return self.shelf(self.need(node, given, "shelf")), self.number(self.need(node, given, "position"), 0)

    def _exclude(self, node: Node, given: dict[str, Node]) -> dict[str, tuple[str, ...]]:
        if not given:
            raise self.wrong(node, "it excludes nothing")
        excluded: dict[str, tuple[str, ...]] = {
            name: self.texts(given[name]) for name in ("tracks", "artists", "genres") if name in given
        }
        if "explicit" in given:
            if self.text(given["explicit"]) != "true":
                raise self.wrong(given["explicit"], "explicit can only be true")
            excluded["explicit"] = ()
        return excluded

    def _cap(self, node: Node, given: dict[str, Node]) -> int:
        return self.number(self.need(node, given, "artist"), 1)

    def _quota(self, node: Node, given: dict[str, Node]) -> tuple[int, int]:
        return self.number(self.need(node, given, "unplayed"), 1), self.number(self.need(node, given, "shelves"), 1)

    def _space(self, node: Node, given: dict[str, Node]) -> tuple[str, int]:
        return self.shelf(self.need(node, given, "shelf")), self.number(self.need(node, given, "apart"), 2)

    def audience(self, node: Node | None) -> Audience:
        if node is None:
            return Audience()
        given = self.fields(node, WHEN)
        readers: dict[str, Callable[[Node], Any]] = {
            "markets": self.markets,
            "surfaces": self.texts,
            "from": self.day,
            "until": self.day,
        }
        names = {"from": "since"}
        read: dict[str, Any] = {
            names.get(name, name): readers[name](value) if name in readers else self.number(value, 0)
            for name, value in given.items()
        }
        return Audience(**read)

    def fields(self, node: Node | None, known: tuple[str, ...]) -> dict[str, Node]:
        if not isinstance(node, MappingNode):
            raise self.wrong(node, f"expected {', '.join(known)}, each with a value") if node else RulesError(self.file)
        given: dict[str, Node] = {}
        for key, value in node.value:
            if key.value not in known:
                raise self.wrong(key, f"unknown key {key.value!r}; the keys here are {', '.join(known)}")
            if key.value in given:
                raise self.wrong(key, f"{key.value!r} stands here twice")
            given[key.value] = value
        return given

    def need(self, node: Node, given: dict[str, Node], name: str) -> Node:
        if name not in given:
            raise self.wrong(node, f"{name!r} is missing")
        return given[name]

    def items(self, node: Node | None) -> list[Node]:
        if not isinstance(node, SequenceNode):
            raise self.wrong(node, "expected a list") if node else RulesError(f"{self.file} line 1: 'rules' is missing")
        return list(node.value)

    def text(self, node: Node) -> str:
        if not isinstance(node, ScalarNode):
            raise self.wrong(node, "expected one value")
        return str(node.value)

    def texts(self, node: Node) -> tuple[str, ...]:
        return tuple(self.text(one) for one in self.items(node))

    def number(self, node: Node, least: int) -> int:
        text = self.text(node)
        if not text.isdigit() or int(text) < least:
            raise self.wrong(node, f"{text!r} is no whole number of {least} or more")
        return int(text)

    def shelf(self, node: Node) -> str:
        name = self.text(node)
        if name not in self.shelf_ids:
            raise self.wrong(node, f"there is no shelf {name!r}; the shelves are {', '.join(sorted(self.shelf_ids))}")
        return name

    def markets(self, node: Node) -> tuple[str, ...]:
        for one in self.items(node):
            if not re.fullmatch("[A-Za-z]{2}", self.text(one)):
                raise self.wrong(one, f"{self.text(one)!r} is no market: two letters of ISO 3166")
        return tuple(text.upper() for text in self.texts(node))

    def day(self, node: Node) -> date:
        try:
            return date.fromisoformat(self.text(node))
        except ValueError:
            raise self.wrong(node, f"{self.text(node)!r} is no day such as 2026-11-23") from None
