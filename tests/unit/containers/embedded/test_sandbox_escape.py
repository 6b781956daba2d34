"""Code that tries to get out, in real sandboxes."""

from __future__ import annotations

import os
import socket
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from relook.containers.api import Limits, Mount
from relook.containers.embedded.driver import EmbeddedDriver
from sandboxes import Sandboxes, needs_sandbox

pytestmark = needs_sandbox

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
RUN = """
import contextlib, ctypes, glob, json, os, resource, signal, socket, subprocess
def model_fn(model_dir): return model_dir
def input_fn(body, content_type): return body
def predict_fn(body, model):
    space = dict(globals())
    try:
        return eval(body, space)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
def output_fn(value, accept): return json.dumps(value, default=str), "application/json"
"""


def evaluate(sandboxes: Sandboxes, *expressions: str, **options: object) -> list[object]:
    """What each expression is inside a sandbox: its value, or the error's name and text."""
    running = sandboxes.serve(RUN, **options)
    return [running.invoke(each).value for each in expressions]


def test_no_network_but_a_loopback_of_its_own(sandboxes: Sandboxes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as ours:
        port = ours.getsockname()[1]
        here, there, names = evaluate(
            sandboxes,
            f"socket.create_connection(('127.0.0.1', {port}), 2)",
            "socket.create_connection(('192.0.2.1', 80), 2)",
            "[name for _, name in socket.if_nameindex()]",
        )
    assert str(here).startswith("ConnectionRefusedError")
    assert str(there).startswith("OSError: [Errno 101]")
    assert names == ["lo"]


def test_without_isolation_there_is_no_network_either_unless_the_driver_was_told(sandboxes: Sandboxes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as ours:
        reach = f"bool(socket.create_connection(('127.0.0.1', {ours.getsockname()[1]}), 2))"
        running = sandboxes.serve(RUN, isolated=False)
        assert "ConnectionRefusedError" in str(running.invoke(reach).value)
        running.log.wait_for("no network; the setting sandbox_network")
        driver = EmbeddedDriver(network=True)
        assert sandboxes.serve(RUN, isolated=False, driver=driver).invoke(reach).value is True
        assert "ConnectionRefusedError" in str(sandboxes.serve(RUN, isolated=True, driver=driver).invoke(reach).value)


@pytest.mark.parametrize("network", [False, True])
def test_its_own_names_lead_to_its_own_loopback(sandboxes: Sandboxes, network: bool) -> None:
    names = "[socket.gethostbyname(name) for name in ('localhost', socket.gethostname())]"
    running = sandboxes.serve(RUN, isolated=False, driver=EmbeddedDriver(network=network), hostname="algo-1")
    assert running.invoke("socket.gethostname()").value == "algo-1"
    assert running.invoke(names).value == ["127.0.0.1", "127.0.0.1"]


def test_an_abstract_socket_of_this_machine_is_out_of_reach(sandboxes: Sandboxes) -> None:
    with socket.socket(socket.AF_UNIX) as ours:
        name = f"\0relook-test-{os.getpid()}"
        ours.bind(name)
        ours.listen()
        (found,) = evaluate(sandboxes, f"socket.socket(socket.AF_UNIX).connect({name!r})")
    assert str(found).startswith("ConnectionRefusedError")


def test_files_of_this_machine_are_not_there(sandboxes: Sandboxes) -> None:
    secret = sandboxes.folder / "secret"
    secret.write_text("the key")
    homes = [str(Path.home()), "/home", "/var", "/etc/shadow", "/etc/hostname", "/run", str(secret), str(Path.cwd())]
    opened, listed, etc, passwd = evaluate(
        sandboxes,
        f"open({str(secret)!r}).read()",
        f"[[path, sorted(os.listdir(path))] for path in {homes!r} if os.path.isdir(path)]",
        "sorted(os.listdir('/etc'))",
        "open('/etc/passwd').read()",
    )
    assert str(opened).startswith("FileNotFoundError")
    # Where Python itself lies below one of these, the way to it is there, and nothing beside it.
    python = {Path(each).parts for each in _shown()}
    for path, names in dict(listed).items():  # type: ignore[call-overload]
        depth = len(Path(path).parts)
        assert set(names) <= {parts[depth] for parts in python if len(parts) > depth}, path
    own = {"passwd", "group", "hosts", "nsswitch.conf"}
    assert set(etc) <= own | {"ld.so.cache", "alternatives", "localtime"}  # type: ignore[call-overload]
    assert str(passwd).count("\n") == 2


def _shown() -> list[str]:
    from relook.containers.embedded.sandbox import python_folders

    return python_folders()


def test_of_pythons_own_folders_only_programs_and_libraries_are_there(sandboxes: Sandboxes) -> None:
    if Path(sys.prefix).is_relative_to("/usr"):
        pytest.skip("this Python is the system's, which is shown whole")
    (names,) = evaluate(sandboxes, f"os.listdir({sys.prefix!r})")
    assert set(names) <= {"bin", "lib", "lib64", "lib32", "pyvenv.cfg"} | _below(sys.prefix)  # type: ignore[call-overload]
    assert set(os.listdir(sys.prefix)) - set(names), "there is nothing here to be hidden"  # type: ignore[call-overload]


def _below(folder: str) -> set[str]:
    """What has to be there for the way to something else of Python's."""
    depth = len(Path(folder).parts)
    return {Path(each).parts[depth] for each in _shown() if Path(each).is_relative_to(folder)}


def test_nothing_but_its_own_places_can_be_written(sandboxes: Sandboxes) -> None:
    model = sandboxes.model(RUN, weights__bin=b"1")
    model.chmod(0o777)
    (model / "weights.bin").chmod(0o666)
    running = sandboxes.start(model)
    python = _shown()[0]
    folders = ["/", "/etc", "/usr", "/dev", "/opt", "/opt/ml/model", "/opt/ml/model/code", python]
    for folder in folders:
        assert "OSError" in running.invoke(f"open('{folder}/x', 'w')").value, folder
    assert "OSError" in running.invoke("open('/opt/ml/model/weights.bin', 'r+b')").value
    assert "OSError" in running.invoke("os.unlink('/opt/ml/model/weights.bin')").value
    for folder in ("/tmp", "/dev/shm", "/opt/ml"):
        assert running.invoke(f"open('{folder}/x', 'w').write('abc')").value == 3
    assert (model / "weights.bin").read_bytes() == b"1"


def test_the_model_cannot_be_mounted_writable(sandboxes: Sandboxes) -> None:
    mount = "ctypes.CDLL(None, use_errno=True).mount(b'none', b'/opt/ml/model', None, 0x1020, None) or 'mounted'"
    unshare = "ctypes.CDLL(None, use_errno=True).unshare({})"
    mounted, user, network = evaluate(sandboxes, mount, unshare.format(0x10000000), unshare.format(0x40000000))
    assert mounted == -1
    assert user == -1, "a user namespace of its own would give it every capability in there"
    assert network == -1


def test_processes_of_this_machine_are_not_seen_and_not_hit(sandboxes: Sandboxes) -> None:
    ours = os.getpid()
    numbers, first, names, kill = evaluate(
        sandboxes,
        "sorted(int(name) for name in os.listdir('/proc') if name.isdigit())",
        "open('/proc/1/cmdline').read()",
        "[open(path).read() for path in glob.glob('/proc/[0-9]*/environ')]",
        f"os.kill({ours}, 0)",
    )
    assert isinstance(numbers, list)
    assert len(numbers) <= 3
    assert "relook.containers.embedded.host" in str(first)
    assert not any(name in str(names) for name in ("PYTEST_CURRENT_TEST", "LOGNAME", "SSH_"))
    assert str(kill).startswith("ProcessLookupError")


def test_no_variable_of_the_server_and_no_credential(
    sandboxes: Sandboxes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the secret")
    monkeypatch.setenv("RELOOK_DATA", str(tmp_path))
    (names,) = evaluate(sandboxes, "sorted(os.environ)", environment={"MINE": "1"})
    assert set(names) - {"LC_CTYPE"} == {  # type: ignore[call-overload]
        *("PATH", "HOME", "TMPDIR", "USER", "LANG", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "PWD", "MINE")
    }


def test_the_environment_is_on_nobodys_command_line(sandboxes: Sandboxes) -> None:
    running = sandboxes.serve(RUN, environment={"TOKEN": "do-not-show-this"})
    assert running.invoke("os.environ['TOKEN']").value == "do-not-show-this"
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(file.read_bytes())
        except OSError:  # ended meanwhile
            continue
    assert any(b"bwrap" in line for line in lines)
    assert not any(b"do-not-show-this" in line for line in lines)


def test_it_has_no_rights(sandboxes: Sandboxes) -> None:
    user, status, root = evaluate(
        sandboxes,
        "[os.getuid(), os.getgid(), os.geteuid()]",
        "[line.split() for line in open('/proc/self/status') if line[:3] == 'Cap' or line[:7] == 'NoNewPr']",
        "os.setuid(0)",
    )
    assert user == [65534] * 3
    rights = dict(status)  # type: ignore[call-overload]
    assert {int(value, 16) for name, value in rights.items() if name.startswith("Cap")} == {0}
    assert rights["NoNewPrivs:"] == "1"
    assert "OSError" in str(root) or "PermissionError" in str(root)


def test_nothing_of_the_kernels_can_be_changed_although_the_servers_user_could(sandboxes: Sandboxes) -> None:
    before = [Path(f"/proc/sys/kernel/{name}").read_text() for name in ("core_pattern", "hostname")]
    modes = {name: os.stat(f"/dev/{name}").st_mode for name in DEVICES}
    running = sandboxes.serve(RUN)
    # Not below /proc/<number>: those are the sandbox's own.
    walk = (
        "[path for folder, _, names in os.walk({!r}) for name in names"
        " if os.access(path := f'{{folder}}/{{name}}', os.W_OK)]"
    )
    written = [walk.format("/proc/sys"), walk.format("/sys")]
    written.append("[path for path in glob.glob('/proc/*') if os.path.isfile(path) and os.access(path, os.W_OK)]")
    for expression in written:
        assert running.invoke(expression).value == []
    for name in DEVICES:
        answer = str(running.invoke(f"os.chmod('/dev/{name}', 0)").value)
        assert "OSError: [Errno 30]" in answer or "PermissionError" in answer, name
        assert "Error" in str(running.invoke(f"os.chown('/dev/{name}', 65534, 65534)").value)
    assert running.invoke("os.fchmod(0, 0) or os.readlink('/proc/self/fd/0')").value != "/dev/null"
    assert running.invoke("open('/dev/null', 'w').write('abc')").value == 3
    for name in ("kcore", "kpageflags", "keys"):
        assert "Error" in str(running.invoke(f"open('/proc/{name}', 'rb').read(1)").value), name
    assert {name: os.stat(f"/dev/{name}").st_mode for name in DEVICES} == modes
    assert [Path(f"/proc/sys/kernel/{name}").read_text() for name in ("core_pattern", "hostname")] == before


@pytest.mark.parametrize("more", [1, 300])
def test_no_descriptor_of_the_servers_comes_along(sandboxes: Sandboxes, more: int) -> None:
    """Of a busy server either, whose newest ones have high numbers."""
    with ExitStack() as closing:
        for _ in range(more):
            file = closing.enter_context((sandboxes.folder / "open").open("w"))
            os.set_inheritable(file.fileno(), True)
        (found,) = evaluate(
            sandboxes, "[os.readlink(path) for path in glob.glob('/proc/self/fd/*') if os.path.islink(path)]"
        )
    assert isinstance(found, list)
    assert found
    assert all(each.startswith(("/memfd:relook", "pipe:", "socket:", "anon_inode:")) for each in found), found
    assert len({each for each in found if each.startswith("pipe:")}) == 1, f"{found}: its output alone goes to a pipe"


def test_memory_is_limited(sandboxes: Sandboxes) -> None:
    large, small, room = evaluate(
        sandboxes,
        "len(bytearray(600 << 20))",
        "len(bytearray(10 << 20))",
        "open('/tmp/large', 'wb').write(bytes(300 << 20))",
        limits=Limits(memory_bytes=256 << 20),
    )
    assert str(large).startswith("MemoryError")
    assert small == 10 << 20
    assert str(room).startswith(("MemoryError", "OSError"))


def test_processes_and_files_are_limited(sandboxes: Sandboxes) -> None:
    forks = "[subprocess.Popen(['/bin/sleep', '60']) for _ in range(64)] and 'all'"
    running = sandboxes.serve(RUN, limits=Limits(memory_bytes=1 << 30, processes=32))
    if "no control group" in str(running.log) and os.geteuid() == 0:
        pytest.skip(f"root and no control groups: {running.log}")
    assert running.invoke("resource.getrlimit(resource.RLIMIT_CORE)").value == [0, 0]
    assert running.invoke("resource.getrlimit(resource.RLIMIT_NOFILE)[1] <= 65536").value is True
    raised = running.invoke("resource.setrlimit(resource.RLIMIT_DATA, (2 << 30, 2 << 30))").value
    assert str(raised).startswith("ValueError"), "a limit can be raised from inside"
    assert str(running.invoke(forks).value).startswith("BlockingIOError")


def test_what_is_mounted_writable_can_be_written_and_belongs_to_the_servers_user(sandboxes: Sandboxes) -> None:
    out = sandboxes.folder / "out"
    out.mkdir(mode=0o700)
    mounts = (Mount(out, "/opt/ml/output", read_only=False),)
    (size,) = evaluate(sandboxes, "open('/opt/ml/output/result', 'w').write('abc')", mounts=mounts)
    assert size == 3
    assert (out / "result").read_text() == "abc"
    assert (out / "result").stat().st_uid == os.geteuid()
