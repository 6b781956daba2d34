"""Seconds to readiness, seconds to a hosted model, and the memory of every process."""

from __future__ import annotations

import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.bed import RENDER_SEED, Bed
from bench.load import OBJECT_BYTES
from bench.results import Figure, Result, Table
from bench.wire import BenchFailed, rate

RUNS = 5
READY_SECONDS = 2.0
HOSTED_SECONDS = 5.0
SERVER_MIB = 200
UNIT = "relook.fleet.unit"
_LOAD_SECONDS = 10.0


def measure(bed: Bed) -> Result:
    """Of several runs the slowest counts."""
    runs = 2 if bed.quick else RUNS
    rows: list[list[str | float]] = []
    first, again = _ready(runs)
    rows.append(_row("ready, new data folder", first))
    rows.append(_row("ready, data folder used before", again))
    rows.append(_row("peer: a bare Python that imports boto3", [_boto3() for _ in range(runs)]))
    hosted = []
    for _ in range(runs):
        with bed.hosting(bed.segmentation) as seconds:
            hosted.append(seconds)
    rows.append(_row("StartModel to HOSTED", hosted))
    memory = _memory_after_load(bed)
    figures = [
        Figure("server ready, slowest start", round(max(first + again), 2), "s", at_most=READY_SECONDS),
        Figure("StartModel to HOSTED, slowest", round(max(hosted), 2), "s", at_most=HOSTED_SECONDS),
        Figure("server process after load, resident", memory["server"][0], "MiB", at_most=SERVER_MIB),
        Figure("job worker after a training, resident", memory["worker"][0], "MiB"),
        Figure("inference unit after load, resident", memory["unit"][0], "MiB"),
    ]
    notes = [
        "Ready: from starting the process to its announcement, after which requests are answered.",
        f"Load before memory is read: the trainings, then {_load_seconds(bed):g} s each of DetectAnomalies with 4 "
        f"clients, ListProjects with 4, and puts of {OBJECT_BYTES // 1000} KB with 4. Resident is VmRSS, pages shared "
        "with other processes included; peak is VmHWM.",
    ]
    tables = [
        Table(f"Seconds, {runs} runs", ("what", "median", "slowest"), rows),
        Table("MiB", ("process", "resident", "peak"), [[name, *sizes] for name, sizes in memory.items()]),
    ]
    return Result(
        "Start-up and memory",
        figures,
        tables,
        notes,
        {"drawn pictures": RENDER_SEED, "training": bed.segmentation.seed},
    )


def _row(what: str, seconds: list[float]) -> list[str | float]:
    return [what, round(statistics.median(seconds), 3), round(max(seconds), 3)]


def _ready(runs: int) -> tuple[list[float], list[float]]:
    """Seconds from exec to the announcement: on a folder that is not there yet, and on the same one again."""
    first, again = [], []
    for _ in range(runs):
        with tempfile.TemporaryDirectory(prefix="relook-bench-") as folder:
            first.append(_start(Path(folder) / "data"))
            again.append(_start(Path(folder) / "data"))
    return first, again


def _start(data: Path) -> float:
    command = [sys.executable, "-m", "relook", "serve", "--data", str(data), "--port", "0"]
    with (data.parent / "log").open("ab") as log:
        began = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, start_new_session=True) as server:
            assert server.stdout is not None
            line = server.stdout.readline()
            seconds = time.perf_counter() - began
            server.send_signal(signal.SIGTERM)
            server.wait(60)
    if not line.startswith(b"serving "):
        raise BenchFailed(f"the server did not start: {(data.parent / 'log').read_text()[-2000:]}")
    return seconds


def _boto3() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import boto3"], check=True)
    return time.perf_counter() - began


def _load_seconds(bed: Bed) -> float:
    return 1.0 if bed.quick else _LOAD_SECONDS


def _memory_after_load(bed: Bed) -> dict[str, tuple[float, float]]:
    """MiB resident and at peak of the server, the job worker and the inference unit."""
    sign, seconds = bed.signer, _load_seconds(bed)
    bed.clients.s3.create_bucket(Bucket="memory")
    puts = [sign("s3", "PUT", f"/memory/{number}", bytes(OBJECT_BYTES), "image/png") for number in range(32)]
    with bed.hosting(bed.segmentation):
        rate(sign.endpoint, bed.detections(bed.segmentation), 4, seconds)
        rate(sign.endpoint, [sign("lookoutvision", "GET", "/2020-11-20/projects")], 4, seconds)
        rate(sign.endpoint, puts, 4, seconds)
        processes = {"server": bed.server.pid}
        for name, word in (("worker", "_worker"), ("unit", UNIT)):
            [processes[name]] = children(bed.server.pid, word)
        return {name: resident(pid) for name, pid in processes.items()}


def resident(pid: int) -> tuple[float, float]:
    """MiB now and at most."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    sizes = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith(("VmRSS", "VmHWM"))}
    return round(int(sizes["VmRSS"]) / 1024, 1), round(int(sizes["VmHWM"]) / 1024, 1)


def children(parent: int, word: str) -> list[int]:
    """The processes that `parent` started with `word` among their arguments; BenchFailed where there is none."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            started_by = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            arguments = (folder / "cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if started_by == parent and word.encode() in arguments:
            found.append(int(folder.name))
    if not found:
        raise BenchFailed(f"process {parent} has no child {word}")
    return found
