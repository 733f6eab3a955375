"""The schema of a file of flags is what the code says, and takes what the commands take."""

import json

import jsonschema
import pytest
import yaml

from pipelines.configuration.config_file import SCHEMA_PATH
from pipelines.docs.config_schema import config_schema
from tests.pipelines.configuration.test_config_file import YAML


def test_the_schema_in_the_package_is_that_of_the_flags() -> None:
    assert SCHEMA_PATH.read_text() == config_schema()


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
