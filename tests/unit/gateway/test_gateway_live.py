"""The gateway behind a real uvicorn: what goes well, and every way a request can be wrong."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from gateway_parts import ACCOUNT, KEY_ID, SECRET, Answer, Live, served

JSON = {"Content-Type": "application/json"}
TARGET = {"X-Amz-Target": "Things_2020.Put", "Content-Type": "application/x-amz-json-1.1"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
WHO = b"Action=GetCallerIdentity&Version=2011-06-15"


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with served(body_limit=1_000_000) as running:
        yield running


def test_a_rest_json_request_comes_and_goes(live: Live) -> None:
    answer = live.send("PUT", "/v1/things/part-1", b'{"Count": 3}', JSON)
    assert answer.status == 202
    assert answer.json == {"Name": "part-1", "Count": 3, "Region": "eu-west-1"}
    assert len(answer.headers["x-amzn-requestid"]) == 36
    assert answer.headers["content-type"] == "application/json"


def test_members_that_are_none_are_left_out(live: Live) -> None:
    assert live.send("PUT", "/v1/things/part-1").json == {"Name": "part-1", "Region": "eu-west-1"}


def test_a_json_request_comes_and_goes(live: Live) -> None:
    answer = live.send("POST", "/", b'{"Name": "a", "Count": 2}', TARGET, service="jsonthings")
    assert (answer.status, answer.json) == (200, {"Name": "a", "Count": 2, "Region": "eu-west-1"})
    assert answer.headers["content-type"] == "application/x-amz-json-1.1"


@pytest.mark.parametrize("size", [0, 1, 300_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_stream_reaches_its_handler_whole(live: Live, size: int, chunked: bool) -> None:
    answer = live.send("POST", "/v1/things/a/look", bytes(size), {"Content-Type": "image/png"}, chunked=chunked)
    assert (answer.status, answer.json) == (200, {"Size": size})


def test_boto3_asks_sts_who_it_is(live: Live) -> None:
    client = boto3.client(
        "sts",
        endpoint_url=f"http://127.0.0.1:{live.port}",
        aws_access_key_id=KEY_ID,
        aws_secret_access_key=SECRET,
        region_name="us-west-2",
        config=Config(retries={"total_max_attempts": 1}),
    )
    try:
        found = client.get_caller_identity()
        assert (found["Account"], found["Arn"]) == (ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root")
        with pytest.raises(ClientError) as refused:
            client.get_session_token()
        assert refused.value.response["Error"]["Code"] == "InvalidAction"
        assert "GetSessionToken" in refused.value.response["Error"]["Message"]
    finally:
        client.close()


BAD = {
    "unknown path": ("GET", "/v1/nothing", b"", {}, 404, "UnknownOperationException"),
    "wrong method": ("DELETE", "/v1/things/a", b"", {}, 404, "UnknownOperationException"),
    "no handler": ("GET", "/v1/absent", b"", {}, 404, "UnknownOperationException"),
    "malformed JSON": ("PUT", "/v1/things/a", b"{", JSON, 400, "SerializationException"),
    "JSON of another type": ("PUT", "/v1/things/a", b'{"Count": "x"}', JSON, 400, "SerializationException"),
    "a list for a structure": ("PUT", "/v1/things/a", b"[]", JSON, 400, "SerializationException"),
    "a key twice": ("PUT", "/v1/things/a", b'{"Count": 1, "Count": 2}', JSON, 400, "SerializationException"),
    "NaN": ("PUT", "/v1/things/a", b'{"Count": NaN}', JSON, 400, "SerializationException"),
    "deep nesting": ("PUT", "/v1/things/a", b"[" * 100_000, JSON, 400, "SerializationException"),
    "not UTF-8": ("PUT", "/v1/things/a", b'{"Count": "\xff"}', JSON, 400, "SerializationException"),
    "many digits": ("PUT", "/v1/things/a", b'{"Count": ' + b"9" * 5000 + b"}", JSON, 400, "SerializationException"),
    "another content type": ("PUT", "/v1/things/a", b'{"Count": 1}', FORM, 415, "UnsupportedMediaTypeException"),
    "too long": ("PUT", "/v1/things/a", bytes(1_000_001), JSON, 413, "RequestEntityTooLargeException"),
    "escape %zz": ("PUT", "/v1/things/%zz", b"", {}, 400, "SerializationException"),
    "escape %ff": ("PUT", "/v1/things/%ff", b"", {}, 400, "SerializationException"),
    "escape %00": ("PUT", "/v1/things/%00", b"", {}, 400, "ValidationException"),
    "dots": ("PUT", "/v1/things/%2e%2e", b"", {}, 400, "ValidationException"),
    "slash": ("PUT", "/v1/things/a%2Fb", b"", {}, 400, "ValidationException"),
    "decoded once": ("PUT", "/v1/things/%2561", b"", {}, 400, "ValidationException"),
    "too many": ("PUT", "/v1/things/a", b'{"Count": 11}', JSON, 400, "ValidationException"),
    "modelled": ("PUT", "/v1/things/gone", b"", {}, 404, "ResourceNotFoundException"),
    "disk full": ("PUT", "/v1/things/full", b"", {}, 507, "InsufficientStorageException"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_rest_json_request_gets_its_proper_error(live: Live, case: str) -> None:
    method, target, body, headers, status, code = BAD[case]
    answer = live.send(method, target, body, headers)
    assert (answer.status, answer.headers["x-amzn-errortype"]) == (status, code)
    assert answer.json["Message"]


def test_all_violations_come_in_one_message_in_the_words_of_aws(live: Live) -> None:
    answer = live.send("PUT", "/v1/things/_" + "x" * 20, b'{"Count": 0}', JSON)
    assert answer.json["Message"].startswith(
        "2 validation errors detected: Value '_xxxxxxxxxxxxxxxxxxxx' at 'name' failed "
    )
    assert "Member must have length less than or equal to 20; Value '0' at 'count'" in answer.json["Message"]


def test_a_modelled_error_keeps_its_members(live: Live) -> None:
    answer = live.send("PUT", "/v1/things/gone")
    assert answer.json == {"Message": "no such thing", "ResourceId": "gone"}


JSON_BAD = {
    "unknown target": (b"{}", TARGET | {"X-Amz-Target": "Things_2020.Nope"}, 404, "UnknownOperationException"),
    "no target": (b"{}", {"Content-Type": "application/x-amz-json-1.1"}, 404, "UnknownOperationException"),
    "malformed": (b"}", TARGET, 400, "SerializationException"),
    "required": (b"{}", TARGET, 400, "ValidationException"),
    "surrogate": (b'{"Name": "\\ud800"}', TARGET, 400, "SerializationException"),
}


@pytest.mark.parametrize("case", JSON_BAD)
def test_a_bad_json_request_gets_its_proper_error(live: Live, case: str) -> None:
    body, headers, status, code = JSON_BAD[case]
    answer = live.send("POST", "/", body, headers, service="jsonthings")
    assert (answer.status, answer.json["__type"]) == (status, code)


QUERY_BAD = {
    "no action": ("POST", b"Version=2011-06-15", 400, "MissingAction"),
    "unknown action": ("POST", b"Action=Nope&Version=2011-06-15", 400, "InvalidAction"),
    "other version": ("POST", b"Action=GetCallerIdentity&Version=2000-01-01", 400, "InvalidAction"),
    "twice": ("POST", WHO + b"&Action=GetCallerIdentity", 400, "MalformedInput"),
    "bad escape": ("POST", WHO + b"&x=%zz", 400, "MalformedQueryString"),
    "method": ("PUT", WHO, 405, "MethodNotAllowed"),
    "too long": ("POST", WHO + bytes(1_000_000), 413, "RequestEntityTooLarge"),
}


@pytest.mark.parametrize("case", QUERY_BAD)
def test_a_bad_query_request_gets_its_proper_error(live: Live, case: str) -> None:
    method, body, status, code = QUERY_BAD[case]
    answer = live.send(method, "/", body, FORM, service="sts")
    name = "{https://sts.amazonaws.com/doc/2011-06-15/}"
    error = ET.fromstring(answer.body)
    assert (answer.status, error.findtext(f"{name}Error/{name}Code")) == (status, code)
    assert error.findtext(f"{name}RequestId") == answer.headers["x-amzn-requestid"]


def test_who_is_not_let_in_learns_why(live: Live) -> None:
    def code(**how: object) -> tuple[int, str]:
        answer = live.send("PUT", "/v1/things/a", **how)  # type: ignore[arg-type]
        return answer.status, answer.headers["x-amzn-errortype"]

    assert code(sign=False) == (403, "MissingAuthenticationTokenException")
    assert code(key="AKIABBBBBBBBBBBBBBBB") == (403, "UnrecognizedClientException")
    assert code(secret="x" * 40) == (403, "InvalidSignatureException")
    assert code(region="Mars!") == (403, "InvalidSignatureException")
    assert code(service="dynamodb") == (404, "UnknownServiceException")


def test_an_unforeseen_error_is_logged_and_not_told(live: Live, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "relook.gateway"):
        answer = live.send("PUT", "/v1/things/bug")
    assert (answer.status, answer.headers["x-amzn-errortype"]) == (500, "InternalServerException")
    assert b"secret reason" not in answer.body
    request_id = answer.headers["x-amzn-requestid"]
    assert request_id in answer.json["Message"]
    record = next(each for each in caplog.records if getattr(each, "request_id", None) == request_id)
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


def test_every_request_leaves_one_record(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    records: queue.Queue[Any] = queue.Queue()
    logger = logging.getLogger("relook.access")
    monkeypatch.setattr(logger, "handle", records.put)
    monkeypatch.setattr(logger, "level", logging.INFO)
    logger.manager._clear_cache()  # type: ignore[attr-defined]

    def record(answer: Answer) -> Any:
        """Its one; that of a test before may come late."""
        while (found := records.get(timeout=20)).request_id != answer.headers["x-amzn-requestid"]:
            pass
        return found

    answer = live.send("PUT", "/v1/things/a", b'{"Count": 1}', JSON)
    first = record(answer)
    second = record(live.send("PUT", "/v1/things/gone"))
    assert records.empty()
    found = {name: getattr(first, name) for name in ("request_id", "service", "operation", "principal", "status")}
    assert found == {
        "request_id": answer.headers["x-amzn-requestid"],
        "service": "things",
        "operation": "Put",
        "principal": f"arn:aws:iam::{ACCOUNT}:root",
        "status": 202,
    }
    assert (first.bytes_in, first.bytes_out, first.error_code) == (12, len(answer.body), None)
    assert 0 < first.duration_ms < 20_000
    assert (second.status, second.error_code, second.error_message) == (404, "ResourceNotFoundException", "not there")


def test_health_is_for_the_unsigned(live: Live) -> None:
    assert (live.send("GET", "/healthz", sign=False).status, live.send("GET", "/readyz", sign=False).status) == (
        200,
        200,
    )
    assert live.send("GET", "/healthz").status == 404


def test_not_ready_is_503() -> None:
    with served(ready=lambda: False) as live:
        assert live.send("GET", "/readyz", sign=False).status == 503
        assert live.send("GET", "/healthz", sign=False).status == 200


def test_draining_refuses_the_new_and_waits_for_those_in_flight() -> None:
    with served() as live:
        answers = []
        slow = threading.Thread(target=lambda: answers.append(live.send("PUT", "/v1/things/slow")))
        slow.start()
        assert live.things.entered.wait(20)
        loop = live.server.servers[0].get_loop()
        drained = asyncio.run_coroutine_threadsafe(live.gateway.drain(), loop)
        refused = live.send("PUT", "/v1/things/a")
        assert (refused.status, refused.headers["connection"]) == (503, "close")
        assert refused.headers["x-amzn-errortype"] == "ServiceUnavailable"
        assert not drained.done()
        live.things.release.set()
        drained.result(20)
        slow.join(20)
        assert [answer.status for answer in answers] == [202]
        assert live.gateway.in_flight == 0
