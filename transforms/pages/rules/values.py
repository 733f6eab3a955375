"""Types of the values in a file of rules: what each accepts as text, and what editors are told of it."""

import re
from collections.abc import Callable
from datetime import date
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, WithJsonSchema

_MOST = 999_999_999


def _some_text(text: str) -> str:
    if not text.strip():
        raise ValueError("expected a value, found none")
    return text


def _one_of(what: str) -> Callable[[str, ValidationInfo], str]:
    """Return the check that a text is one of the names of this kind in the context of the validation."""

    def check(text: str, info: ValidationInfo) -> str:
        known = (info.context or {})[what]
        if text not in known:
            raise ValueError(f"there is no {what} {text!r}; the {what}s are {', '.join(sorted(known))}")
        return text

    return check


def _market(text: str) -> str:
    if not re.fullmatch("[A-Za-z]{2}", text):
        raise ValueError(f"{text!r} is no market: two letters of ISO 3166")
    return text.upper()


def _day(text: str) -> date:
    try:
        # later releases of Python read other forms too
        return date.fromisoformat(text if len(text) == len("2026-11-23") else "")
    except ValueError:
        raise ValueError(f"{text!r} is no day such as 2026-11-23") from None


def _only_true(text: str, info: ValidationInfo) -> bool:
    if text != "true":
        raise ValueError(f"{info.field_name} can only be true")
    return True


def _whole_number(least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch("[0-9]{1,9}", text) or int(text) < least:
            raise ValueError(f"{text!r} is no whole number from {least} to {_MOST:,}")
        return int(text)

    return parse


# What YAML calls a number or a truth value is taken as it is written: 007 is an id and NO is Norway.
Text = Annotated[str, AfterValidator(_some_text), WithJsonSchema({"type": ["string", "number", "boolean"]})]
Texts = Annotated[tuple[Text, ...], Field(min_length=1)]
ShelfId = Annotated[str, AfterValidator(_one_of("shelf")), WithJsonSchema({"type": "string", "format": "shelf"})]
Surface = Annotated[str, AfterValidator(_one_of("surface")), WithJsonSchema({"type": "string", "format": "surface"})]
Market = Annotated[Text, AfterValidator(_market), WithJsonSchema({"type": "string", "pattern": "^[A-Za-z]{2}$"})]
Day = Annotated[date, BeforeValidator(_day)]
OnlyTrue = Annotated[bool, BeforeValidator(_only_true), WithJsonSchema({"const": True})]
Count = Annotated[int, Field(ge=0, le=_MOST), BeforeValidator(_whole_number(0))]
OneOrMore = Annotated[int, Field(ge=1, le=_MOST), BeforeValidator(_whole_number(1))]
TwoOrMore = Annotated[int, Field(ge=2, le=_MOST), BeforeValidator(_whole_number(2))]
