"""Object stores on this machine: gs:// by gcp-storage-emulator, s3:// by moto, each in a thread of the tests."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import boto3
from apache_beam.internal.gcp import auth
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions
from gcp_storage_emulator.server import create_server
from moto.server import ThreadedMotoServer
from pytest import MonkeyPatch

BUCKET = "homeshelf"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def gs_store(patch: MonkeyPatch) -> Iterator[str]:
    """Provide an empty bucket during the block; yield gs://BUCKET."""
    port = free_port()
    server = create_server("127.0.0.1", port, in_memory=True, default_bucket=BUCKET)
    server.start()
    patch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
    # without this, every process searches for credentials for 18 s
    patch.setattr(auth._Credentials, "_credentials_init", True)
    try:
        yield f"gs://{BUCKET}"
    finally:
        server.stop()


@contextmanager
def s3_store(patch: MonkeyPatch) -> Iterator[str]:
    """Provide an empty bucket during the block; yield s3://BUCKET."""
    port = free_port()
    server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
    server.start()
    environment = {"ENDPOINT_URL": f"http://127.0.0.1:{port}", "ACCESS_KEY_ID": "none", "SECRET_ACCESS_KEY": "none"}
    for name, value in {**environment, "DEFAULT_REGION": "us-east-1"}.items():
        patch.setenv(f"AWS_{name}", value)
    # Beam makes a session and a client for every operation, and each reads megabytes of JSON
    session = boto3.session.Session()
    patch.setattr(session, "client", cache(session.client))
    patch.setattr(boto3.session, "Session", lambda: session)
    # Beam's s3:// needs options, even empty ones
    FileSystems.set_options(PipelineOptions([]))
    session.client("s3").create_bucket(Bucket=BUCKET)
    try:
        yield f"s3://{BUCKET}"
    finally:
        server.stop()


def upload(folder: Path, target: str) -> None:
    """Copy a local folder into a bucket."""
    for path in folder.rglob("*"):
        if path.is_file():
            with FileSystems.create(f"{target}/{path.relative_to(folder)}") as file:
                file.write(path.read_bytes())


def download(source: str, folder: Path) -> None:
    """Copy the files of a bucket to a local folder."""
    for file in FileSystems.match([f"{source}/**"])[0].metadata_list:
        target = folder / file.path[len(source) + 1 :]
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileSystems.open(file.path) as content:
            target.write_bytes(content.read())
