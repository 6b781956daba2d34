"""What boto3 does not send by itself over plain HTTP: other framings, virtual hosts, clients that go away."""

from __future__ import annotations

import base64
import http.client
import socket
import time
import urllib.parse
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from s3_server import KEY_ID, SECRET, LiveServer, live_s3

DATA = b"0123456789" * 20_000


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("s3")


@pytest.fixture(scope="module")
def server(root: Path) -> Iterator[LiveServer]:
    with live_s3(root) as live:
        yield live


def client_of(endpoint: str, **s3: Any) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=KEY_ID,
        aws_secret_access_key=SECRET,
        region_name="us-east-1",
        config=Config(s3=s3, signature_version="s3v4", retries={"total_max_attempts": 1}),
    )


@pytest.fixture(scope="module")
def s3(server: LiveServer) -> Iterator[Any]:
    client = client_of(server.endpoint)
    client.create_bucket(Bucket="bucket")
    yield client
    client.close()


def chunked(data: bytes, checksum: str) -> bytes:
    """aws-chunked framing with the checksum behind the data."""
    pieces = [data[start : start + 65536] for start in range(0, len(data), 65536)]
    framed = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return framed + b"0\r\nx-amz-checksum-crc32:%b\r\n\r\n" % checksum.encode()


def put_chunked(server: LiveServer, key: str, checksum: str) -> tuple[int, bytes]:
    body = chunked(DATA, checksum)
    headers = {
        "Content-Encoding": "aws-chunked",
        "Content-Length": str(len(body)),
        "X-Amz-Decoded-Content-Length": str(len(DATA)),
        "X-Amz-Trailer": "x-amz-checksum-crc32",
    }
    request = AWSRequest("PUT", f"{server.endpoint}/bucket/{key}", headers=headers, data=b"")
    request.context["checksum"] = {"request_algorithm": {"in": "trailer"}}
    S3SigV4Auth(Credentials(KEY_ID, SECRET), "s3", "us-east-1").add_auth(request)
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(server.endpoint).netloc, timeout=10)
    try:
        connection.request("PUT", f"/bucket/{key}", body=body, headers=dict(request.headers))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_a_checksum_behind_the_data(server: LiveServer, s3: Any) -> None:
    right = base64.b64encode(zlib.crc32(DATA).to_bytes(4, "big")).decode()
    assert put_chunked(server, "good", right) == (200, b"")
    got = s3.get_object(Bucket="bucket", Key="good", ChecksumMode="ENABLED")
    assert (got["Body"].read(), got["ChecksumCRC32"]) == (DATA, right)
    assert "ContentEncoding" not in got
    status, answer = put_chunked(server, "bad", "AAAAAA==")
    assert (status, b"<Code>BadDigest</Code>" in answer) == (400, True)
    assert "bad" not in [each["Key"] for each in s3.list_objects_v2(Bucket="bucket")["Contents"]]


def test_the_bucket_in_the_host_name(server: LiveServer, s3: Any) -> None:
    s3.put_object(Bucket="bucket", Key="a b", Body=b"virtual")
    port = urllib.parse.urlsplit(server.endpoint).port
    client = client_of(f"http://s3.localhost:{port}", addressing_style="virtual")
    url = urllib.parse.urlsplit(client.generate_presigned_url("get_object", {"Bucket": "bucket", "Key": "a b"}))
    client.close()
    assert url.netloc == f"bucket.s3.localhost:{port}"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", f"{url.path}?{url.query}", headers={"Host": url.netloc})
    assert connection.getresponse().read() == b"virtual"
    connection.close()


def begin(url: str, method: str, headers: bytes = b"") -> socket.socket:
    where = urllib.parse.urlsplit(url)
    connection = socket.create_connection((where.hostname, where.port), timeout=10)
    line = f"{method} {where.path}?{where.query} HTTP/1.1\r\nHost: {where.netloc}\r\n".encode()
    connection.sendall(line + headers + b"\r\n")
    return connection


def until(root: Path, s3: Any, files: int) -> int:
    """Files in the object folder, asked for until there are `files` of them or ten seconds went by."""
    deadline = time.monotonic() + 10
    while True:
        s3.list_buckets()
        found = sum(path.is_file() for path in (root / "objects").rglob("*"))
        if found == files or time.monotonic() > deadline:
            return found


def test_a_client_that_goes_away_leaves_nothing(root: Path, server: LiveServer, s3: Any) -> None:
    before = sum(path.is_file() for path in (root / "objects").rglob("*"))
    url = s3.generate_presigned_url("put_object", {"Bucket": "bucket", "Key": "half"})
    connection = begin(url, "PUT", b"Content-Length: 9000000\r\n")
    connection.sendall(b"x" * 4_000_000)
    assert until(root, s3, before + 1) == before + 1
    connection.close()
    assert until(root, s3, before) == before


def test_an_abandoned_download_lets_go_of_the_file(root: Path, server: LiveServer, s3: Any) -> None:
    before = sum(path.is_file() for path in (root / "objects").rglob("*"))
    s3.put_object(Bucket="bucket", Key="large", Body=bytes(64 * 1024 * 1024))
    connection = begin(s3.generate_presigned_url("get_object", {"Bucket": "bucket", "Key": "large"}), "GET")
    assert connection.recv(100).startswith(b"HTTP/1.1 200")
    s3.delete_object(Bucket="bucket", Key="large")
    assert sum(path.is_file() for path in (root / "objects").rglob("*")) == before + 1
    connection.close()
    assert until(root, s3, before) == before
