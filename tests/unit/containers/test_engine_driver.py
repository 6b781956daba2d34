"""The driver against a real engine: a Podman of the tests' own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from inside import Log, ask, fresh, limited, run, running, serving

from container_image import BAKED, ENTRYPOINT, IMAGE, LABELS
from podman_service import PodmanService
from relook.containers.api import CannotRun, ContainerSpec, EngineFailed, Mount
from relook.containers.engine.driver import EngineDriver

MIB = 2**20


@pytest.fixture(scope="module")
def driver(podman: PodmanService) -> Iterator[EngineDriver]:
    made = EngineDriver(podman.setting)
    yield made
    made.close()


def _finish(driver: EngineDriver, spec: ContainerSpec) -> tuple[int | None, list[str]]:
    """Run to the end: the exit status, and what it printed."""
    log = Log()
    return driver.start(spec, log).wait(30), log.lines


def _names(podman: PodmanService) -> set[str]:
    client = podman.client()
    try:
        return {name.strip("/") for each in client.containers(all=True) for name in each["Names"]}
    finally:
        client.close()


@pytest.mark.parametrize("isolated", [True, False])
def test_a_serving_container_answers(driver: EngineDriver, podman: PodmanService, isolated: bool) -> None:
    log = Log()
    container = driver.start(serving(isolated=isolated), log)
    assert log.wait_for("listening") == "listening serve"  # the image's entry point, with our command for its own
    assert ask(container, "GET", "/ping") == (200, "")
    assert ask(container, "POST", "/invocations", "body") == (200, "body")
    assert container.wait(0.01) is None
    container.stop(0)
    assert container.wait() == 137
    assert container.name not in _names(podman)
    with pytest.raises(OSError, match="has ended"):
        container.connect()


def test_only_loopback_is_published_and_only_the_port_it_was_told(driver: EngineDriver) -> None:
    log = Log()
    container = driver.start(serving(environment={"SAGEMAKER_BIND_TO_PORT": "9123"}), log)
    log.wait_for("listening")
    assert ask(container, "GET", "/ping", port=9123) == (200, "")
    with pytest.raises(ConnectionRefusedError, match=r"port 8080 .* not published"):
        container.connect()
    with container.connect(9123) as connection:
        host, port = connection.getpeername()
    assert host == "127.0.0.1"
    own = _own_address()
    if own is not None:
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((own, port), 2)
    container.stop(0)


def _own_address() -> str | None:
    """An address of this machine that others know; none where it has no route out."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))  # sends nothing
        except OSError:
            return None
        return str(probe.getsockname()[0])


def test_program_entry_point_and_hostname_are_as_asked(driver: EngineDriver) -> None:
    code = "import sys, socket; name = socket.gethostname(); print(sys.argv, name, socket.gethostbyname(name))"
    entry = (*ENTRYPOINT[:-1], "-c", code)
    spec = ContainerSpec(fresh(), IMAGE, ("a b", "$HOME"), entrypoint=entry, hostname="algo-1", isolated=True)
    assert _finish(driver, spec) == (0, ["['-c', 'a b', '$HOME'] algo-1 127.0.0.1"])


def test_mounts_are_read_only_unless_asked_otherwise(driver: EngineDriver, tmp_path: Path) -> None:
    model, output = tmp_path / "model: with = signs", tmp_path / "output"
    model.mkdir()
    output.mkdir()
    (model / "weights").write_text("42", "utf-8")
    code = """
open("/opt/ml/output/copy", "w").write(open("/opt/ml/model/weights").read())
open("/opt/ml/model/other", "w")
"""
    mounts = (Mount(model, "/opt/ml/model"), Mount(output, "/opt/ml/output", read_only=False))
    status, lines = _finish(driver, running(code, mounts=mounts))
    assert (output / "copy").read_text("utf-8") == "42"
    assert status == 1
    assert lines[-1].startswith("OSError: [Errno 30] Read-only file system")
    assert [each.name for each in model.iterdir()] == ["weights"]


def test_nothing_but_what_was_given_is_in_the_environment(
    podman: PodmanService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # The engine's own environment has secrets (see the fixture), and so have ours and the library's configuration.
    monkeypatch.setenv("AWS_SESSION_TOKEN", "not-for-containers")
    proxies = {"default": {"httpProxy": "http://user:not-for-containers@192.0.2.8:1"}}
    (tmp_path / "config.json").write_text(json.dumps({"proxies": proxies}), "utf-8")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    driver = EngineDriver(podman.setting)
    given = {"MODEL": "a=b c", "EMPTY": "", "UNICODE": "ä"}
    code = "print(json.dumps([dict(os.environ), open('/proc/1/environ').read()]))"
    for isolated in (True, False):
        status, lines = _finish(driver, running(code, environment=given, isolated=isolated))
        found, raw = json.loads(lines[0])
        assert status == 0
        assert found.items() >= (given | BAKED).items()
        assert found.keys() - given.keys() - BAKED.keys() <= {"PATH", "HOME", "HOSTNAME", "TERM", "container"}
        assert "not-for-containers" not in raw
    driver.close()


def test_a_container_gains_no_privileges(driver: EngineDriver) -> None:
    code = "print([line for line in open('/proc/self/status') if line.startswith(('NoNewPrivs', 'CapEff'))])"
    status, lines = _finish(driver, running(code))
    assert status == 0
    capabilities, no_new = eval(lines[0])
    assert no_new == "NoNewPrivs:\t1\n"
    found = int(capabilities.split()[1], 16)
    for number in (12, 13, 16, 19, 21, 27):  # NET_ADMIN NET_RAW SYS_MODULE SYS_PTRACE SYS_ADMIN MKNOD
        assert not found >> number & 1, number


def test_memory_is_limited_and_the_log_says_so(driver: EngineDriver) -> None:
    code = "print('begin', flush=True)\nheld = [bytes(2**20) + b'x' for _ in range(100)]\nprint('end')"
    status, lines = _finish(driver, running(code, **limited(memory_bytes=64 * MIB)))
    assert (status, lines[0]) == (137, "begin")
    assert lines[1] in ("(killed: out of memory)", "(killed: out of memory?)")  # not every engine knows for sure
    assert _finish(driver, running(code, **limited(memory_bytes=200 * MIB))) == (0, ["begin", "end"])


@pytest.mark.slow
def test_the_number_of_processes_is_limited(driver: EngineDriver) -> None:
    code = """
def start(count):
    try:
        while count < 40:
            threading.Thread(target=threading.Event().wait, daemon=True).start()
            count += 1
    except RuntimeError as error:
        print(error)
    print(count)
start(1)
"""
    assert _finish(driver, running(code, **limited(processes=20))) == (0, ["can't start new thread", "20"])
    assert _finish(driver, running(code, **limited(processes=100))) == (0, ["40"])


@pytest.mark.slow
def test_cpu_time_is_limited(driver: EngineDriver) -> None:
    log = Log()
    container = driver.start(serving(isolated=True, **limited(cpus=0.25)), log)
    log.wait_for("listening")
    code = """
def read(*names):
    for name in names:
        if os.path.exists(name):
            return open(name).read().split()
answer = read("/sys/fs/cgroup/cpu.max") or (
    read("/sys/fs/cgroup/cpu/cpu.cfs_quota_us") + read("/sys/fs/cgroup/cpu/cpu.cfs_period_us"))
"""
    quota, period = run(container, code)
    assert int(quota) / int(period) == 0.25
    container.stop(0)


def test_both_outputs_come_line_by_line_to_the_last(driver: EngineDriver) -> None:
    code = """
for number in range(3000):
    print("out", number)
    print("error", number, file=sys.stderr)
sys.stdout.flush()
os.write(1, b"\\xff no text\\r\\n")
sys.stdout.write("no end")
sys.exit(3)
"""
    status, lines = _finish(driver, running(code))
    assert status == 3
    assert [line for line in lines if line.startswith("out")] == [f"out {each}" for each in range(3000)]
    assert [line for line in lines if line.startswith("error")] == [f"error {each}" for each in range(3000)]
    assert set(lines) >= {"� no text", "no end"}
    assert len(lines) == 6002


@pytest.mark.slow
def test_a_very_long_line_comes_in_parts(driver: EngineDriver) -> None:
    status, lines = _finish(driver, running("print('x' * 1_000_000)"))
    assert status == 0
    assert max(map(len, lines)) == 64 * 1024
    assert "".join(lines) == "x" * 1_000_000


def test_stop_asks_first(driver: EngineDriver) -> None:
    code = """
def end(*_):
    print("asked to end", flush=True)
    sys.exit(7)
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
signal.pause()
"""
    log = Log()
    container = driver.start(running(code), log)
    log.wait_for("ready")
    assert container.stop(20) == 7
    assert log.lines == ["ready", "asked to end"]
    assert container.stop(20) == 7  # again, and nothing happens


def test_stop_kills_what_does_not_listen(driver: EngineDriver, podman: PodmanService) -> None:
    code = """
signal.signal(signal.SIGTERM, lambda *_: print("no", flush=True))
print("ready", flush=True)
while True:
    signal.pause()
"""
    log = Log()
    container = driver.start(running(code), log)
    log.wait_for("ready")
    assert container.stop(3) == 137
    assert log.lines == ["ready", "no"]
    assert container.name not in _names(podman)


@pytest.mark.slow
def test_the_signal_is_sigterm_whatever_the_image_says(driver: EngineDriver, podman: PodmanService) -> None:
    client = podman.client()
    code = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7)); print('ready', flush=True); signal.pause()"
    base = client.create_container(IMAGE, ["run", code])["Id"]
    client.commit(base, "relook.test/quits", "1", changes="STOPSIGNAL SIGQUIT")
    client.remove_container(base)
    client.close()
    log = Log()
    container = driver.start(ContainerSpec(fresh(), "relook.test/quits:1", ("run", code)), log)
    log.wait_for("ready")
    assert container.stop(20) == 7


def test_one_that_ends_by_itself_is_removed(driver: EngineDriver, podman: PodmanService) -> None:
    container = driver.start(running("os.kill(os.getpid(), 0); sys.exit(5)"), Log())
    assert container.wait(30) == 5
    assert container.name not in _names(podman)
    assert container.stop() == 5


def test_one_that_someone_else_removes_counts_as_killed(driver: EngineDriver, podman: PodmanService) -> None:
    log = Log()
    container = driver.start(serving(), log)
    log.wait_for("listening")
    client = podman.client()
    client.remove_container(container.name, force=True)
    client.close()
    assert container.wait(30) == 137


@pytest.mark.slow
def test_the_engine_may_go_away_and_come_back(driver: EngineDriver, podman: PodmanService) -> None:
    log = Log()
    container = driver.start(serving(isolated=True), log)
    log.wait_for("listening")
    podman.stop()
    assert ask(container, "GET", "/ping") == (200, "")
    podman.start()
    log.wait_for("(the connection to the container engine broke")
    run(container, "print('still here', flush=True); answer = 1")
    log.wait_for("still here")
    assert container.stop(0) == 137
    assert _finish(driver, running("print('another')")) == (0, ["another"])  # the driver connects again


ABANDON = """
import sys
from inside import Log, serving
from relook.containers.engine.driver import EngineDriver
log = Log()
EngineDriver(sys.argv[1]).start(serving(sys.argv[2]), log)
log.wait_for("listening")
print("started", flush=True)
sys.stdin.read()
"""


def test_what_a_killed_server_left_is_ended(driver: EngineDriver, podman: PodmanService) -> None:
    abandoned, other, foreign = fresh("relook-a-"), fresh("relook-b-"), fresh("relook-a-")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", ABANDON, podman.setting, abandoned]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"started\n"
        process.send_signal(signal.SIGKILL)
    client = podman.client()
    client.create_container(IMAGE, ["serve"], name=foreign)  # not ours, though it is named like one of ours
    kept = driver.start(serving(other), Log())
    assert _names(podman) >= {abandoned, other, foreign}
    driver.reap("relook-a-")
    assert abandoned not in _names(podman)
    assert _names(podman) >= {other, foreign}
    assert kept.wait(0.01) is None
    kept.stop(0)
    client.remove_container(foreign)
    client.close()


def test_labels_of_an_image_can_be_read(driver: EngineDriver) -> None:
    assert driver.labels(IMAGE).items() >= LABELS.items()


def _cannot(driver: EngineDriver, spec: ContainerSpec, podman: PodmanService) -> str:
    before = _names(podman)
    with pytest.raises(CannotRun) as caught:
        driver.start(spec, Log())
    assert _names(podman) == before
    return str(caught.value)


def test_an_image_that_is_not_here_is_named(driver: EngineDriver, podman: PodmanService) -> None:
    text = _cannot(driver, ContainerSpec(fresh(), "relook.test/missing:7", ("serve",)), podman)
    assert "relook.test/missing:7 is not on this machine" in text
    assert "pull_images" in text


@pytest.mark.parametrize("image", ["UPPER:1", "a/b::c", "x@sha256:12", "-x"])
def test_what_names_no_image_is_named(driver: EngineDriver, podman: PodmanService, image: str) -> None:
    assert f"{image} is not the name of an image" in _cannot(driver, ContainerSpec(fresh(), image, ("serve",)), podman)


def test_a_program_that_is_not_there_is_named(driver: EngineDriver, podman: PodmanService) -> None:
    text = _cannot(driver, ContainerSpec(fresh(), IMAGE, ("serve",), entrypoint=("/no/such",)), podman)
    assert IMAGE in text
    assert "/no/such" in text


def test_a_gpu_that_is_not_handed_out_is_refused(driver: EngineDriver, podman: PodmanService) -> None:
    assert "GPU" in _cannot(driver, serving(gpu=True), podman)


def test_a_name_in_use_and_folders_that_cannot_be_mounted_fail(driver: EngineDriver, tmp_path: Path) -> None:
    container = driver.start(serving(), Log())
    with pytest.raises(EngineFailed, match=container.name):
        driver.start(serving(container.name), Log())
    assert container.wait(0.01) is None
    container.stop(0)
    with pytest.raises(CannotRun, match="a,rw cannot be mounted"):
        driver.start(serving(mounts=(Mount(tmp_path / "a,rw", "/opt/ml/model"),)), Log())
    with pytest.raises(EngineFailed, match="missing"):
        driver.start(serving(mounts=(Mount(tmp_path / "missing", "/opt/ml/model"),)), Log())
