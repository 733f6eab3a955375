"""An interpreter for the part of Google Workflows' language that templates/workflows uses; other steps fail."""

import re
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import yaml

FORMS = ({"assign"}, {"call", "args", "result"}, {"call", "args"}, {"switch", "next"})
OUTCOMES = ({"condition", "return"}, {"condition", "raise"})


class Raised(Exception):
    """The error that a workflow raises."""


class _Fields(dict[str, Any]):
    """A map whose fields are attributes, as in job.id."""

    def __getattr__(self, name: str) -> Any:
        return _fields(self[name])


def _fields(value: Any) -> Any:
    return _Fields(value) if isinstance(value, dict) else value


def run_workflow(
    text: str, argument: dict[str, Any], settings: Mapping[str, str], calls: Mapping[str, Callable[..., Any]], now: str
) -> Any:
    """Run `main` on an argument; return its result. `calls` are stand-ins for services (Raised: it raises)."""
    main = yaml.safe_load(text)["main"]
    (parameter,) = main["params"]
    names = _functions(settings, now) | {parameter: _Fields(argument)}
    steps = [next(iter(step.items())) for step in main["steps"] if len(step) == 1]
    assert len(steps) == len(main["steps"]) == len(dict(steps)), "every step has one name of its own"
    number = 0
    while number < len(steps):
        step = steps[number][1]
        assert set(step) in FORMS, f"{steps[number][0]}: {sorted(step)}"
        number += 1
        for assigned in step.get("assign", ()):
            names |= {name: _value(given, names) for name, given in assigned.items()}
        if "call" in step:
            names[step.get("result", "_")] = _fields(calls[step["call"]](**_value(step["args"], names)))
        for case in step.get("switch", ()):
            assert set(case) in OUTCOMES, sorted(case)
            if _value(case["condition"], names):
                if "raise" in case:
                    raise Raised(_value(case["raise"], names))
                return _value(case["return"], names)
        if "next" in step:
            number = [name for name, _ in steps].index(step["next"])
    return None


def _value(given: Any, names: dict[str, Any]) -> Any:
    """Evaluate the expressions of a value, on whose meaning Python and Workflows agree."""
    if isinstance(given, dict):
        return {name: _value(one, names) for name, one in given.items()}
    if isinstance(given, list):
        return [_value(one, names) for one in given]
    if not isinstance(given, str) or "${" not in given:
        return given
    found = re.fullmatch(r"\$\{(.*)\}", given)
    assert found, f"an expression is the whole value: {given}"
    return eval(found[1], {"__builtins__": {}}, names)


def _functions(settings: Mapping[str, str], now: str) -> dict[str, Any]:
    """Return the functions of the standard library that the workflow uses."""
    return {
        "default": lambda given, other: other if given is None else given,
        "map": SimpleNamespace(get=lambda given, name: given.get(name)),
        "sys": SimpleNamespace(get_env=lambda name: settings[name], now=lambda: now),
        "text": SimpleNamespace(substring=lambda given, start, end: given[start:end]),
        "time": SimpleNamespace(format=lambda moment: moment),
    }
