"""Random damage to files, as crashes, disks, tools and people do it."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

VALUES: list[Any] = [
    None,
    True,
    -1,
    7,
    1e300,
    "",
    "x",
    "../../../etc",
    "gs://a/b",
    "2026-13-01",
    [],
    [1],
    {},
    {"a": None},
]


def _replace(path: Path, content: bytes) -> None:
    # the file may be a hard link to one of a shared run
    path.unlink()
    path.write_bytes(content)


def cut(path: Path, rng: random.Random) -> None:
    content = path.read_bytes()
    _replace(path, content[: rng.randrange(len(content) + 1)])


def flip(path: Path, rng: random.Random) -> None:
    content = bytearray(path.read_bytes() or b"\0")
    for _ in range(rng.choice([1, 8])):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    _replace(path, bytes(content))


def fill(path: Path, rng: random.Random) -> None:
    _replace(path, rng.choice([b"", b"\0" * 999, rng.randbytes(999), b"null", b"[]", b"{}", b"[" * 9999, b"\xff\xfe"]))


def remove(path: Path, rng: random.Random) -> None:
    path.unlink()


def make_folder(path: Path, rng: random.Random) -> None:
    path.unlink()
    (path / "within").mkdir(parents=True)


def link(path: Path, rng: random.Random) -> None:
    target = rng.choice([path, Path("/etc/passwd"), path.parent, path.parent / "gone"])
    path.unlink()
    path.symlink_to(target)


def remove_parent(path: Path, rng: random.Random) -> None:
    shutil.rmtree(path.parent)


def change_json(path: Path, rng: random.Random) -> None:
    """Change one value, at any depth, or remove or rename its key; other files are cut."""
    if path.name != "manifest.json":
        return cut(path, rng)
    content = json.loads(path.read_text())
    place, key = content, None
    for _ in range(rng.randrange(1, 6)):
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            break
        inner, last = place, rng.choice(keys)
        key, holder, place = last, inner, inner[last]
        if not isinstance(place, dict | list):
            break
    if key is not None:
        if isinstance(holder, dict) and rng.random() < 0.3:
            holder[f"{key}x"] = holder.pop(key)
        else:
            holder[key] = rng.choice(VALUES)
    _replace(path, json.dumps(content).encode())
    return None


DAMAGES: tuple[Callable[[Path, random.Random], None], ...] = (
    cut, flip, fill, remove, make_folder, link, remove_parent, change_json, change_json, change_json,
)  # fmt: skip


def damage_one(folder: Path, rng: random.Random, pattern: str = "*") -> str:
    """Damage one file below a folder; return what was done."""
    # manifests and pointers, of which there are few, as often as all else
    files = sorted(path for path in folder.rglob(pattern) if path.is_file())
    chief = [path for path in files if path.name in ("manifest.json", "CURRENT")]
    path = rng.choice(chief if chief and rng.random() < 0.6 else files)
    damage = rng.choice(DAMAGES)
    damage(path, rng)
    return f"{damage.__name__} {path.relative_to(folder)}"
