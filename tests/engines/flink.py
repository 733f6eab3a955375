"""A Flink cluster of processes on this machine: a job manager and two task managers, each with a worker of its own."""

import json
import re
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
JOB_SERVER = ROOT / ".flink" / "job-server.jar"
ENTRY_POINTS = "org.apache.flink.runtime"
JOB_MANAGER = f"{ENTRY_POINTS}.entrypoint.StandaloneSessionClusterEntrypoint"
TASK_MANAGER = f"{ENTRY_POINTS}.taskexecutor.TaskManagerRunner"
# One slot each: work done at the same time is done in different processes. Beam is loaded from Flink's own class path
# first: only then does --environment_cache_millis keep a worker from stage to stage; else a run would start 44.
CONFIGURATION = """
classloader.resolve-order: parent-first
jobmanager.rpc.address: localhost
jobmanager.rpc.port: {rpc}
rest.address: localhost
rest.port: {rest}
taskmanager.host: localhost
taskmanager.numberOfTaskSlots: 1
taskmanager.cpu.cores: 1
taskmanager.memory.framework.heap.size: 128m
taskmanager.memory.framework.off-heap.size: 128m
taskmanager.memory.task.heap.size: 512m
taskmanager.memory.task.off-heap.size: 64m
taskmanager.memory.jvm-metaspace.size: 256m
taskmanager.memory.jvm-overhead.min: 192m
taskmanager.memory.jvm-overhead.max: 192m
taskmanager.memory.managed.size: 256m
taskmanager.memory.network.min: 512m
taskmanager.memory.network.max: 512m
io.tmp.dirs: {folder}/tmp
blob.storage.directory: {folder}/tmp
"""


# the command that task managers start for Python stages; every start is a line in the log
WORKER = """#!/bin/sh
echo "$@" >> "{folder}/workers.log"
cd "{root}" && exec "{python}" -m tests.engines.boot "$@"
"""


class Cluster(NamedTuple):
    """A running cluster: the address of the job manager, and the command that starts a worker."""

    rest: str
    boot: Path

    @property
    def flags(self) -> list[str]:
        """Return the flags of homeshelf run for this cluster."""
        worker = json.dumps({"command": str(self.boot)})
        process = ["--environment_type=PROCESS", f"--environment_config={worker}", "--environment_cache_millis=600000"]
        return [f"--flink_master={self.rest}", *process]

    @property
    def num_workers(self) -> int:
        """Return the number of Python processes started so far."""
        return len((self.boot.parent / "workers.log").read_text().splitlines())

    def ask(self, path: str) -> Any:
        """Return an answer of the job manager."""
        with urllib.request.urlopen(f"http://{self.rest}{path}", timeout=10) as answer:
            return json.load(answer)


@contextmanager
def flink_cluster(folder: Path) -> Iterator[Cluster]:
    """Start a cluster of two task managers; stop it at the end of the block."""
    rpc, rest = free_ports(2)
    (folder / "tmp").mkdir()
    (folder / "config.yaml").write_text(CONFIGURATION.format(rpc=rpc, rest=rest, folder=folder))
    cluster = Cluster(f"localhost:{rest}", folder / "boot")
    cluster.boot.write_text(WORKER.format(folder=folder, root=ROOT, python=sys.executable))
    cluster.boot.chmod(0o755)
    java = ["java", *java_flags(JOB_SERVER), "-Xmx640m", "-cp", f"{JOB_SERVER.parent}/lib/*"]
    with ExitStack() as stack:
        for name, part in (("job_manager", JOB_MANAGER), ("first", TASK_MANAGER), ("second", TASK_MANAGER)):
            stack.enter_context(process([*java, part, "--configDir", str(folder)], folder / f"{name}.log"))
        wait_for(lambda: len(cluster.ask("/taskmanagers")["taskmanagers"]) == 2)
        yield cluster


@contextmanager
def process(command: list[str], log: Path) -> Iterator[None]:
    """Run a command in the background during the block."""
    with log.open("w") as said:
        started = subprocess.Popen(command, stdout=said, stderr=said)
        try:
            yield
        finally:
            started.terminate()
            try:
                started.wait(20)
            except subprocess.TimeoutExpired:
                started.kill()
                started.wait()


def java_flags(jar: Path) -> list[str]:
    """Return the Java flags of the jar's manifest, which only `java -jar` applies by itself."""
    with zipfile.ZipFile(jar) as archive:
        manifest = archive.read("META-INF/MANIFEST.MF").decode().replace("\r\n ", "")
    (packages,) = re.findall(r"^Add-Opens: (.+?)\r?$", manifest, re.M)
    return [f"--add-opens={package}=ALL-UNNAMED" for package in packages.split()]


def free_ports(number: int) -> list[int]:
    """Return unused ports."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("localhost", 0))
        return [one.getsockname()[1] for one in sockets]


def wait_for(holds: Callable[[], bool], seconds: float = 120) -> None:
    """Wait until a condition holds; an unreachable service counts as not yet."""
    for _ in range(round(seconds * 5)):
        try:
            if holds():
                return
        except OSError:
            pass
        time.sleep(0.2)
    raise TimeoutError(f"not within {seconds:g} s")
