"""The handler host in real sandboxes: paths, variables, workers, many models."""

from __future__ import annotations

import json
import signal
import socket
from pathlib import Path

import pytest

from relook.containers.api import Mount
from sandboxes import JSON, SECONDS, Running, Sandboxes, ask, eventually, needs_sandbox

pytestmark = needs_sandbox

ECHO = """
def model_fn(model_dir): return model_dir
def transform_fn(model, data, content_type, accept): return data, content_type
"""
OCTETS = {"Content-Type": "application/octet-stream"}


def test_the_paths_of_a_container(sandboxes: Sandboxes) -> None:
    running = sandboxes.serve(ECHO)
    assert running.ask("GET", "/ping").status == 200
    assert running.invoke(b"abc", OCTETS).body == b"abc"
    assert running.ask("GET", "/execution-parameters").status == 404
    for method, path in (("GET", "/invocations"), ("POST", "/ping"), ("GET", "/models"), ("GET", "/")):
        assert running.ask(method, path).status == 404, path


def test_batch_parameters_are_told_back(sandboxes: Sandboxes) -> None:
    environment = {
        "SAGEMAKER_BATCH": "True",
        "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": "3",
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": "1",
        "SAGEMAKER_BATCH_STRATEGY": "SINGLE_RECORD",
    }
    running = sandboxes.serve(ECHO, environment=environment)
    assert running.ask("GET", "/execution-parameters").value == {
        "MaxConcurrentTransforms": 3,
        "BatchStrategy": "SINGLE_RECORD",
        "MaxPayloadInMB": 1,
    }
    assert running.invoke(bytes(2**20), OCTETS).status == 200
    too_large = running.invoke(bytes(2**20 + 1), OCTETS)
    assert (too_large.status, b"SAGEMAKER_MAX_PAYLOAD_IN_MB" in too_large.body) == (413, True)


def test_one_connection_serves_many_requests(sandboxes: Sandboxes) -> None:
    running = sandboxes.serve(ECHO)
    with running.container.connect() as link:
        link.settimeout(SECONDS)
        for text in (b"a", b"", bytes(300_000)):
            assert ask(link, "POST", "/invocations", text, OCTETS).body == text


def test_bad_requests_are_answered_and_harm_nobody(sandboxes: Sandboxes) -> None:
    running = sandboxes.serve(ECHO)
    with running.container.connect() as link:
        link.settimeout(SECONDS)
        link.sendall(b"nonsense\r\n\r\n")
        assert link.recv(100).startswith(b"HTTP/1.1 400 ")
    with running.container.connect() as link:
        link.sendall(b"POST /invocations HTTP/1.1\r\nContent-Length: 100\r\n\r\nabc")
    assert running.invoke(b"abc", OCTETS).body == b"abc"


def test_a_streamed_answer_comes_in_chunks_and_a_chunked_request_is_read(sandboxes: Sandboxes) -> None:
    running = sandboxes.serve(ECHO.replace("data, content_type\n", "iter([data, data]), 'a/b'\n"))
    with running.container.connect() as link:
        link.settimeout(SECONDS)
        head = b"POST /invocations HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        link.sendall(head + b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")
        with link.makefile("rb") as answer:
            text = answer.read()
    assert b"Transfer-Encoding: chunked\r\n" in text
    assert text.endswith(b"\r\n3\r\nabc\r\n3\r\nabc\r\n0\r\n\r\n")


def test_program_default_accept_and_port_are_variables(sandboxes: Sandboxes) -> None:
    model = sandboxes.model()
    (model / "code" / "mine.py").write_text(
        "import helper\nmodel_fn = lambda d: 0\npredict_fn = lambda d, m: helper.DOUBLE(d)\n"
    )
    (model / "code" / "helper.py").write_text("DOUBLE = lambda d: d * 2\n")
    environment = {
        "SAGEMAKER_PROGRAM": "mine.py",
        "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "text/csv",
        "SAGEMAKER_BIND_TO_PORT": "9001",
    }
    running = sandboxes.start(model, environment=environment)
    with pytest.raises(ConnectionRefusedError, match="only at 9001"):
        running.container.connect(8080)
    with running.container.connect(9001) as link:
        link.settimeout(SECONDS)
        answer = ask(link, "POST", "/invocations", b"[1, 2]", JSON)
    assert (answer.body, answer.headers["Content-Type"]) == (b"2\n4\n", "text/csv")


def test_the_toolkits_names_can_be_imported_and_requirements_are_said_not_to_be_installed(sandboxes: Sandboxes) -> None:
    model = sandboxes.model(
        """
        from sagemaker_inference import content_types, decoder, encoder
        from sagemaker_inference.errors import BaseInferenceToolkitError
        def model_fn(model_dir): return 0
        def input_fn(body, content_type): return decoder.decode(body, content_types.JSON)
        def predict_fn(data, model): raise BaseInferenceToolkitError(429, "not now", "Slow down")
        """
    )
    (model / "code" / "requirements.txt").write_text("something\n")
    running = sandboxes.start(model)
    answer = running.invoke("[1]")
    assert (answer.status, answer.reason, answer.body.split(b"\n")[0]) == (429, "Slow down", b"InferenceError: not now")
    running.log.wait_for("requirements.txt is not installed here")


@pytest.mark.parametrize(
    ("code", "environment", "words"),
    [
        ("raise ImportError('no such thing')", {}, "no such thing"),
        ("def model_fn(d): raise ValueError('a bad model')", {}, "no predict_fn"),
        ("predict_fn = lambda d, m: d\ndef model_fn(d): raise ValueError('a bad model')", {}, "a bad model"),
        ("", {}, "there is no model_fn"),
        (ECHO, {"SAGEMAKER_PROGRAM": "other.py"}, "other.py', which is not in code/"),
        (ECHO, {"SAGEMAKER_MODEL_SERVER_WORKERS": "many"}, "SAGEMAKER_MODEL_SERVER_WORKERS is 'many'"),
    ],
)
def test_a_model_that_cannot_be_loaded_ends_the_container_with_the_reason(
    sandboxes: Sandboxes, code: str, environment: dict[str, str], words: str
) -> None:
    running = sandboxes.serve(code, environment=environment)
    assert running.container.wait(SECONDS) in (1, 2)
    assert words in str(running.log)


def test_ping_answers_while_the_model_works(sandboxes: Sandboxes) -> None:
    gate = sandboxes.folder / "gate"
    gate.mkdir()
    running = sandboxes.serve(
        """
        import os
        def model_fn(model_dir): os.mkfifo("/gate/fifo"); return 0
        def transform_fn(model, data, content_type, accept): return open("/gate/fifo").read()
        """,
        mounts=(Mount(gate, "/gate", read_only=False),),
    )
    assert running.ask("GET", "/ping").status == 200
    with running.container.connect() as link:
        link.settimeout(SECONDS)
        link.sendall(b"POST /invocations HTTP/1.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        assert running.ask("GET", "/ping").status == 200
        (gate / "fifo").write_text("done")
        with link.makefile("rb") as answer:
            assert answer.read().endswith(b"done")


CHOICE = """
import os, signal, time
def model_fn(model_dir): return os.getpid()
def transform_fn(model, data, content_type, accept):
    if data == b"hang": time.sleep(3600)
    if data == b"die": os.kill(os.getpid(), signal.SIGKILL)
    return str(model)
"""


def test_a_model_that_hangs_is_told_of_and_replaced(sandboxes: Sandboxes) -> None:
    running = sandboxes.serve(CHOICE, environment={"SAGEMAKER_MODEL_SERVER_TIMEOUT": "1"})
    first = running.invoke(b"", OCTETS).body
    answer = running.invoke(b"hang", OCTETS)
    assert (answer.status, b"did not answer within 1 s" in answer.body) == (500, True)
    assert running.invoke(b"", OCTETS).body != first
    running.log.wait_for("another one is started")


def test_a_worker_that_is_killed_is_replaced_until_it_is_too_much(sandboxes: Sandboxes) -> None:
    running = sandboxes.serve(CHOICE)
    for _ in range(6):
        with pytest.raises((ConnectionError, OSError)):
            running.invoke(b"die", OCTETS)
    assert running.container.wait(SECONDS) == 1
    assert str(running.log).count(f"was killed by {signal.SIGKILL.name}") == 5
    with pytest.raises(OSError):  # noqa: PT011 - refused, or a broken pipe just before
        running.container.connect()


def test_several_workers_are_several_processes(sandboxes: Sandboxes) -> None:
    running = sandboxes.serve(CHOICE, environment={"SAGEMAKER_MODEL_SERVER_WORKERS": "2"})
    found: set[bytes] = set()

    def both() -> bool:  # the first to be ready answers alone for a while
        found.add(running.invoke(b"", OCTETS).body)
        return len(found) == 2

    assert eventually(both)
    found.update(running.invoke(b"", OCTETS).body for _ in range(200))
    assert len(found) == 2


# Many models in one container.


def many(sandboxes: Sandboxes, names: tuple[str, ...] = ("a", "b")) -> Running:
    folder = sandboxes.folder / "models"
    for name in names:
        code = folder / name / "model" / "code"
        code.mkdir(parents=True)
        (code / "helper.py").write_text(f"NAME = {name!r}\n")
        (code / "inference.py").write_text(
            "import helper\nmodel_fn = lambda d: helper.NAME\npredict_fn = lambda d, m: m\n"
        )
    mounts = (Mount(folder, "/opt/ml/models"),)
    return sandboxes.start(sandboxes.model(), environment={"SAGEMAKER_MULTI_MODEL": "true"}, mounts=mounts)


def load(running: Running, name: str, url: str | None = None) -> int:
    body = json.dumps({"model_name": name, "url": url or f"/opt/ml/models/{name}/model"}).encode()
    return running.ask("POST", "/models", body, JSON).status


def test_models_come_and_go_and_do_not_mix(sandboxes: Sandboxes) -> None:
    running = many(sandboxes)
    assert running.ask("GET", "/ping").status == 200
    assert running.ask("GET", "/models").value == {"models": []}
    assert (load(running, "a"), load(running, "b"), load(running, "a")) == (200, 200, 409)
    listed = running.ask("GET", "/models").value["models"]
    assert listed == [{"modelName": name, "modelUrl": f"/opt/ml/models/{name}/model"} for name in "ab"]
    assert running.ask("GET", "/models/a").value == listed[0]
    for name in "abab":
        assert running.ask("POST", f"/models/{name}/invoke", b"[]", JSON).value == name
    assert running.ask("DELETE", "/models/a").status == 200
    assert running.ask("DELETE", "/models/a").status == 404
    assert running.ask("POST", "/models/a/invoke", b"[]", JSON).status == 404
    assert running.ask("GET", "/models/a").status == 404
    assert load(running, "a") == 200


def test_models_that_cannot_be_loaded_leave_the_others(sandboxes: Sandboxes) -> None:
    running = many(sandboxes, ("a", "large", "broken"))
    models = sandboxes.folder / "models"
    (models / "large" / "model" / "code" / "helper.py").write_text("NAME = bytearray(1 << 40)\n")
    (models / "broken" / "model" / "code" / "helper.py").write_text("raise ValueError('broken')\n")
    assert load(running, "a") == 200
    assert (load(running, "large"), load(running, "broken"), load(running, "none")) == (507, 500, 404)
    assert running.ask("POST", "/models", b"{}", JSON).status == 400
    assert running.ask("POST", "/models/a/invoke", b"[]", JSON).value == "a"


def test_the_list_of_models_has_pages(sandboxes: Sandboxes) -> None:
    running = many(sandboxes, ("a",))
    for number in range(101):
        assert load(running, f"m{number:03}", "/opt/ml/models/a/model") == 200
    first = running.ask("GET", "/models").value
    second = running.ask("GET", f"/models?next_page_token={first['nextPageToken']}").value
    assert [len(page["models"]) for page in (first, second)] == [100, 1]
    assert "nextPageToken" not in second


def test_the_sockets_are_plain_streams(sandboxes: Sandboxes) -> None:
    with sandboxes.serve(ECHO).container.connect() as link:
        assert (link.type, link.gettimeout()) == (socket.SOCK_STREAM, None)


def test_the_working_folder_is_not_searched_for_code(sandboxes: Sandboxes, tmp_path: Path) -> None:
    model = sandboxes.model(ECHO)
    (model / "code" / "socket.py").write_text("raise SystemExit('shadowed')\n")
    assert sandboxes.start(model, environment={"PYTHONPATH": "/opt/ml/model/code"}).ask("GET", "/ping").status == 200
