"""JSON schemas of a file of flags and of a file of rules, with which editors complete and check both.

They are rendered from COMMANDS and from RULE_KINDS, and lie in the package, beside the command that hands them out.
"""

import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from typing import TYPE_CHECKING

from pipelines.commands import COMMANDS
from pipelines.configuration.config_file import RULES_SCHEMA_PATH, SCHEMA_PATH
from pipelines.options.flag_kinds import OneOf, flag_text, parse_yes_or_no
from pipelines.options.parsing import flag_name
from transforms.pages.rules.read_rules import rules_model
from transforms.pages.shelves.shelves import RULE_SURFACES, SHELF_IDS

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def config_schema() -> str:
    """Return the schema as JSON; flags of Beam are no part of it, and are not refused."""
    flags = {command.name: _flags(command.options) for command in COMMANDS}
    shared = {name: found for own in reversed(flags.values()) for name, found in own.items()}
    sections = {name: _section(own, shared) for name, own in flags.items()}
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "homeshelf",
        "description": "Flags of homeshelf: homeshelf COMMAND --config=FILE",
        "type": "object",
        # a name of both is the flag
        "properties": {**sections, **shared},
    }
    return f"{json.dumps(schema, indent=1)}\n"


def rules_schema() -> str:
    """Return the schema of rules as JSON, with the shelves and surfaces that there are."""
    names = {"shelf": SHELF_IDS, "surface": RULE_SURFACES}

    def named(value: dict[str, object]) -> dict[str, object]:
        known = names.get(str(value.get("format")))
        return {"enum": sorted(known)} if known else value

    schema = json.loads(json.dumps(rules_model().model_json_schema()), object_hook=named)
    return f"{json.dumps(schema, indent=1)}\n"


def write_schemas() -> None:
    """Write the schemas into the package."""
    SCHEMA_PATH.write_text(config_schema(), encoding="utf-8")
    RULES_SCHEMA_PATH.write_text(rules_schema(), encoding="utf-8")


def _flags(options: type["DataclassInstance"]) -> dict[str, object]:
    return {flag_name(one): _property(one) for one in fields(options) if "positional" not in one.metadata}


def _section(own: Mapping[str, object], shared: Mapping[str, object]) -> dict[str, object]:
    """Return the flags of one command; those that others have too are named."""
    found = {name: {"$ref": f"#/properties/{name}"} if one == shared[name] else one for name, one in own.items()}
    return {"type": "object", "properties": found, "additionalProperties": False}


def _property(one: "Field[object]") -> dict[str, object]:
    kind, found = one.metadata["kind"], {"description": one.metadata["help"]}
    if one.default not in (MISSING, None, "", ()):
        found["default"] = flag_text(one.default)
    if isinstance(kind, OneOf):
        return {**found, "enum": list(kind.choices)}
    if kind is parse_yes_or_no:
        return {**found, "type": ["boolean", "string"]}
    if isinstance(one.default, int | float):
        return {**found, "type": "number"}
    # several values may be a list, and the columns of a table a mapping
    several = ["object"] if one.name.endswith("_columns") else ["array", "number"]
    return {**found, "type": ["string", "null", *several]}
