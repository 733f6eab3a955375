"""Read rules from YAML.

    rules:
      - name: new music on top
        pin: {shelf: new_releases, position: 1}
        when: {markets: [SE, NO], from: 2026-01-01, until: 2026-01-31}

The first rule is the most important one.
"""

from collections.abc import Collection, Iterator, Mapping
from functools import cache
from typing import Annotated, Any, cast

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, ValidationInfo, create_model
from pydantic_core import ErrorDetails
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from transforms.pages.rules.page_state import CAP_NAME
from transforms.pages.rules.rule import Audience, Rule, RulesError
from transforms.pages.rules.rule_kinds import RULE_KINDS
from transforms.pages.rules.values import Text
from transforms.tables.surfaces import NOW_PLAYING

AUDIENCE_FIELDS = ("markets", "surfaces", "from", "until", "min_plays", "max_plays")
# Keys of 0.1 that files of rules may still have.
_FORMER_KEYS = {"unheard": "unplayed"}
_KEYS = tuple(kind.key for kind in RULE_KINDS)
# Pydantic's types of errors, of models and of dataclasses.
_UNKNOWN_KEY = ("extra_forbidden", "unexpected_keyword_argument")
# The way to a value from the top of the file: keys and numbers of items; and the lines of its key and of itself.
_Way = tuple[int | str, ...]
_Lines = dict[_Way, tuple[int, int]]


@cache
def rules_model() -> type[BaseModel]:
    """Return the model of a file of rules, with a field for each kind; the JSON schema of editors is made from it."""
    kinds: dict[str, Any] = {kind.key: (Annotated[kind, BeforeValidator(_not_empty)], None) for kind in RULE_KINDS}
    named: dict[str, Any] = {"name": (Text, ""), "when": (Audience, Audience())}
    strict = ConfigDict(extra="forbid")
    one_kind: Any = {"oneOf": [{"required": [key]} for key in _KEYS]}
    entry: Any = create_model("Rule", __config__={**strict, "json_schema_extra": one_kind}, **named, **kinds)
    return create_model("Rules", __config__=strict, rules=(list[Annotated[entry, BeforeValidator(_has_one_kind)]], ...))


def parse_rules(
    text: str, shelf_ids: Collection[str], surfaces: Collection[str], file: str = "rules"
) -> tuple[Rule, ...]:
    """Read rules; they may name these shelves and surfaces.

    Raises:
        RulesError: not YAML, an unknown key, shelf or surface, or a wrong value; it names file and line.
    """
    lines: _Lines = {}
    try:
        root = _compose(text, file)
        if root is None:
            return ()
        found = _plain(root, (), lines)
        read = rules_model().model_validate(found, context={"shelf": shelf_ids, "surface": surfaces})
    except yaml.MarkedYAMLError as error:
        raise _error(file, error.problem_mark.line + 1, str(error.problem)) from None
    except ValidationError as error:
        # a key that is missing may be the one that is misspelt
        first = min(error.errors(include_url=False), key=lambda one: one["type"] not in _UNKNOWN_KEY)
        raise _error(file, _line_of(first, lines), _sentence(first)) from None
    except RecursionError:
        # lists in lists, or an alias of what it stands in
        raise _error(file, 1, "nested too deep") from None
    rules = tuple(_rule(one, lines["rules", number][1]) for number, one in enumerate(cast(Any, read).rules))
    _reject_equal_names(rules, file)
    _reject_shelves_of_queues(rules, file)
    return rules


def _compose(text: str, file: str) -> Node | None:
    try:
        return cast(Node | None, yaml.compose(text, Loader=yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise _error(file, line, f"not YAML: {error.problem}") from None
    except yaml.reader.ReaderError as error:
        raise _error(file, text.count("\n", 0, error.position) + 1, f"not YAML: {error.reason}") from None


def _plain(node: Node, way: _Way, lines: _Lines, key: Node | None = None) -> object:
    """Return a node as dictionaries, lists and text as it is written, and add the lines of each value to `lines`.

    Raises:
        MarkedYAMLError: a key is no text, or stands twice.
    """
    lines[way] = ((key or node).start_mark.line + 1, node.start_mark.line + 1)
    if isinstance(node, SequenceNode):
        return [_plain(one, (*way, number), lines) for number, one in enumerate(node.value)]
    return dict(_entries(node, way, lines)) if isinstance(node, MappingNode) else str(node.value)


def _entries(node: MappingNode, way: _Way, lines: _Lines) -> Iterator[tuple[str, object]]:
    for key, value in node.value:
        if not isinstance(key, ScalarNode):
            raise yaml.MarkedYAMLError(problem="expected one value", problem_mark=key.start_mark)
        name = _FORMER_KEYS.get(key.value, key.value)
        if (*way, name) in lines:
            raise yaml.MarkedYAMLError(problem=f"{name!r} stands here twice", problem_mark=key.start_mark)
        yield name, _plain(value, (*way, name), lines, key)


def _not_empty(values: object, info: ValidationInfo) -> object:
    if values == {}:
        raise ValueError(f"{info.field_name!r} is empty")
    return values


def _has_one_kind(entry: object) -> object:
    kinds = [key for key in _KEYS if isinstance(entry, Mapping) and key in entry]
    if isinstance(entry, Mapping) and len(kinds) != 1 and set(entry) <= {"name", "when", *_KEYS}:
        raise ValueError(f"a rule has one of {', '.join(_KEYS)}; this one has {' and '.join(kinds) or 'none'}")
    return entry


def _line_of(error: ErrorDetails, lines: _Lines) -> int:
    """Return the line of the value that is wrong; of one that is missing, where it should be in."""
    way = error["loc"]
    while way not in lines:
        way = way[:-1]
    return lines[way][error["type"] not in _UNKNOWN_KEY]


def _sentence(error: ErrorDetails) -> str:
    """Return what is wrong, in one sentence."""
    way, kind = error["loc"], error["type"]
    if kind in _UNKNOWN_KEY:
        return f"unknown key {way[-1]!r}; the keys here are {', '.join(_keys_at(way[:-1]))}"
    if kind == "missing":
        return f"{way[-1]!r} is missing"
    if kind == "value_error":
        return str(error["ctx"]["error"])
    if kind in ("model_type", "dataclass_type"):
        return f"expected {', '.join(_keys_at(way))}, each with a value"
    plain = {"string_type": "expected one value", "list_type": "expected a list", "tuple_type": "expected a list"}
    return plain.get(kind) or ("the list is empty" if kind == "too_short" else error["msg"])


def _keys_at(way: _Way) -> tuple[str, ...]:
    """Return the keys that a mapping of the file may have."""
    if len(way) < len(("rules", 0, "when")):
        return ("name", "when", *_KEYS) if way else ("rules",)
    return {**{kind.key: kind.fields() for kind in RULE_KINDS}, "when": AUDIENCE_FIELDS}[str(way[2])]


def _rule(entry: Any, line: int) -> Rule:
    (key,) = (key for key in _KEYS if getattr(entry, key) is not None)
    return Rule(entry.name or f"{key} of line {line}", line, entry.when, getattr(entry, key))


def _reject_equal_names(rules: tuple[Rule, ...], file: str) -> None:
    # the cap of the first screen is relaxed by its name, too
    seen = {CAP_NAME}
    for rule in rules:
        if rule.name in seen:
            raise _error(file, rule.line, f"another rule is called {rule.name!r} too")
        seen.add(rule.name)


def _reject_shelves_of_queues(rules: tuple[Rule, ...], file: str) -> None:
    for rule in rules:
        is_of_tracks = rule.kind.excludes() is not None or rule.kind.max_tracks_by_artist() is not None
        if NOW_PLAYING in rule.when.surfaces and not is_of_tracks:
            raise _error(file, rule.line, f"{rule.kind.key!r} is about shelves, and {NOW_PLAYING} has none")


def _error(file: str, line: int, what: str) -> RulesError:
    return RulesError(f"{file} line {line}: {what}")
