"""Render the Flex Template from RunOptions: python -m pipelines.docs.render_template writes its metadata.

With --image=REPOSITORY/IMAGE:TAG the container spec goes to standard output; a launch names it as its template.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

from pipelines.options.flag_kinds import (
    OneOf,
    flag_text,
    parse_bounds,
    parse_counts,
    parse_days,
    parse_file_name,
    parse_names,
    parse_positive,
    parse_share,
    parse_sizes,
    parse_time,
    parse_whole,
    parse_windows,
    parse_yes_or_no,
)
from pipelines.options.options import RunOptions

METADATA = Path(__file__).parents[2] / "templates" / "home_shelves_metadata.json"
# The service checks a parameter by its pattern before it starts a machine; the launcher checks everything else.
_NUMBER = r"[+]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
_BOUND = r"\w+:-?\d+(\.\d+)?"
_REGEXES: dict[Callable[[str], object], str] = {
    parse_positive: r"^\d*[1-9]\d*$",
    parse_whole: r"^\d+$",
    parse_time: r"^\d{4}-\d{2}-\d{2}([T ].*)?$",
    parse_days: f"^{_NUMBER}$",
    parse_share: f"^{_NUMBER}$",
    parse_sizes: r"^\d+(,\d+)*$",
    parse_windows: r"^\d+(,\d+)*$",
    parse_names: r"^[\w\s,-]+$",
    parse_yes_or_no: "(?i)^(yes|no|y|n|true|false|t|f|1|0)$",
    parse_file_name: r"^([A-Za-z0-9_-][A-Za-z0-9._-]*)?$",
    parse_bounds: f"^({_BOUND}(,{_BOUND})*)?$",
    parse_counts: r"^\w+:\d+(,\w+:\d+)*$",
}
# A text that must be given.
_NOT_EMPTY = r"^.*\S.*$"
# Optional on the command line, where the default is the newest event; a graph in a template must name its moment.
REQUIRED = ("as_of",)


def template_metadata() -> dict[str, Any]:
    """Return the metadata of the template as the service reads it; all values are strings."""
    return {
        "name": "homeshelf",
        "description": "From listening events to every listener's Home page of music shelves.",
        "parameters": [_parameter(one) for one in fields(RunOptions)],
    }


def _parameter(one: "Field[Any]") -> dict[str, Any]:
    """Return a flag as a parameter of the template."""
    kind, default = one.metadata["kind"], one.default
    is_optional = default is not MISSING and one.name not in REQUIRED
    found: dict[str, Any] = {
        "name": one.name,
        "label": one.name.replace("_", " ").capitalize(),
        "helpText": one.metadata["help"],
        "isOptional": is_optional,
        "paramType": "TEXT",
    }
    if is_optional and default not in ("", None, ()):
        found["defaultValue"] = flag_text(default)
    choices = f"^({'|'.join(kind.choices)})$" if isinstance(kind, OneOf) else ""
    pattern = choices or _REGEXES.get(kind, "" if is_optional else _NOT_EMPTY)
    if pattern:
        found["regexes"] = [pattern]
    return found


def container_spec(image: str) -> dict[str, Any]:
    """Return the container spec, which lies in a bucket; workers use the image of the launcher."""
    environment = {"sdkContainerImage": image, "additionalPipelineOptions": ["sdk_location=container"]}
    return {
        "image": image,
        "sdkInfo": {"language": "PYTHON"},
        "metadata": template_metadata(),
        "defaultEnvironment": environment,
    }


def _main(argv: Sequence[str] | None = None) -> None:
    """Write the metadata, or print the container spec."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", help="the image; print the container spec and write nothing")
    image = parser.parse_args(argv).image
    if image:
        print(json.dumps(container_spec(image), indent=2))
    else:
        METADATA.write_text(f"{json.dumps(template_metadata(), indent=2)}\n", encoding="utf-8")


if __name__ == "__main__":
    _main()
