"""Flags and files of composition: policy, rules and surfaces, and what is said of wrong ones."""

from pathlib import Path

import pytest

from pipelines.inputs.page_rules import check_surfaces, read_rules
from pipelines.options.options import UsageError


def test_a_file_of_rules_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text("rules:\n  - cap: {artist: 2}\n")
    assert read_rules(f"{tmp_path}/rules.yaml") == "rules:\n  - cap: {artist: 2}\n" and read_rules("") == ""


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("cap: {artist: 2}\n    when: {surfaces: [hom]}", "rules.yaml line 3: there is no surface 'hom'"),
        ("pin: {shelf: polka, position: 0}", "rules.yaml line 2: there is no shelf 'polka'"),
    ],
)
def test_a_rule_that_could_never_act_is_an_error(rule: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(f"rules:\n  - {rule}\n")
    with pytest.raises(UsageError) as error:
        read_rules(f"{tmp_path}/rules.yaml")
    assert str(error.value).startswith("--rules: ") and words in str(error.value)


def test_rules_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--rules="):
        read_rules(f"{tmp_path}/gone.yaml")


def test_surfaces_are_known_and_named_once() -> None:
    assert check_surfaces(("home", "discover", "home")) == ("home", "discover")
    for wrong in (("car",), ()):
        with pytest.raises(UsageError, match="is none of home, discover"):
            check_surfaces(wrong)
