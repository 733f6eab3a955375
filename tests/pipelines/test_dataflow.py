"""Dataflow without a cloud: its real runner submits to a stand-in, and the staged graph is run by a real worker."""

import shutil
import sys
import sysconfig
import tarfile
from pathlib import Path

import pytest
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability import python_urns
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from pipelines.cli import main
from tests.object_stores import download, upload
from tests.runs import DCN, FAST, Published
from tests.templates.dataflow_service import dataflow_service
from transforms.publishing.run_paths import STARTED_FILE
from transforms.tables.files import list_files, read_bytes

JOB_TYPE_BATCH = 1
ROOT = Path(__file__).parents[2]
# A worker that sees the dependencies and the unpacked package: without site, no editable install reaches it.
# It does not search for credentials, because none exist here.
WORKER = (
    "import sys; from apache_beam.internal.gcp import auth; auth._Credentials._credentials_init = True;"
    " from apache_beam.runners.worker import sdk_worker_main; sdk_worker_main.main(sys.argv)"
)


def flags_on(store: str, service: str) -> list[str]:
    tables = [f"--{name}={store}/{folder}" for name, folder in (("events", "events"), ("tracks", "tracks"))]
    cloud = ["--runner=DataflowRunner", "--project=a-project", "--region=europe-west1", "--no_auth"]
    places = [f"--{name}_location={store}/{name}" for name in ("staging", "temp")]
    users = f"--users_table={store}/users"
    return [*tables, users, f"--output={store}/out", *cloud, *places, f"--dataflow_endpoint={service}"]


def test_a_job_is_submitted_and_its_staged_graph_runs_in_a_worker(
    gs: str, world: Path, published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = f"{gs}/{tmp_path.name}"
    for table in ("events", "tracks", "users"):
        upload(world / table, f"{store}/{table}")
    with dataflow_service() as (service, jobs):
        package = f"--setup_file={copied_package(tmp_path)}/setup.py"
        assert main(["run", *flags_on(store, service), package, *FAST, *DCN, "--run_id=staged"]) == 0
    (job,) = jobs
    assert job["type"] == JOB_TYPE_BATCH and [file.path.rpartition("/")[2] for file in list_files(f"{store}/out")] == [
        STARTED_FILE
    ], "the submitting process only announces the run"
    staged = {file.path.rsplit("/", 1)[-1]: file.path for file in list_files(f"{store}/staging")}
    (sdist,) = [path for name, path in staged.items() if name.endswith(".tar.gz")]
    # Beam decompresses the file because of its name
    with FileSystems.open(sdist) as file, tarfile.open(fileobj=file, mode="r|") as archive:
        # the argument `filter` of extractall is younger than some patch releases of Python 3.10 and 3.11
        archive.extraction_filter = getattr(tarfile, "data_filter", lambda member, path: member)
        archive.extractall(tmp_path / "package")
    (package_folder,) = (tmp_path / "package").iterdir()
    assert {path.name for path in package_folder.iterdir() if (path / "__init__.py").exists()} == {
        "homeshelf", "pipelines", "transforms", "models",
    }  # fmt: skip
    graph = beam_runner_api_pb2.Pipeline.FromString(read_bytes(staged["pipeline.pb"]))
    run_in_worker(graph, package_folder, tmp_path, monkeypatch)
    download(f"{store}/out", tmp_path / "out")
    run = Published(tmp_path / "out")
    assert run.folder.name == "run=staged"
    assert run.hashes() == published.hashes() == run.read_hashes()


def copied_package(tmp_path: Path) -> Path:
    """Copy the files of a checkout, so that building a package leaves nothing behind in the original."""
    copy = tmp_path / "checkout"
    copy.mkdir()
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for name in ("homeshelf", "pipelines", "transforms", "models", "tests"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def run_in_worker(
    graph: beam_runner_api_pb2.Pipeline, package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run a graph as Dataflow would: every stage in another process, which sees only the staged files."""
    command = f"cd {tmp_path} && {sys.executable} -S -c '{WORKER}'"
    for environment in graph.components.environments.values():
        environment.urn, environment.payload = python_urns.SUBPROCESS_SDK, command.encode()
        del environment.dependencies[:]
    monkeypatch.setenv("PYTHONPATH", f"{package}:{sysconfig.get_path('purelib')}")
    result = FnApiRunner().run_via_runner_api(graph, PipelineOptions(["--sdk_worker_parallelism=1"]))
    result.wait_until_finish()
    assert str(result.state) == "DONE"


def test_a_template_is_one_graph_and_nothing_else_happens(
    gs: str, world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = f"{gs}/{tmp_path.name}"
    for table in ("events", "tracks", "users"):
        upload(world / table, f"{store}/{table}")
    with dataflow_service() as (service, jobs):
        template = [f"--template_location={store}/template/job_object", "--sdk_location=container"]
        image = "--sdk_container_image=example.com/homeshelf:abc"
        assert main(["run", *flags_on(store, service), *template, image, *FAST]) == 0
    assert jobs == [] and not list_files(f"{store}/out")
    assert [file.path for file in list_files(f"{store}/template")] == [f"{store}/template/job_object"]
    assert b"example.com/homeshelf:abc" in read_bytes(f"{store}/template/job_object")
    (graph,) = [file.path for file in list_files(f"{store}/staging") if file.path.endswith("/pipeline.pb")]
    assert b"PublishRun" in read_bytes(graph)
    assert capsys.readouterr().out == ""
