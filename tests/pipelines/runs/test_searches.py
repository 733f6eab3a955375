"""An id is found in whatever file holds it, or the file is named as one that cannot be searched."""

import bz2
import gzip
import html
import io
import json
import lzma
import zipfile
from collections.abc import Callable
from urllib.parse import quote

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.runs.searches import UnsearchableError, UserSearch

USERS = ("alice", "żółw & <co>", "a/b c", "u+1", "12345678", "né\u2028")


def parquet(values: object) -> bytes:
    sink = io.BytesIO()
    pl.DataFrame({"other": [values]}, strict=False).write_parquet(sink)
    return sink.getvalue()


def zipped(user: str) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", f"x,{user}\n")
    return sink.getvalue()


def numbers(user: str) -> bytes:
    sink = io.BytesIO()
    np.save(sink, np.array([user, "x"]))
    return sink.getvalue()


HOLDERS: dict[str, Callable[[str], bytes]] = {
    "csv": lambda user: f"a,{user},b".encode(),
    "html": lambda user: f"<td>{html.escape(user)}</td>".encode(),
    "json": lambda user: json.dumps([user]).encode(),
    "json of any letters": lambda user: json.dumps({user: 1}, ensure_ascii=False).encode(),
    "url": lambda user: f"GET /users/{quote(user)}?x=1".encode(),
    "utf-16": lambda user: f"x {user} y".encode("utf-16"),
    "numpy": numbers,
    "gzip": lambda user: gzip.compress(f"{user}\n".encode()),
    "bz2": lambda user: bz2.compress(f"{user}\n".encode()),
    "xz": lambda user: lzma.compress(f"{user}\n".encode()),
    "zip": zipped,
    "gzip in gzip": lambda user: gzip.compress(gzip.compress(user.encode())),
    "parquet": parquet,
    "nested parquet": lambda user: parquet([{"a": [user]}]),
    "parquet with JSON": lambda user: parquet(json.dumps({"id": user})),
}


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize("user", USERS)
def test_it_is_found(holder: str, user: str) -> None:
    content = HOLDERS[holder](user)
    assert UserSearch((user, "someone")).find(content), content
    assert not UserSearch(("someone", "bob")).find(content)


@pytest.mark.parametrize("content", [b"PAR1 half", b"\x1f\x8bhalf", b"PK half", b"ARROW1", b"%PDF-1.7", b"\x89PNG"])
def test_what_cannot_be_searched_is_no_proof(content: bytes) -> None:
    with pytest.raises(UnsearchableError):
        UserSearch(("alice",)).find(content)


@given(st.binary(max_size=300), st.text("abc1", min_size=1, max_size=4))
def test_plain_bytes_are_searched_as_by_hand(content: bytes, user: str) -> None:
    assert UserSearch((user,)).find(b"x " + content.replace(b"\0", b"?") + b" " + user.encode() + b".")
    inside = b"x" + user.encode() + b"1"
    assert not UserSearch((user,)).find(inside) or user.encode() + b"1" != inside[-len(user) - 1 :]
