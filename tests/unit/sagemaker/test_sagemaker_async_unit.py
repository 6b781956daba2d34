from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from endpoint_stage import ACCOUNT, BUCKET, REGION, SCOPE, Body, Stage, play, until, variant

from relook.aws.errors import ServiceError
from relook.blobs.errors import ObjectMissing
from relook.containers.serving.api import Invocation
from relook.core.locations import S3Location
from relook.store import sagemaker_async as queue

_WHERE = {"OutputConfig": {"S3OutputPath": f"s3://{BUCKET}/out/", "S3FailurePath": f"s3://{BUCKET}/bad"}}


async def asynchronous(stage: Stage, **client: Any) -> None:
    """Endpoint `later`, with a bucket for its answers."""
    stage.blobs.buckets.create(ACCOUNT, REGION, BUCKET)
    stage.model("m")
    stage.config("later", variant("m"), AsyncInferenceConfig={**_WHERE, "ClientConfig": client})
    await stage.create("later")
    await stage.becomes("later", "InService")


async def send(stage: Stage, body: bytes = b"", **members: Any) -> dict[str, Any]:
    members = {"EndpointName": "later", "Body": Body(body), **members}
    return dict(await stage.asynchronous.invoke(stage.context(), members))


async def arrives(stage: Stage, uri: str) -> bytes:
    where = S3Location.parse(uri)
    while True:
        try:
            return stage.blobs.read(ACCOUNT, where.bucket, where.key)
        except ObjectMissing:
            await asyncio.sleep(0.005)


def waiting(stage: Stage) -> int:
    live = stage.hosting.live(SCOPE, "later")
    assert live is not None
    with stage.store.read() as connection:
        return queue.waiting(connection, live.id)


def test_answers_and_failures_become_objects(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        await asynchronous(stage)
        told = await send(stage, b"inline", InferenceId="mine")
        assert told["InferenceId"] == "mine"
        assert told["OutputLocation"].startswith(f"s3://{BUCKET}/out/")
        assert told["OutputLocation"].endswith(".out")
        assert await arrives(stage, told["OutputLocation"]) == b"inline"
        stage.blobs.put(ACCOUNT, BUCKET, "in/x", b"from s3", "text/plain")
        told = await send(stage, InputLocation=f"s3://{BUCKET}/in/x", S3OutputPathExtension="a/b", Filename="r.txt")
        assert told["OutputLocation"] == f"s3://{BUCKET}/out/a/b/r.txt"
        assert await arrives(stage, told["OutputLocation"]) == b"from s3"
        told = await send(stage, b"status:500:broken")
        assert told["FailureLocation"].startswith(f"s3://{BUCKET}/bad/")
        assert b'Received server error (500) from primary with message "broken"' in await arrives(
            stage, told["FailureLocation"]
        )
        told = await send(stage, InputLocation=f"s3://{BUCKET}/in/none")
        assert b"There is no object under this key" in await arrives(stage, told["FailureLocation"])
        await until(lambda: waiting(stage) == 0)

    play(tmp_path, scenario)


def test_what_waits_is_answered_after_a_restart(tmp_path: Path) -> None:
    found: list[str] = []

    async def first(stage: Stage) -> None:
        await asynchronous(stage, MaxConcurrentInvocationsPerInstance=1)
        found.append((await send(stage, b"hold"))["OutputLocation"])
        found.append((await send(stage, b"second"))["OutputLocation"])
        await until(lambda: bool(stage.logs.lines))
        assert sum(each.in_flight for each in stage.starter.running) == 1

    async def second(stage: Stage) -> None:
        await until(lambda: bool(stage.logs.lines))
        await stage.starter.running[0].invoke(Invocation(b"open"))
        assert await arrives(stage, found[0]) == b"hold"
        assert await arrives(stage, found[1]) == b"second"
        await until(lambda: waiting(stage) == 0)

    play(tmp_path, first)
    play(tmp_path, second)


def test_a_request_that_waited_too_long_fails(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        await asynchronous(stage)
        stage.dispatcher._clock = lambda: 10**14  # long after every expiry
        told = await send(stage, b"x", RequestTTLSeconds=60)
        assert b"The request expired" in await arrives(stage, told["FailureLocation"])

    play(tmp_path, scenario)


def test_a_request_that_ends_every_container_fails_in_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relook.services.sagemaker.async_dispatch._RETRY_SECONDS", 0.01)

    async def scenario(stage: Stage) -> None:
        await asynchronous(stage)
        told = await send(stage, b"exit:3")
        assert b"No instance could answer the request in 3 tries" in await arrives(stage, told["FailureLocation"])
        assert len(stage.starter.instances) >= 3

    play(tmp_path, scenario)


def test_asynchronous_endpoints_may_have_no_instance_for_a_while(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        await asynchronous(stage)
        await stage.resize("later", {"VariantName": "AllTraffic", "DesiredInstanceCount": 0})
        await stage.becomes("later", "InService")
        await until(lambda: not stage.starter.running)
        told = await send(stage, b"patient")
        assert waiting(stage) == 1
        stage.endpoints.scale(SCOPE, "later", "AllTraffic", 1)
        assert await arrives(stage, told["OutputLocation"]) == b"patient"

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("body", "members", "words"),
    [
        (b"", {}, "Give InputLocation"),
        (b"x", {"InputLocation": "s3://a-bucket/k"}, "not both"),
        (b"", {"InputLocation": "s3://x"}, "not of the form s3://bucket/key"),
        (b"x" * 128_001, {}, "less than or equal to 128000"),
    ],
)
def test_what_cannot_be_queued_is_refused(tmp_path: Path, body: bytes, members: dict[str, Any], words: str) -> None:
    async def scenario(stage: Stage) -> None:
        await asynchronous(stage)
        with pytest.raises(ServiceError, match=words):
            await send(stage, body, **members)

    play(tmp_path, scenario)


def test_each_kind_of_endpoint_is_invoked_its_own_way(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        await asynchronous(stage)
        with pytest.raises(ServiceError, match="invoke it with InvokeEndpointAsync"):
            await stage.invoke("later", b"x")
        await stage.serving("now")
        with pytest.raises(ServiceError, match=r"it with InvokeEndpoint$"):
            await send(stage, b"x", EndpointName="now")

    play(tmp_path, scenario)
