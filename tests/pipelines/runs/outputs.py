"""Output folders made by hand: runs with manifests, without a run having run."""

import json
from typing import Any

from transforms.tables.files import list_files, write_atomically


def put_run(output: str, day: str, run_id: str, *, minute: int = 0, current: bool = False, **more: Any) -> str:
    """A published run with one page file, a catalog and a ranker of its own; `more` replaces parts of the manifest."""
    folder = f"{output}/ds={day}/run={run_id}"
    for path in ("pages/part-0.parquet", "catalogs/c/tracks.parquet", "models/m/spec.json"):
        write_atomically(f"{folder}/{path}", run_id.encode())
    manifest = {
        "run": f"run={run_id}",
        "homeshelf": "1.2",
        "started_at": f"{day}T04:{minute:02}:00+00:00",
        "published_at": f"{day}T04:{minute:02}:30+00:00",
        "events": {"kept": 1_000},
        "tables": {"pages": {"rows": 7, "files": [{"path": "pages/part-0.parquet"}]}},
        "artifacts": {"catalog": "catalogs/c", "ranker": "models/m"},
        **more,
    }
    write_atomically(f"{folder}/manifest.json", json.dumps(manifest).encode())
    if current:
        point(output, day, run_id)
    return folder


def point(output: str, day: str, run_id: str) -> None:
    write_atomically(f"{output}/ds={day}/CURRENT", f"run={run_id}\n".encode())


def names(output: str) -> set[str]:
    return {file.path.removeprefix(f"{output}/") for file in list_files(output)}
