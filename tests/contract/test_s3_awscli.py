"""`aws s3` of both AWS CLIs, as they are installed, against a live server."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from aws_clis import VERSIONS, Aws, cli
from s3_server import LiveServer, live_s3

pytestmark = pytest.mark.clients


@pytest.fixture(scope="module", params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def server(version: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """Anew for each CLI, so that both meet no bucket."""
    with live_s3(tmp_path_factory.mktemp("s3")) as live:
        yield live


@pytest.fixture
def aws(server: LiveServer, version: str, tmp_path: Path) -> Aws:
    return cli(version, server.environment, tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "pictures"
    for name in ("normal/1 a.png", "normal/2+b.png", "anomaly/é.png"):
        path = made / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return made


def test_copy_list_move_remove(aws: Aws, folder: Path, tmp_path: Path) -> None:
    aws("s3", "mb", "s3://cli-copy")
    aws("s3", "cp", "pictures/normal/1 a.png", "s3://cli-copy/in/1 a.png")
    aws("s3", "cp", "s3://cli-copy/in/1 a.png", "s3://cli-copy/in/copy.png")
    aws("s3", "mv", "s3://cli-copy/in/copy.png", "s3://cli-copy/moved.png")
    listed = aws("s3", "ls", "s3://cli-copy", "--recursive")
    assert [line.split(maxsplit=3)[3] for line in listed.splitlines()] == ["in/1 a.png", "moved.png"]
    assert "PRE in/" in aws("s3", "ls", "s3://cli-copy")
    aws("s3", "cp", "s3://cli-copy/moved.png", "back.png")
    assert (tmp_path / "back.png").read_bytes() == b"normal/1 a.png"
    assert "404" in aws("s3", "cp", "s3://cli-copy/absent", "x", succeeds=False)
    aws("s3", "rm", "s3://cli-copy", "--recursive")
    assert aws("s3", "ls", "s3://cli-copy") == ""
    aws("s3", "rb", "s3://cli-copy")
    assert "NoSuchBucket" in aws("s3", "ls", "s3://cli-copy", succeeds=False)


def test_sync_both_ways(aws: Aws, folder: Path, tmp_path: Path) -> None:
    aws("s3", "mb", "s3://cli-sync")
    assert aws("s3", "sync", "pictures", "s3://cli-sync/set").count("upload:") == 3
    assert aws("s3", "sync", "pictures", "s3://cli-sync/set") == ""
    aws("s3", "sync", "s3://cli-sync/set", "again")
    for path in (path for path in folder.rglob("*") if path.is_file()):
        assert (tmp_path / "again" / path.relative_to(folder)).read_bytes() == path.read_bytes()
    (folder / "anomaly" / "é.png").unlink()
    assert "delete:" in aws("s3", "sync", "pictures", "s3://cli-sync/set", "--delete")


def test_a_large_file_goes_in_parts(aws: Aws, tmp_path: Path) -> None:
    data = os.urandom(20 * 1024 * 1024 + 1)
    (tmp_path / "large").write_bytes(data)
    aws("s3", "mb", "s3://cli-large")
    aws("s3", "cp", "large", "s3://cli-large/large")
    aws("s3", "cp", "s3://cli-large/large", "s3://cli-large/copy")
    aws("s3", "cp", "s3://cli-large/copy", "back")
    assert (tmp_path / "back").read_bytes() == data


def test_presigned(aws: Aws, folder: Path) -> None:
    aws("s3", "mb", "s3://cli-presign")
    aws("s3", "cp", "pictures/normal/2+b.png", "s3://cli-presign/2+b.png")
    url = aws("s3", "presign", "s3://cli-presign/2+b.png").strip()
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert answer.read() == b"normal/2+b.png"
