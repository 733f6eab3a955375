"""Artifacts: a fresh folder for each attempt, fetched once per process."""

import subprocess
import sys
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from transforms.tables.artifacts import BuildArtifact, local_copy


def test_an_artifact_is_a_fresh_folder_each_time(tmp_path: Path) -> None:
    def write(directory: Path, *, text: str) -> None:
        (directory / "file").write_text(text)

    for _ in range(2):
        with beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"])) as root:
            paths = root | BuildArtifact(write, folder=str(tmp_path / "artifacts"), text="x")
            _ = paths | beam.Map(lambda path: Path(path, "seen").touch())
    folders = list((tmp_path / "artifacts").iterdir())
    assert len(folders) == 2 and all((local_copy(str(folder)) / "seen").exists() for folder in folders)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        local_copy(str(tmp_path / "nowhere"))


FETCH = """
import sys
from transforms.tables import artifacts

artifacts.is_remote = lambda path: True
copy = artifacts.local_copy(sys.argv[1])
assert copy == artifacts.local_copy(sys.argv[1]) and (copy / "below" / "file").read_text() == "x"
print(copy)
"""


def test_a_process_removes_what_it_fetched(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "file").write_text("x")
    done = subprocess.run([sys.executable, "-c", FETCH, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() and not Path(done.stdout.strip()).exists() and (tmp_path / "below" / "file").exists()
