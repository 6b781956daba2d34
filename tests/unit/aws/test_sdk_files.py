from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from relook.aws.description.endpoint import MISSING
from relook.aws.http import HttpRequest
from relook.aws.sdk_files import State, model_paths, models_state, remove_models, write_models
from relook.aws.sigv4 import identify, verify

FOLDER = "lookoutvision/2020-11-20"
NAMES = {"service-2.json", "paginators-1.json", "endpoint-rule-set-1.json"}
ACCESS_KEY, SECRET = "AKIDEXAMPLE", "a secret"


def test_writing_is_idempotent_and_mends(tmp_path: Path) -> None:
    assert models_state(tmp_path) is State.ABSENT
    assert {path.name for path in write_models(tmp_path)} == NAMES
    assert {path.name for path in (tmp_path / FOLDER).iterdir()} == NAMES
    assert write_models(tmp_path) == []
    assert models_state(tmp_path) is State.CURRENT
    (tmp_path / FOLDER / "paginators-1.json").write_text("{}")
    assert models_state(tmp_path) is State.OUTDATED
    assert write_models(tmp_path) == [tmp_path / FOLDER / "paginators-1.json"]
    (tmp_path / FOLDER / "service-2.json").unlink()
    assert models_state(tmp_path) is State.OUTDATED
    assert write_models(tmp_path) == [tmp_path / FOLDER / "service-2.json"]


@pytest.mark.parametrize("content", ['{"documentation": "another"}', "[]", "not json", "\x00"])
def test_a_description_of_another_maker_is_told_apart(tmp_path: Path, content: str) -> None:
    (tmp_path / FOLDER).mkdir(parents=True)
    (tmp_path / FOLDER / "service-2.json").write_text(content)
    assert models_state(tmp_path) is State.FOREIGN


def test_other_files_stay(tmp_path: Path) -> None:
    others = [
        tmp_path / "lookoutvision/2019-01-01/service-2.json",
        tmp_path / "s3/2006-03-01/service-2.sdk-extras.json",
    ]
    for other in others:
        other.parent.mkdir(parents=True)
        other.write_text("kept")
    write_models(tmp_path)
    assert set(remove_models(tmp_path)) == set(model_paths(tmp_path))
    assert [other.read_text() for other in others] == ["kept", "kept"]
    assert not (tmp_path / FOLDER).exists()
    assert remove_models(tmp_path) == []


def test_files_are_readable_by_the_rules_of_the_user(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        paths = write_models(tmp_path)
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o640}


def test_a_failed_write_leaves_nothing_half_done(tmp_path: Path) -> None:
    """A folder in a file's place: the rename is refused."""
    (tmp_path / FOLDER / "service-2.json").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        write_models(tmp_path)
    assert [path.name for path in (tmp_path / FOLDER).iterdir()] == ["service-2.json"]


# ------------------------------------------------------------------------------------- today's boto3 with these files


class Recorder(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.requests: list[tuple[HttpRequest, bytes]] = []


class Answers(BaseHTTPRequestHandler):
    """Records every request; answers two pages of projects, else an empty object."""

    server: Recorder

    def handle_any(self) -> None:
        path, _, query = self.path.partition("?")
        headers = tuple((name.lower(), value) for name, value in self.headers.items())
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.requests.append((HttpRequest(self.command, path, query, headers), body))
        answer: dict[str, Any] = {}
        if path == "/2020-11-20/projects" and self.command == "GET":
            first = "nextToken" not in parse_qs(query)
            answer = {
                "Projects": [{"ProjectName": "a" if first else "b"}],
                **({"NextToken": "bmV4dA=="} if first else {}),
            }
        data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PATCH = do_DELETE = handle_any

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with Recorder() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def run_client(script: str, home: Path, **environment: str) -> str:
    """The script in a process that knows nothing of this one but what is passed."""
    result = subprocess.run(
        [sys.executable, "-c", script],
        env={"HOME": str(home), "PATH": os.environ["PATH"], "AWS_ACCESS_KEY_ID": ACCESS_KEY,
             "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_DEFAULT_REGION": "eu-central-1", "AWS_EC2_METADATA_DISABLED": "true",
             **environment},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result.stdout


SCRIPT = """
import boto3
client = boto3.client("lookoutvision")
client.create_project(ProjectName="circuit")
client.detect_anomalies(ProjectName="circuit", ModelVersion="1", ContentType="image/png", Body=b"pixels")
client.update_dataset_entries(ProjectName="circuit", DatasetType="train", Changes=b"{}")
client.stop_model(ProjectName="circuit", ModelVersion="1", ClientToken="t-1")
arn = "arn:aws:lookoutvision:eu-central-1:123456789012:model/circuit/1"
client.untag_resource(ResourceArn=arn, TagKeys=["a b", "c"])
print([p["ProjectName"] for page in client.get_paginator("list_projects").paginate() for p in page["Projects"]])
print(client.waiter_names, client.meta.region_name)
"""


@pytest.mark.parametrize("layout", ["AWS_DATA_PATH", "HOME"])
def test_todays_boto3_speaks_lookoutvision(tmp_path: Path, recorder: Recorder, layout: str) -> None:
    home, data = tmp_path / "home", tmp_path / "data"
    write_models(data if layout == "AWS_DATA_PATH" else home / ".aws/models")
    environment = {"AWS_DATA_PATH": str(data)} if layout == "AWS_DATA_PATH" else {}
    endpoint = f"http://127.0.0.1:{recorder.server_port}"
    printed = run_client(SCRIPT, home, AWS_ENDPOINT_URL=endpoint, **environment)
    assert printed.splitlines() == ["['a', 'b']", "[] eu-central-1"]
    assert [(request.method, request.path) for request, _ in recorder.requests] == [
        ("POST", "/2020-11-20/projects"),
        ("POST", "/2020-11-20/projects/circuit/models/1/detect"),
        ("PATCH", "/2020-11-20/projects/circuit/datasets/train/entries"),
        ("POST", "/2020-11-20/projects/circuit/models/1/stop"),
        ("DELETE", "/2020-11-20/tags/arn%3Aaws%3Alookoutvision%3Aeu-central-1%3A123456789012%3Amodel%2Fcircuit%2F1"),
        ("GET", "/2020-11-20/projects"),
        ("GET", "/2020-11-20/projects"),
    ]
    create, detect, update, stop, untag, _, second = recorder.requests
    assert json.loads(create[1]) == {"ProjectName": "circuit"}
    assert create[0].header("x-amzn-client-token")
    assert (detect[0].header("content-type"), detect[1]) == ("image/png", b"pixels")
    assert json.loads(update[1]) == {"Changes": "e30="}
    assert (stop[0].header("x-amzn-client-token"), stop[1]) == ("t-1", b"")
    assert parse_qs(untag[0].query) == {"tagKeys": ["a b", "c"]}
    assert parse_qs(second[0].query) == {"nextToken": ["bmV4dA=="]}


def test_its_requests_are_signed_for_lookoutvision(tmp_path: Path, recorder: Recorder) -> None:
    write_models(tmp_path)
    endpoint = f"http://127.0.0.1:{recorder.server_port}"
    run_client(SCRIPT, tmp_path, AWS_ENDPOINT_URL=endpoint, AWS_DATA_PATH=str(tmp_path))
    for request, body in recorder.requests:
        signature = identify(request)
        assert signature is not None
        assert (signature.service, signature.region) == ("lookoutvision", "eu-central-1")
        verify(signature, request, SECRET, signature.timestamp, hashlib.sha256(body).hexdigest())


def test_without_an_endpoint_the_client_is_told_what_to_set(tmp_path: Path) -> None:
    write_models(tmp_path)
    script = (
        "import boto3, botocore.exceptions\n"
        "client = boto3.client('lookoutvision')\n"
        "try: client.list_projects()\n"
        "except botocore.exceptions.BotoCoreError as error: print(error)\n"
    )
    assert MISSING in run_client(script, tmp_path, AWS_DATA_PATH=str(tmp_path))


def test_the_endpoint_rules_take_any_endpoint(tmp_path: Path) -> None:
    write_models(tmp_path)
    script = (
        "import boto3\n"
        "for url in ('https://vision.example/base', 'http://[::1]:8484'):\n"
        "    print(boto3.client('lookoutvision', endpoint_url=url).generate_presigned_url('list_projects'))\n"
    )
    urls = run_client(script, tmp_path, AWS_DATA_PATH=str(tmp_path)).split()
    assert [urlsplit(url).netloc + urlsplit(url).path for url in urls] == [
        "vision.example/base/2020-11-20/projects",
        "[::1]:8484/2020-11-20/projects",
    ]
