from __future__ import annotations

import asyncio
import resource
from pathlib import Path
from typing import Any

import pytest
from endpoint_stage import ACCOUNT, BUCKET, REGION, SCOPE, Body, Stage, play, until, variant

from relook.aws.errors import ServiceError
from relook.blobs.errors import ObjectMissing
from relook.containers.serving.api import Invocation
from relook.core.endpoint_states import EndpointStatus
from relook.core.locations import S3Location
from relook.services.sagemaker import async_dispatch, hosting
from relook.store import sagemaker_async as queue
from relook.store import sagemaker_endpoints as endpoints

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


async def without_instances(stage: Stage) -> None:
    """An endpoint for which requests only wait."""
    await asynchronous(stage)
    await stage.resize("later", {"VariantName": "AllTraffic", "DesiredInstanceCount": 0})
    await stage.becomes("later", "InService")
    await until(lambda: not stage.starter.running)


def test_every_request_of_an_endpoint_that_is_deleted_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that a container has, and holds for longer than it may, and those that wait behind it."""
    monkeypatch.setattr(hosting, "_LAST_SECONDS", 0.2)
    monkeypatch.setattr(async_dispatch, "_AT_ONCE", 4)
    monkeypatch.setattr(async_dispatch, "_RETRY_SECONDS", 0.01)

    async def scenario(stage: Stage) -> None:
        await asynchronous(stage, MaxConcurrentInvocationsPerInstance=1)
        told = [await send(stage, b"hold")]
        await until(lambda: bool(stage.logs.lines))
        told += [await send(stage, b"x") for _ in range(9)]
        live = stage.hosting.live(SCOPE, "later")
        assert live is not None
        await stage.delete("later")
        assert "Could not find endpoint" in await stage.gone("later")
        for each in told:
            assert b"later" in await arrives(stage, each["FailureLocation"])
            where = S3Location.parse(each["OutputLocation"])
            with pytest.raises(ObjectMissing):
                stage.blobs.read(ACCOUNT, where.bucket, where.key)
        assert await arrives(stage, told[-1]["FailureLocation"]) == b"Endpoint later was deleted before it answered"
        with stage.store.read() as connection:
            assert queue.waited_for(connection) == set()

    play(tmp_path, scenario)


def test_requests_of_an_endpoint_whose_deletion_was_interrupted_are_told(tmp_path: Path) -> None:
    found: list[str] = []

    async def first(stage: Stage) -> None:
        await without_instances(stage)
        found.extend([(await send(stage, b"x"))["FailureLocation"] for _ in range(3)])
        live = stage.hosting.live(SCOPE, "later")
        assert live is not None
        with stage.store.write() as connection:  # and nobody is told of it: as if the server was killed now
            assert endpoints.change_status(connection, live.id, EndpointStatus.DELETING, 1)

    async def second(stage: Stage) -> None:
        await stage.gone("later")
        for each in found:
            assert await arrives(stage, each) == b"Endpoint later was deleted before it answered"

    play(tmp_path, first)
    play(tmp_path, second)


def test_a_request_that_comes_while_its_endpoint_is_deleted_is_refused(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        await without_instances(stage)
        live = stage.hosting.live(SCOPE, "later")
        assert live is not None
        with stage.store.write() as connection:
            assert endpoints.change_status(connection, live.id, EndpointStatus.DELETING, 1)
        with pytest.raises(ServiceError, match="Endpoint later of account 000000000000 not found"):
            await send(stage, b"x")
        stage.hosting.notify()
        await stage.gone("later")

    play(tmp_path, scenario)


def test_what_waits_is_answered_though_the_endpoint_takes_no_more(tmp_path: Path) -> None:
    """An update to a configuration that is not asynchronous."""

    async def scenario(stage: Stage) -> None:
        await without_instances(stage)
        told = await send(stage, b"taken")
        stage.config("now", variant("m"))
        await stage.update("later", "now")
        assert await arrives(stage, told["OutputLocation"]) == b"taken"
        with pytest.raises(ServiceError, match="invoke it with InvokeEndpoint"):
            await send(stage, b"x")

    play(tmp_path, scenario)


def test_a_request_expires_though_there_is_no_instance(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        await without_instances(stage)
        told = await send(stage, b"x", RequestTTLSeconds=60)
        stage.dispatcher._clock = lambda: stage.clock() + 61_000
        stage.dispatcher.wake()
        assert b"The request expired" in await arrives(stage, told["FailureLocation"])

    play(tmp_path, scenario)


def test_the_time_of_a_request_counts_over_all_its_tries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(async_dispatch, "_RETRY_SECONDS", 0.01)

    async def scenario(stage: Stage) -> None:
        await asynchronous(stage)
        told = await send(stage, b"late:2", InvocationTimeoutSeconds=3)
        failure = await arrives(stage, told["FailureLocation"])
        assert b"timed out" in failure, failure
        assert len(stage.starter.instances) >= 2

    play(tmp_path, scenario)


def test_an_answer_waits_for_room_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(async_dispatch, "_RETRY_SECONDS", 0.01)

    async def scenario(stage: Stage) -> None:
        await asynchronous(stage)
        stage.blobs.put(ACCOUNT, BUCKET, "in/large", b"x" * 5_000_000, "text/plain")
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4_000_000, hard))
        try:
            told = await send(stage, InputLocation=f"s3://{BUCKET}/in/large")
            await until(lambda: "asynchronous invocations wait: The disk" in caplog.text)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert len(await arrives(stage, told["OutputLocation"])) == 5_000_000
        await until(lambda: waiting(stage) == 0)
        live = stage.hosting.live(SCOPE, "later")
        assert live is not None
        assert sum(live.variants[0].counts._minutes.values()) == 1, "the model is not asked again"

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
