"""Every homeshelf command in a document is one that homeshelf accepts, flags and values; nothing is run."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import fields
from typing import NamedTuple

import pytest
from shelf_shares_command import COMMANDS as EXAMPLES

from pipelines.commands import COMMANDS
from pipelines.options.beam_flags import parse_beam
from pipelines.options.common_options import CommonOptions
from pipelines.options.options import UsageError
from pipelines.options.parsing import parse_flags
from tests.test_documents import DOCUMENTS, ROOT

BY_NAME = {command.name: command for command in (*COMMANDS, *EXAMPLES)}
FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", re.M | re.S)
INLINE = re.compile(r"`([^`\n]+)`")
SHELL = ("", "sh", "bash", "console")
CALL = re.compile(r"(?:\$ )?(?:\w+=\S+ )*(?:time )?(?:\S+/)?homeshelf\s+(.*)")
# a value that stands for another
PLACEHOLDER = re.compile(r"\.\.\.|…|[<$*{]|^[A-Z]+$")


class Documented(NamedTuple):
    """One command of a document; `is_whole` if it stands in a block, as something to be run."""

    document: str
    text: str
    is_whole: bool


def documented(name: str) -> Iterator[Documented]:
    text = (ROOT / name).read_text(encoding="utf-8")
    for _, language, block in FENCE.findall(text):
        lines = block.replace("\\\n", " ").splitlines() if language in SHELL else []
        parts = (part.strip() for line in lines for part in re.split(r"&&| \| ", line))
        yield from (Documented(name, found[1], True) for part in parts if (found := CALL.fullmatch(part)))
    spans = (span.strip() for span in INLINE.findall(FENCE.sub("", text)))
    yield from (Documented(name, found[1], False) for span in spans if (found := CALL.fullmatch(span)))


def refusal(one: Documented) -> str:
    """Return why homeshelf would refuse the command; empty where it would not."""
    name, *words = [word for word in shlex.split(one.text, comments=True) if not word.startswith(">")]
    if name.startswith("--") or name in ("COMMAND", "NAME:"):
        return ""
    if name not in BY_NAME:
        return f"there is no command {name}"
    try:
        for word in words:
            check_flag(name, word)
        # a bare name may be a title in what a command printed
        # and a file may say what the command line does not
        is_part = any(word.startswith("--config=") or PLACEHOLDER.search(word) for word in words)
        if one.is_whole and words and not is_part:
            parse_flags(BY_NAME[name].options, words)
    except (UsageError, ValueError) as error:
        return str(error)
    return ""


def check_flag(name: str, word: str) -> None:
    """Raise UsageError or ValueError where a command has no such flag, or the flag no such value."""
    flag, _, value = word.partition("=")
    known = {f"--{field.name}": field for field in (*fields(BY_NAME[name].options), *fields(CommonOptions))}
    if not flag.startswith("--") or flag == "--help":
        return
    if flag not in known and BY_NAME[name].takes_beam_flags:
        parse_beam([word])
    elif flag not in known:
        raise UsageError(f"{name} has no flag {flag}")
    elif value and not PLACEHOLDER.search(value):
        known[flag].metadata["kind"](value)


# the changelog tells of commands that were
ALL = sorted({one for name in DOCUMENTS if name != "CHANGELOG.md" for one in documented(name)})


@pytest.mark.parametrize("one", ALL, ids=lambda one: f"{one.document}: {one.text}"[:100])
def test_a_documented_command_is_accepted(one: Documented) -> None:
    assert refusal(one) == ""


# flags of other programs
OTHERS = ("--only",)


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if name != "CHANGELOG.md"])
def test_a_flag_that_is_named_alone_is_one_of_homeshelf_or_beam(name: str) -> None:
    known = {f"--{field.name.rstrip('_')}" for command in BY_NAME.values() for field in fields(command.options)}
    known |= {f"--{field.name}" for field in fields(CommonOptions)}
    spans = [span for span in INLINE.findall(FENCE.sub("", (ROOT / name).read_text())) if span.startswith("--")]
    for word in (word for span in spans for word in shlex.split(span) if word.startswith("--")):
        if word.partition("=")[0] not in known and word.partition("=")[0] not in OTHERS:
            assert beam_refusal(word) in ("", "expected one argument"), word


def beam_refusal(word: str) -> str:
    try:
        parse_beam([word])
    except UsageError as error:
        return str(error).rpartition(": ")[2]
    return ""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("rnu --events=e", "there is no command rnu"),
        ("check --rnu=out", "check has no flag --rnu"),
        ("run --event=e --output=o", "unknown flag --event"),
        ("run --events=e", "--output requires an argument"),
        ("run --events=e --output=o --num_epochs=few", "'few' is no whole number"),
        ("why --run=out/ds=.../run=... --user=USER --trakc=7", "why has no flag --trakc"),
    ],
)
def test_a_stale_command_would_be_found(text: str, reason: str) -> None:
    assert reason in refusal(Documented("", text, True))
    assert len(ALL) > 50 and any(one.is_whole for one in ALL)
