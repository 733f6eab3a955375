"""The Flex Template as its service, Docker and gcloud would read it."""

import json
import os
import re
import subprocess
import sys
from dataclasses import fields
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from google.cloud.dataflow_v1beta3 import ContainerSpec, LaunchFlexTemplateParameter, TemplateMetadata

from models import BEFORE_TENSORFLOW_LOADS
from pipelines.docs.render_template import METADATA, REQUIRED, container_spec, template_metadata
from pipelines.options.flag_kinds import parse_path
from pipelines.options.options import RunOptions, UsageError
from pipelines.options.parsing import parse_flags

TEMPLATES = METADATA.parent
ROOT = TEMPLATES.parent
IMAGE = "europe-west1-docker.pkg.dev/p/homeshelf/homeshelf:abc"
PUSHED = f"{IMAGE.removesuffix(':abc')}@sha256:{'0' * 64}"


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions, lines joined, comments left out."""
    text = re.sub(r"^#.*\n", "", (TEMPLATES / "Dockerfile").read_text(), flags=re.M).replace("\\\n", " ")
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in text.splitlines() if line)]


def test_the_metadata_is_what_the_options_say() -> None:
    assert json.loads(METADATA.read_text()) == template_metadata(), "run python -m pipelines.docs.render_template"


def test_the_service_reads_metadata_and_spec() -> None:
    read = TemplateMetadata.from_json(METADATA.read_text())
    assert {one.name for one in read.parameters if not one.is_optional} == {"events", "output", *REQUIRED}
    spec = ContainerSpec.from_json(json.dumps(container_spec(IMAGE)))
    assert spec.image == spec.default_environment.sdk_container_image == IMAGE
    assert list(spec.default_environment.additional_pipeline_options) == ["sdk_location=container"]
    with pytest.raises(Exception, match="isOptinal"):
        TemplateMetadata.from_json(METADATA.read_text().replace("isOptional", "isOptinal", 1))


def test_every_default_passes_its_own_check() -> None:
    given = [one for one in template_metadata()["parameters"] if "defaultValue" in one]
    assert all(re.match(pattern, one["defaultValue"]) for one in given for pattern in one.get("regexes", []))
    flags = [f"--{one['name']}={one['defaultValue']}" for one in given]
    options, rest = parse_flags(RunOptions, ["--events=e", "--output=o", *flags])
    assert (options, rest) == (RunOptions(events="e", output="o"), [])
    patterns = {one["name"]: one["regexes"][0] for one in template_metadata()["parameters"] if "regexes" in one}
    assert re.match(patterns["as_of"], "2026-01-01T06:00:00Z") and not re.match(patterns["as_of"], "yesterday")
    assert not re.match(patterns["shelf_size"], "0") and not re.match(patterns["seed"], "-1")


TEXTS = ["", " ", "0", "1", "7", "007", "-1", "0.5", ".5", "1.", "1e-3", "nan", "x", "1,2", "3,2", "2,", "full", "fail"]
TEXTS += ["yes", "No", "a-b_c", "a/b", "auc:0.5,x:-1", "auc", "2026-01-01", "2026-01-01T06:00:00Z", "soon"]


@cache
def is_refused(name: str, text: str) -> bool:
    try:
        parse_flags(RunOptions, ["--events=e", "--output=o", f"--{name}={text}"])
    except UsageError:
        return True
    return False


@pytest.mark.parametrize("parameter", template_metadata()["parameters"], ids=lambda one: str(one["name"]))
def test_the_service_refuses_what_the_launcher_would_and_nothing_else(parameter: dict[str, Any]) -> None:
    (one,) = (one for one in fields(RunOptions) if one.name == parameter["name"])
    patterns = parameter.get("regexes", [])
    # free text: paths and mappings of columns, which only the launcher can look at
    kind = one.metadata["kind"]
    is_free = kind in (str, parse_path) and one.default == ""
    assert patterns or is_free or one.name == "ranker_model"
    # flags of one kind are read alike: the first of them speaks for all
    named = one.name if is_free else next(o.name for o in fields(RunOptions) if o.metadata["kind"] is kind)
    for text in TEXTS:
        # that there is a surface of the name is checked later
        is_checked = all(re.match(pattern, text) for pattern in patterns) or one.name == "surfaces"
        assert is_checked or is_refused(named, text), text
    if patterns and one.name not in ("events", "output", "surfaces"):
        assert not any(re.match(patterns[0], text) for text in ("a/b", "-1 "))


def test_no_secret_is_an_option() -> None:
    # options of a job can be read by whoever can see it
    assert not [one.name for one in fields(RunOptions) if re.search("secret|password|token|key|credential", one.name)]


def test_the_dockerfile_passes_hadolint() -> None:
    found = subprocess.run(["hadolint", TEMPLATES / "Dockerfile"], capture_output=True, text=True, env=_environment())
    assert found.returncode == 0, found.stdout + found.stderr


def test_the_image_is_launcher_and_worker() -> None:
    found = instructions()
    assert found[-1] == ("ENTRYPOINT", '["/opt/apache/beam/boot"]')
    environment = dict(re.findall(r"(\w+)=(\S+)", " ".join(rest for word, rest in found if word == "ENV")))
    assert environment["FLEX_TEMPLATE_PYTHON_PY_FILE"] == "/template/main.py"
    assert environment["POLARS_MAX_THREADS"] == environment["OMP_NUM_THREADS"] == "1"
    assert not set(environment) & set(BEFORE_TENSORFLOW_LOADS)
    assert any("pip check" in rest for word, rest in found if word == "RUN")
    assert ("WORKDIR", "/template") in found and "main.py" in " ".join(rest for word, rest in found if word == "COPY")


def test_the_local_image_is_the_command_and_not_root() -> None:
    found = instructions()
    first = found.index(("FROM", "packages AS local"))
    stage = found[first + 1 : found.index(("FROM", "packages"))]
    assert stage[-1] == ("ENTRYPOINT", '["homeshelf"]') and ("USER", "1000") in stage


def test_versions_are_pinned_and_of_one_beam() -> None:
    named = {rest.split()[-1] for word, rest in instructions() if word == "FROM"}
    images = [image for word, rest in instructions() if word == "FROM" and (image := rest.split()[0]) not in named]
    assert len(images) == 3
    assert all(re.search(r":[\w.-]*\d", image) and not image.endswith("latest") for image in images)
    (beam,) = re.findall(r"^apache-beam==(\S+)", (TEMPLATES / "requirements.txt").read_text(), re.M)
    assert any(image == f"apache/beam_python3.11_sdk:{beam}" for image in images)
    assert any(re.match(r"python:3\.11\.\d+-\S+@sha256:[0-9a-f]{64}$", image) for image in images)
    locked = set(re.findall(r"^[a-z][\w.-]*==\S+", (ROOT / "requirements.txt").read_text(), re.M))
    ours = set(re.findall(r"^[a-z][\w.-]*==\S+", (TEMPLATES / "requirements.txt").read_text(), re.M))
    assert ours <= locked, "make lock"


@pytest.mark.parametrize("lock", ["requirements.txt", "templates/requirements.txt"])
def test_every_pin_has_hashes(lock: str) -> None:
    pins = re.split(r"\n(?=\S)", (ROOT / lock).read_text().strip())
    assert len(pins) > 100
    for pin in pins:
        assert re.match(r"[a-z0-9][\w.-]*==\S+ ", pin) and re.search(r"--hash=sha256:[0-9a-f]{64}$", pin), pin[:80]
    assert any("--require-hashes" in rest for word, rest in instructions() if word == "RUN")


def test_what_is_copied_reaches_the_builder_and_nothing_else_does() -> None:
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = [
        part for word, rest in instructions() if word == "COPY" and "--from" not in rest for part in rest.split()[:-1]
    ]
    assert copied and all(any(pattern == one or pattern.startswith(f"{one}/") for pattern in allowed) for one in copied)
    listing = ["git", "ls-files", "-co", "--exclude-standard"]
    tracked = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    sent = {path for path in tracked if any(fnmatch(path, pattern) for pattern in allowed)}
    assert {path.split("/")[0] for path in sent if "/" in path} == {
        "homeshelf", "pipelines", "transforms", "models", "templates",
    }  # fmt: skip
    data = [path for path in sent if path.endswith((".parquet", ".json")) and not path.endswith(".schema.json")]
    assert not data and not [path for path in sent if path.startswith("tests")]


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """Where stand-ins for docker and gcloud write their arguments, one a line."""
    for name in ("docker", "gcloud"):
        script = tmp_path / name
        script.write_text(
            f'#!/bin/sh\necho {name} >> {tmp_path}/calls\nfor a in "$@"; do echo "$a" >> {tmp_path}/calls; done\n'
            f'case "$*" in *" cp - "*) cat > {tmp_path}/spec.json;; inspect*) echo {PUSHED};; esac\n'
        )
        script.chmod(0o755)
    return tmp_path


def launch(recorded: Path, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    given = {"PROJECT": "p", "REGION": "europe-west1", "BUCKET": "b", "TAG": "abc", **settings}
    path = f"{recorded}:{os.environ['PATH']}"
    environment = {**_environment(), **given, "PATH": path, "PYTHON": sys.executable}
    script = [TEMPLATES / "launch.sh", *arguments]
    return subprocess.run(script, capture_output=True, text=True, env=environment)


def test_launch_builds_one_image_and_its_template(recorded: Path) -> None:
    assert launch(recorded, "build").returncode == 0
    calls = (recorded / "calls").read_text().split("\n")
    assert calls.count(IMAGE) == 3 and "gs://b/templates/home_shelves-abc.json" in calls
    # a tag can be moved; what was pushed is what launcher and workers run
    assert ContainerSpec.from_json((recorded / "spec.json").read_text()).image == PUSHED


def test_launch_passes_parameters_that_the_service_takes(recorded: Path) -> None:
    done = launch(recorded, "run", "2026-01-01", "--hidden_units=64,32", EVENTS="gs://b/events")
    assert done.returncode == 0, done.stderr
    calls = (recorded / "calls").read_text().split("\n")
    (joined,) = [call.removeprefix("--parameters=^~^") for call in calls if call.startswith("--parameters=")]
    parameters = dict(pair.split("=", 1) for pair in joined.split("~"))
    expected = {"events": "gs://b/events", "output": "gs://b/home", "as_of": "2026-01-01", "hidden_units": "64,32"}
    assert parameters == expected and set(parameters) <= {one.name for one in fields(RunOptions)}
    body = {"jobName": "j", "containerSpecGcsPath": "gs://b/t.json", "parameters": parameters}
    assert LaunchFlexTemplateParameter.from_json(json.dumps(body)).parameters["hidden_units"] == "64,32"
    assert "--disable-public-ips" in calls
    assert "--service-account-email=homeshelf-worker@p.iam.gserviceaccount.com" in calls


@pytest.mark.parametrize(
    ("arguments", "settings", "said"),
    [
        (["run"], {"EVENTS": "gs://b/e"}, "run needs the moment"),
        (["run", "2026-01-01"], {}, "EVENTS"),
        (["deploy"], {}, "neither build nor run"),
        (["build"], {"PROJECT": ""}, "PROJECT"),
    ],
)
def test_launch_says_what_is_missing(recorded: Path, arguments: list[str], settings: dict[str, str], said: str) -> None:
    done = launch(recorded, *arguments, **settings)
    assert done.returncode != 0 and said in done.stderr and not (recorded / "calls").exists()


def _environment() -> dict[str, str]:
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
