"""Models served from containers of a real engine: the driver under `containers.serving`."""

from __future__ import annotations

import asyncio
import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from container_image import IMAGE
from podman_service import PodmanService
from relook.blobs.folder import FolderBlobs
from relook.containers.engine.driver import EngineDriver
from relook.containers.serving.api import Invocation, Launch, Reply, StartFailed
from relook.containers.serving.instance import InstanceStarter
from relook.containers.serving.modeldata import ModelFolder
from relook.containers.serving.running import Health
from relook.core.serving import ContainerDefinition, ModelData, ModelDefinition
from relook.store.engine import Store

ACCOUNT = "000000000000"
LOOK = b"answer = [sorted(os.listdir('/opt/ml/model')), open('/opt/ml/model/weights').read(), os.environ['KIND']]"
ONE = ContainerDefinition(IMAGE, data=ModelData("s3://bucket/model.tar.gz"), environment={"KIND": "small"})


@pytest.fixture
def starter(podman: PodmanService, tmp_path: Path) -> Iterator[InstanceStarter]:
    """Starts models from a bucket that holds model.tar.gz with one file, weights."""
    driver, store = EngineDriver(podman.setting), Store.open(tmp_path / "relook.db")
    blobs = FolderBlobs(store, tmp_path / "objects", lambda: 1_700_000_000_000)
    blobs.buckets.create(ACCOUNT, "us-east-1", "bucket")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        entry = tarfile.TarInfo("weights")
        entry.size = 2
        tar.addfile(entry, io.BytesIO(b"42"))
    blobs.put(ACCOUNT, "bucket", "model.tar.gz", packed.getvalue(), "application/octet-stream")
    folder = ModelFolder(tmp_path / "models", blobs)
    made = InstanceStarter(driver, folder, Health(stop_grace=0.1))
    yield made
    made.close()
    folder.close()
    store.close()
    driver.close()


def _ask(
    starter: InstanceStarter, model: ModelDefinition, invocation: Invocation, timeout: float = 60
) -> tuple[Reply, list[tuple[str, str]]]:
    """One answer of a model that is started for it and stopped after, and what its containers printed."""
    lines: list[tuple[str, str]] = []

    async def asked() -> Reply:
        launch = Launch("relook-serving", ACCOUNT, model, startup_timeout=timeout)
        instance = await starter.start(launch, lambda container, line: lines.append((container, line)))
        try:
            return await instance.invoke(invocation)
        finally:
            await instance.stop()

    return asyncio.run(asked()), lines


def test_a_model_sees_its_data_and_its_environment(starter: InstanceStarter, podman: PodmanService) -> None:
    model = ModelDefinition("model", (ONE,), isolated=True)
    reply, lines = _ask(starter, model, Invocation(LOOK, content_type="text/x-python"))
    assert (reply.status, json.loads(reply.body)) == (200, [["weights"], "42", "small"])
    assert lines[0][1] == "listening serve"
    client = podman.client()
    assert client.containers(all=True) == []
    client.close()


@pytest.mark.slow
@pytest.mark.parametrize("isolated", [True, False])
def test_two_containers_stand_in_a_row(starter: InstanceStarter, isolated: bool) -> None:
    model = ModelDefinition("model", (replace(ONE, hostname="first"), replace(ONE, hostname="last")), isolated=isolated)
    reply, lines = _ask(starter, model, Invocation(b"body"))
    assert (reply.status, reply.body, reply.container) == (200, b"body", "last")
    assert {label for label, _ in lines} == {"first", "last"}


def test_an_image_that_is_not_here_fails_the_start(starter: InstanceStarter) -> None:
    model = ModelDefinition("model", (replace(ONE, image="relook.test/missing:7"),))
    with pytest.raises(StartFailed, match=r"relook.test/missing:7 is not on this machine"):
        _ask(starter, model, Invocation(b"body"))
