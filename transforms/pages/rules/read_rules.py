"""Read rules from YAML.

    rules:
      - name: new music on top
        pin: {shelf: new_releases, position: 1}
        when: {markets: [SE, NO], from: 2026-01-01, until: 2026-01-31}

The first rule is the most important one.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from transforms.pages.rules.rule import Audience, Rule, RulesError
from transforms.pages.rules.rule_kinds import RULE_KINDS

AUDIENCE_FIELDS = ("markets", "surfaces", "from", "until", "min_plays", "max_plays")
# Keys of 0.1 that files of rules may still have.
_FORMER_KEYS = {"unheard": "unplayed"}


def parse_rules(
    text: str, shelf_ids: Collection[str], surfaces: Collection[str], file: str = "rules"
) -> tuple[Rule, ...]:
    """Read rules; they may name these shelves and surfaces.

    Raises:
        RulesError: not YAML, an unknown key, shelf or surface, or a wrong value; it names file and line.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise RulesError(f"{file} line {line}: not YAML: {error.problem}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise RulesError(f"{file} line {line}: not YAML: {error.reason}") from None
    except RecursionError:
        raise RulesError(f"{file} line 1: nested too deep") from None
    if root is None:
        return ()
    source = _Source(file, frozenset(shelf_ids), frozenset(surfaces))
    top = source.fields(root, ("rules",))
    if not top.given("rules"):
        raise RulesError(f"{file} line 1: 'rules' is missing")
    rules = tuple(_read_rule(source, node) for node in source.items(top.values["rules"]))
    _reject_equal_names(rules, file)
    return rules


def _reject_equal_names(rules: tuple[Rule, ...], file: str) -> None:
    seen: set[str] = set()
    for rule in rules:
        if rule.name in seen:
            raise RulesError(f"{file} line {rule.line}: another rule is called {rule.name!r} too")
        seen.add(rule.name)


@dataclass(frozen=True)
class _Source:
    """The file that is read, and the shelves and surfaces that its rules may name."""

    file: str
    shelf_ids: frozenset[str]
    surfaces: frozenset[str]

    def error(self, node: Node, what: str) -> RulesError:
        return RulesError(f"{self.file} line {node.start_mark.line + 1}: {what}")

    def fields(self, node: Node, names: tuple[str, ...]) -> "_Fields":
        """Read a mapping with these keys."""
        if not isinstance(node, MappingNode):
            raise self.error(node, f"expected {', '.join(names)}, each with a value")
        values: dict[str, Node] = {}
        for key, value in node.value:
            name = _FORMER_KEYS.get(given := self.text(key), given)
            if name not in names:
                raise self.error(key, f"unknown key {name!r}; the keys here are {', '.join(names)}")
            if name in values:
                raise self.error(key, f"{name!r} stands here twice")
            values[name] = value
        return _Fields(self, node, values)

    def items(self, node: Node) -> list[Node]:
        if not isinstance(node, SequenceNode):
            raise self.error(node, "expected a list")
        return list(node.value)

    def some_items(self, node: Node) -> list[Node]:
        """Read a list that is not empty: an empty one would exclude nothing, or apply to everyone."""
        if not (found := self.items(node)):
            raise self.error(node, "the list is empty")
        return found

    def text(self, node: Node) -> str:
        """Read one value as it is written: NO is Norway and 007 an id, not what YAML makes of them."""
        if not isinstance(node, ScalarNode):
            raise self.error(node, "expected one value")
        if not node.value.strip():
            raise self.error(node, "expected a value, found none")
        return str(node.value)


@dataclass(frozen=True)
class _Fields:
    """Values of one mapping by their keys; see RuleFields."""

    source: _Source
    node: Node
    values: dict[str, Node]

    def given(self, name: str) -> bool:
        return name in self.values

    def shelf(self, name: str) -> str:
        return self._one_of(self._need(name), self.source.shelf_ids, "shelf", "shelves")

    def integer(self, name: str, minimum: int) -> int:
        node = self._need(name)
        text = self.source.text(node)
        if not re.fullmatch("[0-9]{1,9}", text) or int(text) < minimum:
            raise self.source.error(node, f"{text!r} is no whole number from {minimum} to 999,999,999")
        return int(text)

    def strings(self, name: str) -> tuple[str, ...]:
        return tuple(self.source.text(one) for one in self.source.some_items(self._need(name)))

    def flag(self, name: str) -> bool:
        if not self.given(name):
            return False
        if self.source.text(self.values[name]) != "true":
            raise self.source.error(self.values[name], f"{name} can only be true")
        return True

    def markets(self, name: str) -> tuple[str, ...]:
        for one in self.source.some_items(self._need(name)):
            if not re.fullmatch("[A-Za-z]{2}", self.source.text(one)):
                raise self.source.error(one, f"{self.source.text(one)!r} is no market: two letters of ISO 3166")
        return tuple(text.upper() for text in self.strings(name))

    def surfaces(self, name: str) -> tuple[str, ...]:
        nodes = self.source.some_items(self._need(name))
        return tuple(self._one_of(node, self.source.surfaces, "surface", "surfaces") for node in nodes)

    def day(self, name: str) -> date:
        node = self._need(name)
        text = self.source.text(node)
        try:
            # later releases of Python read other forms too
            return date.fromisoformat(text if len(text) == len("2026-11-23") else "")
        except ValueError:
            raise self.source.error(node, f"{text!r} is no day such as 2026-11-23") from None

    def reject_never(self, is_never: bool, first: str, last: str) -> None:
        """Refuse limits between which nothing lies."""
        if is_never:
            node = self.values.get(last, self.node)
            raise self.source.error(node, f"{first!r} is above {last!r}: the rule would never apply")

    def _need(self, name: str) -> Node:
        if name not in self.values:
            raise self.source.error(self.node, f"{name!r} is missing")
        return self.values[name]

    def _one_of(self, node: Node, allowed: frozenset[str], what: str, plural: str) -> str:
        name = self.source.text(node)
        if name not in allowed:
            raise self.source.error(node, f"there is no {what} {name!r}; the {plural} are {', '.join(sorted(allowed))}")
        return name


def _read_rule(source: _Source, node: Node) -> Rule:
    keys = [kind.key for kind in RULE_KINDS]
    given = source.fields(node, ("name", "when", *keys))
    kinds = [kind for kind in RULE_KINDS if given.given(kind.key)]
    if len(kinds) != 1:
        found = " and ".join(kind.key for kind in kinds) or "none"
        raise source.error(node, f"a rule has one of {', '.join(keys)}; this one has {found}")
    (kind,) = kinds
    values = source.fields(given.values[kind.key], kind.fields)
    if not values.values:
        raise source.error(values.node, f"{kind.key!r} is empty")
    line = node.start_mark.line + 1
    name = source.text(given.values["name"]) if given.given("name") else f"{kind.key} of line {line}"
    when = _read_audience(source.fields(given.values["when"], AUDIENCE_FIELDS)) if given.given("when") else Audience()
    return Rule(name, line, when, kind.read(values))


def _read_audience(fields: _Fields) -> Audience:
    everyone = Audience()
    when = Audience(
        markets=fields.markets("markets") if fields.given("markets") else everyone.markets,
        surfaces=fields.surfaces("surfaces") if fields.given("surfaces") else everyone.surfaces,
        since=fields.day("from") if fields.given("from") else everyone.since,
        until=fields.day("until") if fields.given("until") else everyone.until,
        min_plays=fields.integer("min_plays", 0) if fields.given("min_plays") else everyone.min_plays,
        max_plays=fields.integer("max_plays", 0) if fields.given("max_plays") else everyone.max_plays,
    )
    fields.reject_never(when.since > when.until, "from", "until")
    fields.reject_never(when.min_plays > when.max_plays, "min_plays", "max_plays")
    return when
