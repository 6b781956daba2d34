"""Invocations of every kind through real boto3, over containers that really run."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from botocore.exceptions import ClientError
from endpoint_world import BUCKET, Endpoints
from lookout_stage import Stage, until
from sagemaker_calls import variant

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap (bwrap) is not installed")
CAPTURE = {
    "EnableCapture": True,
    "InitialSamplingPercentage": 100,
    "DestinationS3Uri": f"s3://{BUCKET}/captured",
    "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
    "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"]},
}
ASYNC = {
    "OutputConfig": {"S3OutputPath": f"s3://{BUCKET}/answers", "S3FailurePath": f"s3://{BUCKET}/failures"},
    "ClientConfig": {"MaxConcurrentInvocationsPerInstance": 2},
}


@pytest.fixture(scope="module")
def endpoints(stage: Stage) -> Iterator[Endpoints]:
    made = Endpoints(stage)
    made.serve("now", DataCaptureConfig=CAPTURE)
    made.config("later", variant("now"), AsyncInferenceConfig=ASYNC)
    made.create("later")
    made.in_service("later")
    yield made
    made.clear()


def failing(call: Any, **members: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as told:
        call(**members)
    return dict(told.value.response)


def test_headers_go_in_and_come_out(endpoints: Endpoints) -> None:
    answer = endpoints.runtime.invoke_endpoint(
        EndpointName="now", Body=b"\x00\xff", ContentType="application/octet-stream", Accept="image/png"
    )
    assert answer["Body"].read() == b"\x00\xff"
    assert (answer["ContentType"], answer["InvokedProductionVariant"]) == ("image/png", "AllTraffic")
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-amzn-invoked-production-variant"] == "AllTraffic"


def test_the_models_own_error_is_told(endpoints: Endpoints) -> None:
    told = failing(endpoints.runtime.invoke_endpoint, EndpointName="now", Body=b"raise:of my own")
    assert told["Error"]["Code"] == "ModelError"
    assert told["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert told["Error"]["Message"].startswith("Received server error (500) from primary with message ")
    assert "of my own" in told["Error"]["Message"]
    assert told["OriginalStatusCode"] == 500
    assert "of my own" in told["OriginalMessage"]
    assert told["LogStreamArn"].endswith("log-group:/aws/sagemaker/Endpoints/now")


def test_what_is_wrong_is_a_validation_error(endpoints: Endpoints) -> None:
    call = endpoints.runtime.invoke_endpoint
    assert failing(call, EndpointName="none", Body=b"x")["Error"] == {
        "Code": "ValidationError",
        "Message": "Endpoint none of account 000000000000 not found.",
    }
    told = failing(call, EndpointName="now", Body=b"x" * (6 * 2**20 + 1))["Error"]
    assert told["Code"] == "ValidationError"
    assert "6291456" in told["Message"]
    assert "TargetModel" in failing(call, EndpointName="now", Body=b"x", TargetModel="a")["Error"]["Message"]
    assert len(endpoints.ask("now", b"x" * 6 * 2**20)) == 6 * 2**20


def test_an_answer_over_the_limit_is_a_model_error(endpoints: Endpoints) -> None:
    told = failing(endpoints.runtime.invoke_endpoint, EndpointName="now", Body=b"long:7000000")
    assert told["Error"]["Code"] == "ModelError"


def test_an_answer_can_be_streamed(endpoints: Endpoints) -> None:
    call = endpoints.runtime.invoke_endpoint_with_response_stream
    answer = call(EndpointName="now", Body=b"long:300000")
    assert answer["InvokedProductionVariant"] == "AllTraffic"
    parts = [event["PayloadPart"]["Bytes"] for event in answer["Body"]]
    assert b"".join(parts) == b"x" * 300000
    assert failing(call, EndpointName="now", Body=b"raise:early")["Error"]["Code"] == "ModelError"


def test_a_stream_may_be_longer_than_an_answer(endpoints: Endpoints) -> None:
    answer = endpoints.runtime.invoke_endpoint_with_response_stream(EndpointName="now", Body=b"long:7000000")
    assert sum(len(event["PayloadPart"]["Bytes"]) for event in answer["Body"]) == 7_000_000


def test_answers_come_later(endpoints: Endpoints) -> None:
    call = endpoints.runtime.invoke_endpoint_async
    told = call(EndpointName="later", Body=b"inline", Accept="text/plain", InferenceId="mine")
    assert told["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert told["InferenceId"] == "mine"
    assert arrived(endpoints, told["OutputLocation"]) == b"inline"
    endpoints.stage.s3.put_object(Bucket=BUCKET, Key="in/one", Body=b"from s3")
    told = call(EndpointName="later", InputLocation=f"s3://{BUCKET}/in/one")
    assert arrived(endpoints, told["OutputLocation"]) == b"from s3"
    told = call(EndpointName="later", Body=b"raise:late")
    assert b"late" in arrived(endpoints, told["FailureLocation"])
    wrong = failing(call, EndpointName="now", Body=b"x")["Error"]
    assert (wrong["Code"], "AsyncInferenceConfig" in wrong["Message"]) == ("ValidationError", True)
    wrong = failing(endpoints.runtime.invoke_endpoint, EndpointName="later", Body=b"x")["Error"]
    assert "InvokeEndpointAsync" in wrong["Message"]


def test_invocations_are_captured(endpoints: Endpoints) -> None:
    endpoints.ask("now", b"1,2", ContentType="text/csv", InferenceId="captured")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        listed = endpoints.stage.s3.list_objects_v2(Bucket=BUCKET, Prefix="captured/now/AllTraffic/")
        keys = [each["Key"] for each in listed.get("Contents", [])]
        records = [json.loads(line) for key in keys for line in body(endpoints, BUCKET, key).splitlines()]
        found = [each for each in records if each["eventMetadata"].get("inferenceId") == "captured"]
        if found:
            break
        time.sleep(0.2)
    assert found[0]["captureData"]["endpointInput"] == {
        "observedContentType": "text/csv",
        "mode": "INPUT",
        "data": "1,2",
        "encoding": "CSV",
    }


def test_what_containers_write_is_in_the_log_group(endpoints: Endpoints) -> None:
    logs = endpoints.stage.client("logs")

    def streams() -> list[dict[str, Any]]:
        with suppress(logs.exceptions.ResourceNotFoundException):
            return list(logs.describe_log_streams(logGroupName="/aws/sagemaker/Endpoints/now")["logStreams"])
        return []

    found = until(streams, bool)  # lines are written together, now and then
    assert found[0]["logStreamName"].startswith("AllTraffic/i-")


def body(endpoints: Endpoints, bucket: str, key: str) -> bytes:
    return bytes(endpoints.stage.s3.get_object(Bucket=bucket, Key=key)["Body"].read())


def arrived(endpoints: Endpoints, uri: str) -> bytes:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    deadline = time.monotonic() + 60
    while True:
        try:
            return body(endpoints, bucket, key)
        except ClientError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
