from __future__ import annotations

import asyncio
import json
import os
import random
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from endpoint_stage import ACCOUNT, BUCKET, REGION, SCOPE, Body, Stage, play, until, variant
from sqlalchemy import select

from relook.aws.errors import ServiceError
from relook.containers.serving.api import Invocation
from relook.core.endpoint_states import TRANSITIONS, EndpointStatus, choose, sources
from relook.store.tables.objects import object_versions


def test_a_container_error_is_a_model_error_with_its_own_message(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.serving("e")
        with pytest.raises(ServiceError) as told:
            await stage.invoke("e", b"status:500:it broke")
        assert (told.value.code, told.value.status) == ("ModelError", 424)
        assert told.value.message == (
            'Received server error (500) from primary with message "it broke". See https://us-east-1.console.aws.amazon'
            ".com/cloudwatch/home?region=us-east-1#logEventViewer:group=/aws/sagemaker/Endpoints/e in account "
            "000000000000 for more information."
        )
        assert told.value.members["OriginalStatusCode"] == 500
        assert told.value.members["OriginalMessage"] == "it broke"
        with pytest.raises(ServiceError, match=r"Received client error \(422\) from primary"):
            await stage.invoke("e", b"status:422:no")

    play(tmp_path, scenario)


def test_a_container_killed_in_mid_request_is_replaced(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.serving("e")
        held = asyncio.create_task(stage.invoke("e", b"hold"))
        await until(lambda: bool(stage.logs.lines))
        os.kill(stage.starter.running[0].process.pid, signal.SIGKILL)
        with pytest.raises(ServiceError) as told:
            await held
        assert told.value.code == "ModelError"
        assert "gave no answer" in told.value.message
        await until(lambda: not stage.starter.instances[0].healthy)
        assert (await stage.ask("e", b"who")).startswith(b"e")
        assert len(stage.starter.instances) == 2
        assert (await stage.describe("e"))["EndpointStatus"] == "InService"

    play(tmp_path, scenario)


def test_an_answer_that_takes_too_long_says_so(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        object.__setattr__(stage.limits, "seconds", 0.2)
        await stage.serving("e")
        with pytest.raises(ServiceError, match="Your invocation timed out while waiting for a response from container"):
            await stage.invoke("e", b"hold")

    play(tmp_path, scenario)


def test_bodies_over_the_limit_are_refused_in_either_direction(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.serving("e")
        assert len(await stage.ask("e", b"x" * 1000)) == 1000
        with pytest.raises(ServiceError) as told:
            await stage.invoke("e", b"x" * 1001)
        assert told.value.code == "ValidationError"
        assert "Member must have length less than or equal to 1000" in told.value.message
        object.__setattr__(stage.limits, "body_bytes", 8)
        with pytest.raises(ServiceError, match="the answer is too large"):
            await stage.invoke("e", b"headers")

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("members", "words"),
    [
        (
            {"TargetVariant": "Other"},
            "Variant Other not found for endpoint e; it has the production variants AllTraffic",
        ),
        ({"TargetModel": "a.tar.gz"}, "TargetModel was given, but model e is no multi-model container"),
        ({"TargetContainerHostname": "x"}, "not in Direct mode"),
        ({"EnableExplanations": "true"}, "EnableExplanations is not offered"),
        ({"InferenceComponentName": "c"}, "InferenceComponentName is not offered"),
    ],
)
def test_what_an_endpoint_cannot_do_is_refused_by_name(tmp_path: Path, members: dict[str, Any], words: str) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.serving("e")
        with pytest.raises(ServiceError, match=words) as told:
            await stage.invoke("e", b"x", **members)
        assert told.value.code == "ValidationError"

    play(tmp_path, scenario)


def test_weights_that_are_all_zero_need_a_target(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        stage.model("m")
        stage.config("z", variant("m", InitialVariantWeight=0.0))
        await stage.create("z")
        await stage.becomes("z", "InService")
        with pytest.raises(ServiceError, match="Every variant of endpoint z has weight 0"):
            await stage.invoke("z", b"x")
        assert await stage.ask("z", b"x", TargetVariant="AllTraffic") == b"x"

    play(tmp_path, scenario)


def test_least_outstanding_requests_spread_over_the_instances(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.serving("e", 2)
        held = [asyncio.create_task(stage.ask("e", b"hold")) for _ in range(4)]
        await until(lambda: len(stage.logs.lines) == 4)
        assert [each.in_flight for each in stage.starter.running] == [2, 2]
        assert set(Counter(stream for _, stream, _ in stage.logs.lines).values()) == {2}
        for each in stage.starter.running:
            await each.invoke(Invocation(b"open"))
        assert await asyncio.gather(*held) == [b"hold"] * 4

    play(tmp_path, scenario)


def test_streams_come_in_parts_and_end_in_an_exception_when_they_break(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.serving("e")

        async def stream(body: bytes) -> list[bytes]:
            members = {"EndpointName": "e", "Body": Body(body)}
            answer = await stage.invocations.stream(stage.context(), members)
            assert answer["InvokedProductionVariant"] == "AllTraffic"
            found: list[bytes] = []
            try:
                async for event in answer["Body"]:
                    found.append(event["PayloadPart"]["Bytes"])
            except ServiceError as error:
                found.append(error.code.encode())
            return found

        assert await stream(b"abcdefgh!") == [b"abcd", b"efgh", b"!"]
        assert await stream(b"abcdbreak") == [b"abcd", b"brea", b"k", b"ModelStreamError"]
        with pytest.raises(ServiceError, match=r"server error \(503\) from primary with message \"down\""):
            await stream(b"status:503:down")
        live = stage.hosting.live(SCOPE, "e")
        assert live is not None
        assert not live.variants[0].fleet.busy

    play(tmp_path, scenario)


def test_captured_invocations_become_files(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        stage.blobs.buckets.create(ACCOUNT, REGION, BUCKET)
        stage.model("m")
        capture = {
            "EnableCapture": True,
            "InitialSamplingPercentage": 100,
            "DestinationS3Uri": f"s3://{BUCKET}/seen/",
            "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
            "CaptureContentTypeHeader": {"JsonContentTypes": ["application/json"]},
        }
        stage.config("c", variant("m"), DataCaptureConfig=capture)
        await stage.create("c")
        found = await stage.becomes("c", "InService")
        assert found["DataCaptureConfig"]["CaptureStatus"] == "Started"
        await stage.ask("c", b'{"a":1}', ContentType="application/json", InferenceId="mine")
        with pytest.raises(ServiceError):
            await stage.ask("c", b"status:500:x")
        await stage.capturer.flush()
        (file,) = keys(stage, "seen/c/AllTraffic/")
        lines = stage.blobs.read(ACCOUNT, BUCKET, file).splitlines()
        (told,) = [json.loads(line) for line in lines]
        assert told["captureData"]["endpointInput"] == {
            "observedContentType": "application/json",
            "mode": "INPUT",
            "data": '{"a":1}',
            "encoding": "JSON",
        }
        assert told["captureData"]["endpointOutput"]["encoding"] == "BASE64"
        assert told["eventMetadata"]["inferenceId"] == "mine"
        assert told["eventVersion"] == "0"

    play(tmp_path, scenario)


def test_capture_into_a_bucket_that_is_not_there_is_refused(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        stage.simple("plain")
        await stage.create("plain")
        await stage.becomes("plain", "InService")
        capture = {"InitialSamplingPercentage": 1, "DestinationS3Uri": "s3://nowhere/x", "CaptureOptions": []}
        stage.config("off", variant("plain"), DataCaptureConfig={**capture, "EnableCapture": False})
        stage.config("on", variant("plain"), DataCaptureConfig=capture)
        words = "DataCaptureConfig.DestinationS3Uri: s3://nowhere/x cannot be written to: bucket nowhere"
        with pytest.raises(ServiceError, match=words):
            await stage.create("on")
        assert "Could not find endpoint" in await stage.gone("on")
        with pytest.raises(ServiceError, match=words):
            await stage.update("plain", "on")
        assert (await stage.describe("plain"))["EndpointStatus"] == "InService"
        await stage.create("off")
        await stage.becomes("off", "InService")

    play(tmp_path, scenario)


def test_capture_that_cannot_be_written_fails_no_invocation(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(stage: Stage) -> None:
        stage.model("m")
        options = [{"CaptureMode": "InputAndOutput"}]
        where = {"DestinationS3Uri": "s3://nowhere/x", "CaptureOptions": options}
        stage.config(
            "c", variant("m"), DataCaptureConfig={"EnableCapture": True, "InitialSamplingPercentage": 100, **where}
        )
        stage.blobs.buckets.create(ACCOUNT, REGION, "nowhere")
        await stage.create("c")
        await stage.becomes("c", "InService")
        stage.blobs.buckets.delete(ACCOUNT, "nowhere")
        assert await stage.ask("c", b"x") == b"x"
        await stage.capturer.flush()
        assert "data capture of c: 1 records are lost" in caplog.text
        told = [(stream, line) for group, stream, line in stage.logs.lines if group == "/aws/sagemaker/Endpoints/c"]
        stream, line = told[-1]
        assert stream.endswith("/data-capture")
        assert "data capture to s3://nowhere/x: 1 records are lost: bucket nowhere: There is no bucket" in line

    play(tmp_path, scenario)


def keys(stage: Stage, prefix: str, bucket: str = BUCKET) -> list[str]:
    with stage.store.read() as connection:
        rows = connection.execute(select(object_versions.c.key).where(object_versions.c.bucket == bucket)).scalars()
        return sorted(key.decode() for key in rows if key.decode().startswith(prefix))


def test_every_status_is_in_the_table_and_deleting_is_the_only_end() -> None:
    assert set(TRANSITIONS) == set(EndpointStatus)
    assert [status for status, after in TRANSITIONS.items() if not after] == [EndpointStatus.DELETING]
    assert sources(EndpointStatus.UPDATING) == {EndpointStatus.IN_SERVICE}
    assert sources(EndpointStatus.DELETING) == set(EndpointStatus) - {EndpointStatus.DELETING}


def test_each_variant_gets_the_share_of_its_weight() -> None:
    chance = random.Random(7)
    found = Counter(choose([1.0, 0.0, 3.0], chance.random()) for _ in range(4000))
    assert set(found) == {0, 2}
    assert 0.22 < found[0] / 4000 < 0.28
    assert choose([0.0, 0.0], 0.5) is None
    assert choose([0.1, 0.2, 0.0], 1 - 2**-53) == 1
