"""Whole graphs in less time: Beam asks for the same signatures again and again."""

import types
from collections.abc import Callable
from functools import cache
from typing import Any

from apache_beam.transforms import core


def remember_signatures() -> None:
    """Look up the arguments of every function once.

    Beam inspects all 31 methods of every DoFn eight times from construction to execution, a fifth of the CPU time of a
    graph of few rows; what it finds depends on the function alone.
    """
    inspect_function: Callable[[Any], tuple[list[str], list[Any]]] = core.get_function_args_defaults

    @cache
    def found(function: Callable[..., Any], is_bound: bool) -> tuple[list[str], list[Any]]:
        return inspect_function(types.MethodType(function, object()) if is_bound else function)

    def get_function_args_defaults(function: Callable[..., Any]) -> tuple[list[str], list[Any]]:
        is_bound = isinstance(function, types.MethodType)
        names, defaults = found(function.__func__ if is_bound else function, is_bound)
        return list(names), list(defaults)

    core.get_function_args_defaults = get_function_args_defaults
