"""The way in: start, environment, identity, a second start, and an end in good order."""

from __future__ import annotations

import json
import os
import pty
import signal
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import boto3
import pytest
from lookout_stage import until

from relook.testing import LiveServer

RELOOK = [sys.executable, "-m", "relook"]


def relook(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [*RELOOK, *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env=os.environ | environment, check=False, timeout=60
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory):
    with LiveServer(tmp_path_factory.mktemp("live") / "data") as live:
        yield live


def test_env_prints_what_a_shell_evaluates(server: LiveServer) -> None:
    printed = relook("env", "--data", str(server.data)).stdout
    script = printed + 'printf "%s %s" "$AWS_ENDPOINT_URL" "$AWS_DATA_PATH"'
    done = subprocess.run(["sh", "-eu", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == f"{server.endpoint} {server.data / 'models'}"
    *exports, comment = printed.splitlines()
    assert comment.startswith("# boto3 before 1.28, ")
    names = [line.split("=")[0] for line in exports]
    assert names == [
        f"export {name}"
        for name in (
            "AWS_ENDPOINT_URL",
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_REGION",
            "AWS_DEFAULT_REGION",
            "AWS_DATA_PATH",
        )
    ]


def test_env_warns_of_older_clients_at_a_terminal_alone(server: LiveServer) -> None:
    command = [*RELOOK, "env", "--data", str(server.data)]
    assert relook("env", "--data", str(server.data)).stderr == ""
    terminal, theirs = pty.openpty()
    try:
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=theirs, check=True, timeout=60)
        told = os.read(terminal, 4096).decode()
    finally:
        os.close(terminal)
        os.close(theirs)
    assert "ignore AWS_ENDPOINT_URL and would call AWS itself" in told


def test_env_fails_as_long_as_no_server_answers(tmp_path: Path) -> None:
    done = relook("env", "--data", str(tmp_path / "none"))
    assert done.returncode == 1
    assert done.stdout == ""
    assert f"no server runs on {tmp_path / 'none'}: start one with relook serve --data" in done.stderr


def test_env_does_not_name_a_killed_server(tmp_path: Path) -> None:
    live = LiveServer(tmp_path / "data").start()
    live.kill()
    assert (live.data / "server.json").exists()
    done = relook("env", "--data", str(live.data))
    assert (done.returncode, done.stdout) == (1, "")
    assert f"no server runs on {live.data}: start one with" in done.stderr


def test_the_server_says_what_to_type_in_another_shell(tmp_path: Path) -> None:
    data = tmp_path / "it's a folder"
    usual = tmp_path / "relook"
    for live in (LiveServer(data), LiveServer(usual, environment={"XDG_DATA_HOME": str(tmp_path)})):
        with live:
            hint = live.announced.partition("; in another shell: ")[2].strip()
            script = f'relook() {{ "$PYTHON" -m relook "$@"; }}; {hint}; printf %s "$AWS_ENDPOINT_URL"'
            shell = os.environ | {"PYTHON": sys.executable, "XDG_DATA_HOME": str(tmp_path)}
            done = subprocess.run(["sh", "-eu", "-c", script], capture_output=True, text=True, check=True, env=shell)
            assert (done.stdout, "--data" in hint) == (live.endpoint, live.data == data)


def test_keys_are_for_their_owner_alone(server: LiveServer) -> None:
    assert stat.S_IMODE((server.data / "administrator.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((server.data / "relook.sqlite3").stat().st_mode) == 0o600
    assert stat.S_IMODE(server.data.stat().st_mode) == 0o700


@pytest.mark.parametrize(("path", "text"), [("/healthz", b"live\n"), ("/readyz", b"ready\n")])
def test_health(server: LiveServer, path: str, text: bytes) -> None:
    with urllib.request.urlopen(server.endpoint + path, timeout=10) as answer:
        assert answer.read() == text


def test_caller_identity_in_any_region(server: LiveServer) -> None:
    credentials = server.credentials | {"region_name": "ap-southeast-3"}
    client = boto3.Session(**credentials).client("sts", endpoint_url=server.endpoint)
    answer = client.get_caller_identity()
    assert (answer["Account"], answer["Arn"]) == ("000000000000", "arn:aws:iam::000000000000:root")


def test_a_second_server_on_the_folder_is_refused(server: LiveServer) -> None:
    done = relook("serve", "--data", str(server.data), "--port", "0")
    assert done.returncode == 1
    assert f"a server (process {server.pid}) runs on this data folder already" in done.stderr
    with urllib.request.urlopen(server.endpoint + "/healthz", timeout=10) as answer:
        assert answer.status == 200


def test_a_port_in_use_is_refused(server: LiveServer, tmp_path: Path) -> None:
    port = server.endpoint.rsplit(":", 1)[1]
    done = relook("serve", "--data", str(tmp_path / "other"), "--port", port)
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}: the port is in use" in done.stderr


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    done = relook("serve", "--data", str(tmp_path / "file" / "data"), "--port", "0")
    assert done.returncode == 1
    assert "the data folder cannot be used" in done.stderr
    assert "--data" in done.stderr


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with LiveServer(data):
        pass
    (data / "administrator.json").chmod(0o644)
    done = relook("serve", "--data", str(data), "--port", "0")
    assert done.returncode == 1
    assert "chmod 600" in done.stderr


@pytest.mark.parametrize(
    ("flags", "environment", "words"),
    [
        (["--account", "12"], {}, "account is '12': it takes 12 digits"),
        (["--port", "70000"], {}, "port is 70000"),
        ([], {"RELOOK_TRAININGS": "many"}, "trainings is 'many' in the environment: it takes a whole number"),
        ([], {"RELOOK_DETECTOR_MINUTE": "3"}, "did you mean RELOOK_DETECTOR_MINUTES?"),
    ],
)
def test_bad_settings_are_named(tmp_path: Path, flags: list[str], environment: dict[str, str], words: str) -> None:
    done = relook("serve", "--data", str(tmp_path / "data"), *flags, **environment)
    assert done.returncode == 1
    assert words in done.stderr


def test_the_settings_file_counts_and_unknown_settings_are_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "relook.toml").write_text('account = "111122223333"\n')
    with LiveServer(data) as live:
        client = boto3.Session(**live.credentials).client("sts", endpoint_url=live.endpoint)
        assert client.get_caller_identity()["Account"] == "111122223333"
    (data / "relook.toml").write_text("acount = 1\n")
    done = relook("serve", "--data", str(data))
    assert done.returncode == 1
    assert "there is no setting 'acount'" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_in_good_order(tmp_path: Path, number: signal.Signals) -> None:
    live = LiveServer(tmp_path / "data").start()
    endpoint = live.endpoint
    os.kill(live.pid, number)
    os.waitid(os.P_PID, live.pid, os.WEXITED | os.WNOWAIT)  # so that no second signal reaches it
    assert live.stop() == 0
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(endpoint + "/healthz", timeout=5)
    assert not (live.data / "server.json").exists()


def test_the_log_is_json_lines_that_name_the_request(server: LiveServer) -> None:
    client = boto3.Session(**server.credentials).client("sts", endpoint_url=server.endpoint)
    request_id = client.get_caller_identity()["ResponseMetadata"]["RequestId"]

    def told() -> list[dict[str, Any]]:
        whole_lines = server.log.read_text().rpartition("\n")[0].splitlines()
        records = [json.loads(line) for line in whole_lines]
        return [each for each in records if each.get("request_id") == request_id]

    [record] = until(told, bool)  # it is written once the answer is sent
    assert record["service"] == "sts"
    assert record["operation"] == "GetCallerIdentity"
    assert record["principal"] == "arn:aws:iam::000000000000:root"
    assert record["status"] == 200
    assert record["duration_ms"] > 0
