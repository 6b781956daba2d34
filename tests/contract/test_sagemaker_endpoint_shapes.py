"""Endpoints of more than one container or model, and without a network."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError
from endpoint_world import BUCKET, SCRIPT, Endpoints, archive
from lookout_stage import Stage
from sagemaker_calls import ROLE

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap (bwrap) is not installed")
_APPENDS = SCRIPT.replace("return data, accept", "return data + b'+' + model.encode(), accept")
_MODELS, _ROOM = 20, 5
# The host keeps a handler module for each model: what they share lies among the builtins.
_CROWDED = f"""
import builtins, os, weakref

LOADED = builtins.__dict__.setdefault("loaded_models", weakref.WeakSet())

class Model:
    pass

def model_fn(folder):
    if len(LOADED) >= {_ROOM}:
        raise MemoryError("no room for another model")
    model = Model()
    model.name = open(os.path.join(folder, "weights.txt")).read()
    LOADED.add(model)
    return model

def transform_fn(model, data, content_type, accept):
    return f"{{model.name}} of {{len(LOADED)}}", "text/plain"
"""


@pytest.fixture
def endpoints(stage: Stage) -> Iterator[Endpoints]:
    made = Endpoints(stage)
    yield made
    made.clear()


def containers(endpoints: Endpoints, *names: str) -> list[dict[str, str]]:
    for name in names:
        endpoints.stage.s3.put_object(Bucket=BUCKET, Key=f"{name}.tar.gz", Body=archive(name, _APPENDS))
    return [
        {"Image": "builtin/python", "ModelDataUrl": f"s3://{BUCKET}/{name}.tar.gz", "ContainerHostname": name}
        for name in names
    ]


@pytest.mark.parametrize("mode", ["Serial", "Direct"])
def test_a_pipeline_of_two_containers(endpoints: Endpoints, mode: str) -> None:
    name = f"pipe-{mode}"
    endpoints.control.create_model(
        ModelName=name,
        ExecutionRoleArn=ROLE,
        Containers=containers(endpoints, "one", "two"),
        InferenceExecutionConfig={"Mode": mode},
    )
    endpoints.config(name)
    endpoints.create(name)
    endpoints.in_service(name)
    if mode == "Serial":
        assert endpoints.ask(name, b"x") == b"x+one+two"
        with pytest.raises(ClientError, match=r"from (one|two)"):
            endpoints.ask(name, b"raise:no")
    else:
        assert endpoints.ask(name, b"x", TargetContainerHostname="two") == b"x+two"
        with pytest.raises(ClientError, match="no container has the hostname"):
            endpoints.ask(name, b"x", TargetContainerHostname="three")
        with pytest.raises(ClientError, match="name a container as TargetContainerHostname"):
            endpoints.ask(name, b"x")


def test_many_models_in_one_container_with_room_for_a_few(endpoints: Endpoints) -> None:
    for number in range(_MODELS):
        key = f"many/{number}.tar.gz"
        endpoints.stage.s3.put_object(Bucket=BUCKET, Key=key, Body=archive(f"model {number}", _CROWDED))
    endpoints.control.create_model(
        ModelName="many",
        ExecutionRoleArn=ROLE,
        PrimaryContainer={
            "Image": "builtin/python",
            "Mode": "MultiModel",
            "ModelDataUrl": f"s3://{BUCKET}/many/",
        },
    )
    endpoints.config("many")
    endpoints.create("many")
    endpoints.in_service("many")
    for turn, number in enumerate([*range(_MODELS), 0, _MODELS - 1], 1):
        told = f"model {number} of {min(turn, _ROOM)}"
        assert endpoints.ask("many", TargetModel=f"{number}.tar.gz") == told.encode()
    with pytest.raises(ClientError, match=r"ValidationError.*none\.tar\.gz"):
        endpoints.ask("many", TargetModel="none.tar.gz")
    with pytest.raises(ClientError, match="name one of its models as TargetModel"):
        endpoints.ask("many")


def test_an_isolated_endpoint_answers(endpoints: Endpoints) -> None:
    script = """
import socket

def model_fn(folder):
    return None

def transform_fn(model, data, content_type, accept):
    try:
        socket.create_connection(("192.0.2.1", 80), 1)
    except OSError as error:
        return f"no way out: {error}", "text/plain"
    return "out", "text/plain"
"""
    key = "isolated/model.tar.gz"
    endpoints.stage.s3.put_object(Bucket=BUCKET, Key=key, Body=archive("x", script))
    endpoints.control.create_model(
        ModelName="isolated",
        ExecutionRoleArn=ROLE,
        EnableNetworkIsolation=True,
        PrimaryContainer={"Image": "builtin/python", "ModelDataUrl": f"s3://{BUCKET}/{key}"},
    )
    endpoints.config("isolated")
    endpoints.create("isolated")
    endpoints.in_service("isolated")
    assert endpoints.ask("isolated", b"x").startswith(b"no way out: ")
