"""The end of the server: what is in flight is answered, what comes later is refused, nothing stays behind."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from relook.testing import LiveServer

BODY = b"x" * 1000


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    with LiveServer(tmp_path / "data") as live:
        s3 = boto3.Session(**live.credentials).client("s3", endpoint_url=live.endpoint)
        s3.create_bucket(Bucket="bucket")
        s3.close()
        yield live


def begin_upload(server: LiveServer) -> socket.socket:
    """A put whose body is half sent, and in the server's hands."""
    url = f"{server.endpoint}/bucket/slow"
    headers = {"Content-Length": str(len(BODY)), "Expect": "100-continue"}
    request = AWSRequest("PUT", url, headers=headers, data=BODY)
    keys = server.credentials
    signer = S3SigV4Auth(
        Credentials(keys["aws_access_key_id"], keys["aws_secret_access_key"]), "s3", keys["region_name"]
    )
    signer.add_auth(request)
    host = urlsplit(server.endpoint)
    link = socket.create_connection((host.hostname, host.port), timeout=20)
    head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    link.sendall(f"PUT /bucket/slow HTTP/1.1\r\nHost: {host.netloc}\r\n{head}\r\n".encode())
    assert link.recv(100).startswith(b"HTTP/1.1 100")  # the handler asks for the body
    link.sendall(BODY[:500])
    return link


def status_of_a_request(s3: Any) -> int:
    try:
        answer = s3.head_bucket(Bucket="bucket")
    except ClientError as error:
        answer = error.response
    return int(answer["ResponseMetadata"]["HTTPStatusCode"])


def ended(server: LiveServer) -> int:
    """Its exit code, when it has been told to end: no further signal reaches it."""
    os.waitid(os.P_PID, server.pid, os.WEXITED | os.WNOWAIT)
    return server.stop()


def log_says(server: LiveServer, words: str) -> None:
    deadline = time.monotonic() + 10
    while words not in server.log.read_text():
        assert time.monotonic() < deadline, server.tail()
        time.sleep(0.02)


def test_an_upload_in_flight_is_answered_and_later_requests_are_refused(server: LiveServer) -> None:
    once = Config(retries={"total_max_attempts": 1})
    other = boto3.Session(**server.credentials).client("s3", endpoint_url=server.endpoint, config=once)
    with begin_upload(server) as upload:
        assert status_of_a_request(other) == 200
        os.kill(server.pid, signal.SIGTERM)
        deadline = time.monotonic() + 10
        while status_of_a_request(other) != 503:
            assert time.monotonic() < deadline
        upload.sendall(BODY[500:])
        assert upload.recv(1000).startswith(b"HTTP/1.1 200")
        assert ended(server) == 0
    server.start()
    s3 = boto3.Session(**server.credentials).client("s3", endpoint_url=server.endpoint)
    assert s3.get_object(Bucket="bucket", Key="slow")["Body"].read() == BODY


def test_a_second_signal_ends_it_at_once(server: LiveServer) -> None:
    with begin_upload(server) as upload:
        began = time.monotonic()
        os.kill(server.pid, signal.SIGTERM)
        log_says(server, "relook ends: 1 requests in flight")
        os.kill(server.pid, signal.SIGTERM)
        assert ended(server) == 0
        assert time.monotonic() - began < 25  # the drain alone would have taken 30 s
        assert "1 requests were not answered when it was told to end at once" in server.log.read_text()
        assert not upload.recv(100).startswith(b"HTTP/1.1 2")  # nobody may take it for stored
    server.start()
    s3 = boto3.Session(**server.credentials).client("s3", endpoint_url=server.endpoint)
    assert "Contents" not in s3.list_objects_v2(Bucket="bucket")
    assert list((server.data / "objects" / "tmp").iterdir()) == []


def test_a_drain_has_an_end(tmp_path: Path) -> None:
    with LiveServer(tmp_path / "data", environment={"RELOOK_DRAIN_SECONDS": "1"}) as server:
        s3 = boto3.Session(**server.credentials).client("s3", endpoint_url=server.endpoint)
        s3.create_bucket(Bucket="bucket")
        with begin_upload(server):
            assert server.stop() == 0
        assert "1 requests were not answered within 1 s" in server.log.read_text()


def test_half_a_request_does_not_keep_it(server: LiveServer) -> None:
    host = urlsplit(server.endpoint)
    with socket.create_connection((host.hostname, host.port), timeout=20) as link:
        link.sendall(b"GET /healthz HTTP/1.1\r\nHo")
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 25  # the same
        assert link.recv(100) == b""
    server.start()


def test_told_to_end_before_it_is_up_it_leaves_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "relook", "serve", "--data", str(tmp_path / "data"), "--port", "0"]
    for delay in (0.1, 0.4, 0.8):
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdout is not None
            select.select([process.stdout], [], [], delay)
            process.terminate()
            assert process.wait(20) in (0, -signal.SIGTERM)
    with LiveServer(tmp_path / "data") as live:
        assert live.endpoint
