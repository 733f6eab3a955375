"""The schema of a file of flags is what the code says, and takes what the commands take."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from pipelines.configuration.config_file import RULES_SCHEMA_PATH, SCHEMA_PATH
from pipelines.docs.config_schema import config_schema, rules_schema
from tests.pipelines.configuration.test_config_file import YAML
from transforms.pages.rules.read_rules import parse_rules
from transforms.pages.rules.rule import RulesError
from transforms.pages.shelves.shelves import SHELF_IDS, SURFACES


def test_the_schemas_in_the_package_are_those_of_flags_and_rules() -> None:
    assert SCHEMA_PATH.read_text() == config_schema()
    assert RULES_SCHEMA_PATH.read_text() == rules_schema()


# What the command refuses too, but for words that only it can judge.
@pytest.mark.parametrize(
    "wrong",
    ["pni: {}", "pin: {shelf: fresh}", "pin: {shelf: gone, position: 0}", "cap: {artist: 0}", "cap: {artist: 1, by: 2}",
     "exclude: {tracks: []}", "name: none", "{cap: {artist: 1}, space: {shelf: jump_back_in, apart: 2}}",
     "{cap: {artist: 1}, when: {markets: [Sweden]}}"],
)  # fmt: skip
def test_the_schema_of_rules_takes_what_is_read_and_refuses_what_is_not(wrong: str) -> None:
    check = jsonschema.Draft202012Validator(json.loads(rules_schema()))
    example = Path(__file__).parents[3] / "docs" / "how-to" / "write-rules.md"
    text = example.read_text().split("```")[1].removeprefix("yaml")
    assert not list(check.iter_errors(yaml.load(text, _Yaml12))) and parse_rules(text, SHELF_IDS, SURFACES)
    refused = f"rules: [{wrong if wrong.startswith('{') else f'{{{wrong}}}'}]"
    assert list(check.iter_errors(yaml.load(refused, _Yaml12)))
    with pytest.raises(RulesError):
        parse_rules(refused, SHELF_IDS, SURFACES)


class _Yaml12(yaml.SafeLoader):
    """YAML as editors read it: a day is text, and NO is Norway."""

    yaml_implicit_resolvers = {
        first: [one for one in found if "timestamp" not in one[0] and first not in "nNyYoO"]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


@pytest.mark.parametrize("wrong", ["mode: quick", "num_buckets: many", "evaluate: {sed: 1}", "events_columns: [a]"])
def test_it_takes_a_file_of_flags_and_refuses_what_a_command_would(wrong: str) -> None:
    check = jsonschema.Draft202012Validator(json.loads(config_schema()))
    # an editor reads a day as text
    assert not list(
        check.iter_errors(
            yaml.load(YAML, yaml.BaseLoader) | {"seed": 7, "label-days": 3.5, "keep": 3} | {"evaluate": {"seed": 9}}
        )
    )
    assert list(check.iter_errors(yaml.safe_load(wrong)))
