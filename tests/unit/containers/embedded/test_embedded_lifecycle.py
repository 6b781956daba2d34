"""Starting, ending and refusing sandboxes; what is left when somebody is killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from relook.containers.api import CannotRun, ContainerSpec, EngineFailed, Limits, Mount
from relook.containers.embedded import cgroups, launch
from relook.containers.embedded.driver import EmbeddedDriver
from relook.containers.images import ImageTable
from sandboxes import SECONDS, Log, Sandboxes, eventually, needs_sandbox

CODE = """
import os, signal, sys, time
def model_fn(model_dir): return 0
def transform_fn(model, data, content_type, accept):
    if data == b"wait":
        open("/gate/begun", "w").close()
        return open("/gate/fifo").read()
    return data
"""
OCTETS = {"Content-Type": "application/octet-stream"}


def spec(image: str, **more: object) -> ContainerSpec:
    return ContainerSpec(**{"name": "refused", "image": image, "command": ("serve",)} | more)  # type: ignore[arg-type]


@needs_sandbox
def test_stop_is_a_farewell_and_all_is_gone(sandboxes: Sandboxes) -> None:
    running = sandboxes.serve(CODE)
    assert running.ask("GET", "/ping").status == 200
    assert running.container.wait(0) is None
    assert running.container.stop(SECONDS) == 0
    assert running.container.wait(0) == 0
    assert running.container.stop() == 0
    with pytest.raises(ConnectionRefusedError, match="has ended"):
        running.container.connect()
    assert cgroups.leftover(running.container.name) == []


@needs_sandbox
@pytest.mark.parametrize("workers", ["1", "3"])
def test_a_stop_at_once_is_heard(sandboxes: Sandboxes, workers: str) -> None:
    """By a host that is not there yet: it ends by itself, and need not be killed."""
    running = sandboxes.serve(CODE, environment={"SAGEMAKER_MODEL_SERVER_WORKERS": workers})
    assert running.container.stop(SECONDS) == 0


@needs_sandbox
def test_stop_lets_what_has_begun_end(sandboxes: Sandboxes) -> None:
    gate = sandboxes.folder / "gate"
    gate.mkdir()
    os.mkfifo(gate / "fifo")
    running = sandboxes.serve(CODE, mounts=(Mount(gate, "/gate", read_only=False),))
    with running.container.connect() as link, link.makefile("rb") as answer:
        link.settimeout(SECONDS)
        link.sendall(b"POST /invocations HTTP/1.1\r\nContent-Length: 4\r\n\r\nwait")
        assert eventually((gate / "begun").exists)
        os.kill(_first_inside(running.container._started.process.pid), signal.SIGTERM)
        assert running.container.wait(0.2) is None
        (gate / "fifo").write_text("the answer")
        assert answer.read().endswith(b"the answer")
    assert running.container.wait(SECONDS) == 0


def _first_inside(bubblewrap: int) -> int:
    children = Path(f"/proc/{bubblewrap}/task/{bubblewrap}/children").read_text().split()
    return int(children[0])


@needs_sandbox
def test_who_does_not_listen_is_killed(sandboxes: Sandboxes) -> None:
    program = "trap '' TERM; echo here; while :; do sleep 1; done"
    running = sandboxes.start(
        sandboxes.model(), entrypoint=("/bin/sh", "-c"), command=(program,), limits=Limits(processes=64)
    )
    running.log.wait_for("here")
    assert running.container.stop(0.1) == 128 + signal.SIGKILL


@needs_sandbox
@pytest.mark.parametrize(
    ("program", "status"), [("exit 7", 7), ("kill -9 $$", 137), ("no-such-program-at-all", 127), ("true", 0)]
)
def test_the_exit_status_of_a_program(sandboxes: Sandboxes, program: str, status: int) -> None:
    running = sandboxes.start(sandboxes.model(), entrypoint=("/bin/sh", "-c"), command=(program,))
    assert running.container.wait(SECONDS) == status


@needs_sandbox
def test_output_comes_line_by_line_and_whole(sandboxes: Sandboxes) -> None:
    program = "echo out; echo err >&2; printf 'no end'; printf '\\nü\\377\\n'"
    running = sandboxes.start(sandboxes.model(), entrypoint=("/bin/sh", "-c"), command=(program,))
    assert running.container.wait(SECONDS) == 0
    assert running.log.lines == ["out", "err", "no end", "ü\N{REPLACEMENT CHARACTER}"]


@needs_sandbox
def test_orphans_inside_are_collected_and_end_with_it(sandboxes: Sandboxes) -> None:
    program = "(sleep 1000 &); sleep 1000 & echo ready; wait"
    running = sandboxes.start(sandboxes.model(), entrypoint=("/bin/sh", "-c"), command=(program,))
    running.log.wait_for("ready")
    pids = _inside(running.container._started.process.pid)
    assert len(pids) >= 5
    running.container.stop(0)
    assert eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


def _inside(pid: int) -> set[int]:
    """The process and all below it."""
    found, left = set(), [pid]
    while left:
        one = left.pop()
        found.add(one)
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            left += [int(each) for each in task.read_text().split()]
    return found


SERVER = """
import sys
from pathlib import Path
from relook.containers.api import ContainerSpec, Limits, Mount
from relook.containers.embedded.driver import EmbeddedDriver
name, model = sys.argv[1:]
mounts = (Mount(Path(model), "/opt/ml/model"),)
limits = Limits(memory_bytes=1 << 30)
spec = ContainerSpec(name, "builtin/python", ("serve",), mounts=mounts, limits=limits)
container = EmbeddedDriver().start(spec, lambda line: None)
link = container.connect()
link.sendall(b"GET /ping HTTP/1.1\\r\\n\\r\\n")
assert link.recv(100).startswith(b"HTTP/1.1 200")
print("bwrap", container._started.process.pid, flush=True)
sys.stdin.read()
"""


@needs_sandbox
def test_a_killed_server_leaves_no_process_and_the_next_one_clears_the_rest(sandboxes: Sandboxes) -> None:
    name = f"killed-{os.getpid()}"
    command = [sys.executable, "-c", SERVER, name, str(sandboxes.model(CODE))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        line = next(line for line in server.stdout if line.startswith("bwrap"))
        pids = _inside(int(line.split()[1]))
        assert len(pids) >= 3
        server.kill()
    assert eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
    EmbeddedDriver().reap(name)
    assert cgroups.leftover(name) == []


@needs_sandbox
def test_a_server_that_is_killed_while_bubblewrap_builds_leaves_no_process(sandboxes: Sandboxes) -> None:
    """Bubblewrap then tells of its first process to nobody, and that one waits for bubblewrap."""
    dying = f"""
import os, signal
from relook.containers.embedded import launch
launch._Gate.built = lambda gate, process: (print(process.pid, flush=True), os.kill(os.getpid(), signal.SIGKILL))
{SERVER}"""
    command = [sys.executable, "-c", dying, f"killed-{os.getpid()}", str(sandboxes.model(CODE))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    assert done.returncode == -signal.SIGKILL, done.stderr
    session = int(done.stdout)  # bubblewrap leads one of its own
    assert eventually(lambda: _of_session(session) == [])


def _of_session(session: int) -> list[int]:
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if folder.name.isdecimal() and os.getsid(int(folder.name)) == session:
                found.append(int(folder.name))
    return found


@needs_sandbox
def test_a_start_on_a_thread_that_ends_outlives_it(sandboxes: Sandboxes) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(sandboxes.serve, CODE).result()
    assert running.ask("GET", "/ping").status == 200
    assert running.container.wait(0) is None


# Refusals.


def test_without_bubblewrap_nothing_runs_isolated_or_not(tmp_path: Path) -> None:
    driver = EmbeddedDriver(bubblewrap=str(tmp_path / "bwrap"), network=True)
    for isolated in (True, False):
        with pytest.raises(CannotRun, match=r"runs only in a sandbox, and there is none: .* is not installed"):
            driver.start(spec("builtin/python", isolated=isolated), Log())


def test_a_bubblewrap_that_may_not_is_told_of_in_its_own_words(tmp_path: Path) -> None:
    fake = tmp_path / "bwrap"
    words = "No permissions to create new namespace"
    fake.write_text(f'#!/bin/sh\n[ "$1" = --help ] && exit 0\necho {words!r} >&2\nexit 1\n')
    fake.chmod(0o755)
    with pytest.raises(CannotRun, match=words):
        EmbeddedDriver(bubblewrap=str(fake)).start(spec("builtin/python"), Log())


@pytest.mark.parametrize(
    ("last", "seconds", "words"),
    [
        ("sys.exit(3)", 30.0, "bubblewrap did not build the sandbox: status 3"),
        ("time.sleep(60)", 0.5, r"bubblewrap did not build the sandbox within 0\.5 s"),
    ],
    ids=["ends", "stays"],
)
def test_a_bubblewrap_that_stops_in_mid_sentence_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: str, seconds: float, words: str
) -> None:
    """All sandboxes are started by one thread."""
    monkeypatch.setattr(launch, "_BUILD_SECONDS", seconds)
    fake = tmp_path / "bwrap"
    fake.write_text(f"""#!{sys.executable}
import os, sys, time
if "--args" in sys.argv:
    given = os.read(int(sys.argv[sys.argv.index("--args") + 1]), 1 << 20).split(b"\\0")
    os.write(int(given[given.index(b"--info-fd") + 1]), b'{{"child-pid": ')
    {last}
""")
    fake.chmod(0o755)
    with pytest.raises(EngineFailed, match=words):
        EmbeddedDriver(bubblewrap=str(fake)).start(spec("builtin/python"), Log())


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (spec("builtin/tensorflow"), "there are builtin/vision, builtin/onnx"),
        (spec("alpine"), "no built-in runtime for the image alpine"),
        (spec("builtin/vision", command=("train",)), "builtin/vision does not train"),
        (spec("builtin/python", command=("test",)), "knows the commands serve and train, not 'test'"),
        (spec("builtin/python", environment={"SAGEMAKER_BIND_TO_PORT": "x"}), "SAGEMAKER_BIND_TO_PORT is 'x'"),
        (spec("builtin/python", mounts=(Mount(Path("/no/such/folder"), "/opt/ml/model"),)), "/no/such/folder"),
    ],
)
def test_what_cannot_be_run_is_refused_by_name(asked: ContainerSpec, words: str) -> None:
    with pytest.raises(CannotRun, match=words):
        EmbeddedDriver().start(asked, Log())


def test_a_runtime_whose_library_is_missing_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from relook.containers.embedded import driver

    monkeypatch.setattr(driver, "find_spec", lambda name: None)
    image = "763104351884.dkr.ecr.eu-west-1.amazonaws.com/pytorch-inference:2.3.0"
    with pytest.raises(CannotRun, match="means builtin/pytorch here, which needs torch: install torch"):
        EmbeddedDriver().start(spec(image), Log())


def test_the_driver_is_the_one_for_what_the_table_says() -> None:
    driver = EmbeddedDriver(ImageTable({"mine": "builtin/python"}))
    assert driver.runs("mine:3")
    assert driver.runs("builtin/nothing")
    assert not driver.runs("alpine")


@needs_sandbox
def test_a_gpu_that_is_not_given_is_mentioned(sandboxes: Sandboxes) -> None:
    sandboxes.serve(CODE, gpu=True).log.wait_for("a GPU was asked for; built-in runtimes run on the CPU")


@needs_sandbox
def test_limits_that_nothing_holds_are_mentioned(sandboxes: Sandboxes, monkeypatch: pytest.MonkeyPatch) -> None:
    group, missing = cgroups.create("none", Limits(1 << 30, 1.5, 10), cgroups.Hierarchies({}))
    assert group.folders == ()
    assert [each.split(" (")[0] for each in missing] == ["1073741824 bytes of memory", "10 processes", "1.5 processors"]
    monkeypatch.setattr(cgroups, "hierarchies", lambda: cgroups.Hierarchies({}))
    log = sandboxes.serve(CODE, limits=Limits(1 << 30, 1.5, 10)).log
    assert f"relook: no control group on this machine holds {', '.join(missing)}" in log.lines
