"""Plugins that are files reach workers that have no such file: Beam's own start of a worker loads them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = """
from transforms.pages.shelves.conditions import BY_SCORE, HAS_PLAYS
from transforms.pages.shelves.shelf import Shelf

SHELVES = (Shelf("mine", "Mine", "{track} is mine", where=HAS_PLAYS, order=BY_SCORE, sentence="mine"),)


def double(number):
    return 2 * number
"""
SENDER = """
import sys
from apache_beam.internal import pickler
from apache_beam.runners.job.utils import dict_to_struct
from google.protobuf import json_format
import json, types
if sys.argv[1] == "portable":
    # a pipeline of the caller's, on which the graph itself is not needed
    sys.modules["pipelines.home_shelves"] = types.SimpleNamespace(build_home=lambda pipeline, options: "folder")
    import apache_beam, homeshelf
    pipeline = apache_beam.Pipeline(argv=["--runner=FlinkRunner"])
    assert homeshelf.build(pipeline, events="events", output="out", plugins="mine.py") == "folder"
    options = pipeline.options.get_all_options(drop_default=True)
else:
    from pipelines.configuration.use_plugins import use_plugins
    from pipelines.options.beam_flags import parse_beam
    use_plugins("mine.py")
    options = parse_beam(["--runner=FlinkRunner"]).get_all_options(drop_default=True)
if sys.argv[1] == "portable":
    struct = dict_to_struct({f"beam:option:{key}:v1": value for key, value in options.items()})
    print(json_format.MessageToJson(struct, indent=None))
else:
    print(json.dumps({"options": options}))
from mine import double
print(pickler.dumps(double).decode())
"""
WORKER = """
import os, sys
from apache_beam.runners.worker.sdk_worker_main import create_harness
create_harness({"PIPELINE_OPTIONS": sys.argv[1], "CONTROL_API_SERVICE_DESCRIPTOR": ""}, dry_run=True)
from apache_beam.internal import pickler
print(pickler.loads(sys.argv[2].encode())(21))
from transforms.pages.shelves.shelves import SHELF_IDS
from transforms.plugins import plugin_hashes
print(SHELF_IDS[-1], *plugin_hashes())
"""


def python(folder: Path, code: str, *arguments: str) -> list[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "HOMESHELF_PLUGINS": ""}
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()


@pytest.mark.parametrize("form", ["portable", "dataflow"])
def test_a_file_travels_with_the_options_of_the_run(form: str, tmp_path: Path) -> None:
    plugin = tmp_path / "mine.py"
    plugin.write_text(PLUGIN)
    options, function = python(tmp_path, SENDER, form)
    plugin.unlink()
    (tmp_path / "elsewhere").mkdir()
    assert python(tmp_path / "elsewhere", WORKER, options, function)[-2:] == ["42", "mine mine"]
