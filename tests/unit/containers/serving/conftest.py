from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import uvloop
from serving_archives import ACCOUNT, Put
from serving_driver import ProcessDriver
from serving_host import QUICK, Host, Hosted

from relook.blobs.folder import FolderBlobs
from relook.containers.serving.instance import InstanceStarter
from relook.containers.serving.modeldata import ModelFolder
from relook.containers.serving.running import Health
from relook.store.engine import Store


@pytest.fixture
def blobs(tmp_path: Path) -> Iterator[FolderBlobs]:
    store = Store.open(tmp_path / "relook.db")
    ticks = itertools.count(1_700_000_000_000, 1000)
    made = FolderBlobs(store, tmp_path / "objects", lambda: next(ticks))
    made.buckets.create(ACCOUNT, "us-east-1", "bucket")
    yield made
    store.close()


@pytest.fixture
def put(blobs: FolderBlobs) -> Put:
    """Stores an object in the bucket; its address."""

    def stored(key: str, data: bytes) -> str:
        blobs.put(ACCOUNT, "bucket", key, data, "application/octet-stream")
        return f"s3://bucket/{key}"

    return stored


@pytest.fixture
def folder(tmp_path: Path, blobs: FolderBlobs) -> Iterator[ModelFolder]:
    made = ModelFolder(tmp_path / "models", blobs)
    yield made
    made.close()


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[ProcessDriver]:
    (tmp_path / "ports").mkdir()
    made = ProcessDriver(tmp_path / "ports")
    yield made
    left = made.running()
    for container in made.started:
        container.kill()
        container.stop(0)
    assert not left, f"still running: {left}"


@pytest.fixture
def hosted(driver: ProcessDriver, folder: ModelFolder) -> Hosted:
    """Runs a coroutine function with a host; whatever it leaves running is stopped."""

    def run(check: Callable[[Host], Awaitable[None]], health: Health = QUICK) -> None:
        starter = InstanceStarter(driver, folder, health)

        async def checked() -> None:
            host = Host(starter)
            try:
                await check(host)
            finally:
                await host.stop()

        try:
            uvloop.run(checked())
        finally:
            starter.close()

    return run
