"""Serving over the sandboxes of the built-in runtimes: what a user's script sees of it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import uvloop
from serving_archives import Put, tar_gz
from serving_host import Host, ask, running

from relook.containers.embedded.driver import EmbeddedDriver
from relook.containers.serving.instance import InstanceStarter
from relook.containers.serving.modeldata import ModelFolder
from relook.core.serving import ContainerDefinition, ContainerMode, ModelData
from sandboxes import needs_sandbox

SCRIPT = b"""
import os, json, socket

def model_fn(model_dir):
    with open(os.path.join(model_dir, "value.txt")) as file:
        return file.read()

def transform_fn(model, data, content_type, accept):
    data = data.decode() if isinstance(data, bytes) else data
    said = {"model": model, "data": data, "kind": content_type, "accept": accept, "host": socket.gethostname()}
    return json.dumps(said), "application/json"
"""


def archive(value: str) -> bytes:
    return tar_gz({"value.txt": value.encode(), "code/inference.py": SCRIPT})


def served(folder: ModelFolder, *containers: ContainerDefinition, **asked: str) -> dict[str, object]:
    """The JSON that a model answers to "body", asked as `asked` says."""
    starter = InstanceStarter(EmbeddedDriver(), folder)

    async def check() -> bytes:
        async with running(Host(starter), *containers, startup_timeout=60.0) as instance:
            replies = await asyncio.gather(*(instance.invoke(ask("x", **asked)) for _ in range(3)))
            assert [(reply.status, reply.body) for reply in replies] == [(200, replies[0].body)] * 3
            return replies[0].body

    try:
        found: dict[str, object] = json.loads(uvloop.run(check()))
    finally:
        starter.close()
    return found


@needs_sandbox
def test_a_script_in_a_sandbox(folder: ModelFolder, put: Put) -> None:
    definition = ContainerDefinition("builtin/python", "my-host", data=ModelData(put("m.tar.gz", archive("one"))))
    assert served(folder, definition, content_type="text/plain", accept="application/json") == {
        "model": "one",
        "data": "body",
        "kind": "text/plain",
        "accept": "application/json",
        "host": "my-host",
    }


@needs_sandbox
def test_a_pipeline_of_two_sandboxes(folder: ModelFolder, put: Put) -> None:
    one, two = (
        ContainerDefinition("builtin/python", data=ModelData(put(f"{value}.tar.gz", archive(value))))
        for value in ("one", "two")
    )
    found = served(folder, one, two, content_type="text/plain")
    assert (found["model"], found["kind"]) == ("two", "application/json")
    assert json.loads(str(found["data"]))["model"] == "one"


@needs_sandbox
def test_several_models_in_a_sandbox(folder: ModelFolder, put: Put) -> None:
    put("models/one.tar.gz", archive("one"))
    definition = ContainerDefinition("builtin/python", data=ModelData("s3://bucket/models/", prefix=True))
    several = replace(definition, mode=ContainerMode.MULTI_MODEL)
    found = served(folder, several, target_model="one.tar.gz", content_type="text/plain")
    assert (found["model"], found["data"]) == ("one", "body")
