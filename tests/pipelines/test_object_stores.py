"""The whole job with everything in an object store: input, output, models, artifacts."""

import time
from pathlib import Path
from typing import Any

import pytest
from gcp_storage_emulator.server import Router

from pipelines.cli import main
from tests.object_stores import download, upload
from tests.runs import DCN, FAST, Published
from transforms.tables.files import read_bytes


def run_in(store: str, world: Path, tmp_path: Path, *flags: str) -> Published:
    """Upload the world, run, download the published files; names have spaces and letters of many alphabets."""
    root = f"{store}/{tmp_path.name}/música 音"
    for table in ("events", "tracks", "users"):
        upload(world / table, f"{root}/{table}")
    tables = [f"--events={root}/events", f"--tracks={root}/tracks", f"--users_table={root}/users"]
    assert main(["run", *tables, f"--output={root}/home pages", *FAST, *flags]) == 0
    download(f"{root}/home pages", tmp_path / "published")
    return Published(tmp_path / "published")


def test_a_run_on_s3_publishes_what_a_local_one_does(
    s3: str, world: Path, published: Published, tmp_path: Path
) -> None:
    run = run_in(s3, world, tmp_path, *DCN)
    assert run.hashes() == published.hashes() == run.read_hashes()
    where = f"{s3}/{tmp_path.name}/música 音/home pages"
    assert main(["report", f"--run={where}"]) == 0
    beside = f"{where}/{run.pointer.parent.name}/{run.folder.name}"
    assert (
        b"Run as of 2026-01-01" in read_bytes(f"{beside}/report.html")
        and read_bytes(f"{beside}/stages.jsonl").count(b"\n") > 30
    )
    assert all((run.folder / path).is_dir() for path in run.manifest["artifacts"].values())


def test_a_run_on_gs_outlives_an_outage(
    gs: str, world: Path, published: Published, models: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outage = Outage(from_request=100, seconds=1.5)
    outage.happen_to(monkeypatch)
    run = run_in(gs, world, tmp_path, *models)
    assert outage.refused >= 1
    assert run.hashes() == run.read_hashes() and set(run.manifest["tables"]) == set(published.manifest["tables"]) - {
        "features",
        "holdout",
    }
    assert run.hashes().items() <= published.hashes().items()


class Outage:
    """An outage of the emulator: from one request on it answers 503 for some time."""

    def __init__(self, from_request: int, seconds: float) -> None:
        self.from_request, self.seconds = from_request, seconds
        self.requests, self.refused, self.ends_at = 0, 0, float("inf")

    def happen_to(self, patch: pytest.MonkeyPatch) -> None:
        handle = Router.handle

        def refuse_or_handle(router: Any, method: str) -> None:
            self.requests += 1
            if self.requests == self.from_request:
                self.ends_at = time.monotonic() + self.seconds
            if self.requests < self.from_request or time.monotonic() > self.ends_at:
                handle(router, method)
                return
            self.refused += 1
            router._request_handler.send_response(503)
            router._request_handler.send_header("Content-Length", "0")
            router._request_handler.end_headers()

        patch.setattr(Router, "handle", refuse_or_handle)
