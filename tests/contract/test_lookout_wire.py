"""What no SDK sends: requests of Lookout for Vision made by hand, signed by botocore or wrongly."""

from __future__ import annotations

import datetime
import http.client
import json
import urllib.parse
from dataclasses import dataclass
from typing import Any
from unittest import mock

import botocore.auth
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from lookout_stage import REGION, Stage

ROOT = "/2020-11-20"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def error(self) -> tuple[int, str]:
        return self.status, self.headers["x-amzn-errortype"]


@dataclass(frozen=True, slots=True)
class Wire:
    """Raw requests to one server."""

    endpoint: str
    key: str
    secret: str

    def signed(self, method: str, path: str, body: bytes = b"", **more: Any) -> AWSRequest:
        """A signed request. `secret`, `key`, `region`, `service` replace what signs it; `headers` are added."""
        headers = {"Content-Type": "application/json"} | more.get("headers", {})
        request = AWSRequest(method, self.endpoint + path, headers=headers, data=body)
        credentials = Credentials(more.get("key", self.key), more.get("secret", self.secret), more.get("token"))
        SigV4Auth(credentials, more.get("service", "lookoutvision"), more.get("region", REGION)).add_auth(request)
        return request

    def send(self, request: AWSRequest) -> Answer:
        where = urllib.parse.urlsplit(request.url)
        connection = http.client.HTTPConnection(where.netloc, timeout=30)
        try:
            path = where.path + (f"?{where.query}" if where.query else "")
            connection.request(request.method, path, body=request.data or b"", headers=dict(request.headers.items()))
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, headers, json.loads(answer.read()))
        finally:
            connection.close()

    def call(self, method: str, path: str, body: bytes = b"", **more: Any) -> Answer:
        return self.send(self.signed(method, path, body, **more))


@pytest.fixture(scope="module")
def wire(stage: Stage) -> Wire:
    credentials = stage.server.credentials
    return Wire(stage.server.endpoint, credentials["aws_access_key_id"], credentials["aws_secret_access_key"])


def test_an_answer_by_hand(wire: Wire) -> None:
    answer = wire.call("POST", f"{ROOT}/projects", b'{"ProjectName": "by-hand"}')
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-amzn-requestid"]
    made = answer.body["ProjectMetadata"]
    # Epoch seconds as a JSON number, with a fraction of milliseconds.
    assert isinstance(made["CreationTimestamp"], float)
    assert made["CreationTimestamp"] == round(made["CreationTimestamp"], 3)


def test_optional_members_are_left_out_and_never_null(wire: Wire) -> None:
    answer = wire.call("GET", f"{ROOT}/projects?maxResults=100")
    assert "null" not in json.dumps(answer.body)


def test_an_error_has_message_header_and_members(wire: Wire) -> None:
    answer = wire.call("GET", f"{ROOT}/projects/none")
    assert answer.error == (404, "ResourceNotFoundException")
    assert set(answer.body) == {"Message", "ResourceId", "ResourceType"}
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"text"', b"null", b"\xff\xfe", b'{"ProjectName": 1}', b'{"ProjectName": "x"} x']
)
def test_json_that_is_none_or_not_what_was_expected(wire: Wire, body: bytes) -> None:
    answer = wire.call("POST", f"{ROOT}/projects", body)
    assert answer.error in ((400, "SerializationException"), (400, "ValidationException"))
    assert answer.body["Message"]


@pytest.mark.parametrize("changes", ['"not base64!"', '"YQ"', "7"])
def test_a_blob_that_is_no_base64(wire: Wire, changes: str) -> None:
    body = f'{{"Changes": {changes}}}'.encode()
    answer = wire.call("PATCH", f"{ROOT}/projects/p/datasets/train/entries", body)
    assert answer.error == (400, "SerializationException")


@pytest.mark.parametrize("query", ["maxResults=ten", "maxResults=1.5", "maxResults=", "maxResults=1&maxResults=2"])
def test_numbers_in_the_query(wire: Wire, query: str) -> None:
    answer = wire.call("GET", f"{ROOT}/projects?{query}")
    assert answer.error in ((400, "SerializationException"), (400, "ValidationException"))


@pytest.mark.parametrize("query", ["labeled=maybe", "createdBefore=yesterday"])
def test_other_values_in_the_query(wire: Wire, query: str) -> None:
    answer = wire.call("GET", f"{ROOT}/projects/p/datasets/train/entries?{query}")
    assert answer.error == (400, "SerializationException")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", f"{ROOT}/nothing"),
        ("POST", "/2020-11-21/projects"),
        ("PUT", f"{ROOT}/projects"),
        ("DELETE", f"{ROOT}/projects"),
        ("POST", f"{ROOT}/projects/p"),
        ("GET", f"{ROOT}/projects/p/models/1/start"),
        ("PATCH", f"{ROOT}/tags/arn"),
        ("POST", f"{ROOT}/projects/p/models/1/trial"),
    ],
)
def test_an_operation_or_method_there_is_not(wire: Wire, method: str, path: str) -> None:
    answer = wire.call(method, path, b"{}")
    assert answer.error == (404, "UnknownOperationException")
    assert path in answer.body["Message"]


def test_an_empty_or_absent_part_of_the_path(wire: Wire) -> None:
    for path in (f"{ROOT}/projects/", f"{ROOT}/projects//datasets/train", f"{ROOT}/projects/p/models//detect"):
        answer = wire.call("GET", path)
        assert answer.status in (400, 404), path
        assert answer.headers["x-amzn-errortype"] in ("UnknownOperationException", "ValidationException")


def test_a_body_that_is_too_long(wire: Wire) -> None:
    padded = b'{"ProjectName": "x"' + b" " * (20 * 1024 * 1024) + b"}"
    answer = wire.call("POST", f"{ROOT}/projects", padded)
    assert 400 <= answer.status < 500
    assert answer.headers["x-amzn-errortype"] in ("RequestEntityTooLargeException", "RequestTooLargeException")
    assert wire.call("GET", f"{ROOT}/projects/x").status == 404


@pytest.mark.parametrize(
    ("signing", "error"),
    [
        ({"secret": "wrong"}, (403, "InvalidSignatureException")),
        ({"key": "AKIAIOSFODNN7EXAMPLE"}, (403, "UnrecognizedClientException")),
        ({"token": "session"}, (403, "UnrecognizedClientException")),
        ({"service": "nosuchservice"}, (404, "UnknownServiceException")),
        ({"region": "not_a_region"}, (403, "InvalidSignatureException")),
    ],
)
def test_wrongly_signed(wire: Wire, signing: dict[str, str], error: tuple[int, str]) -> None:
    assert wire.call("POST", f"{ROOT}/projects", b'{"ProjectName": "forged"}', **signing).error == error
    assert wire.call("GET", f"{ROOT}/projects/forged").status == 404


def test_unsigned(wire: Wire) -> None:
    request = AWSRequest("GET", f"{wire.endpoint}{ROOT}/projects")
    assert wire.send(request).error == (403, "MissingAuthenticationTokenException")


@pytest.mark.parametrize("what", ["body", "path", "query", "header"])
def test_altered_after_signing(wire: Wire, what: str) -> None:
    headers = {"X-Amzn-Client-Token": "one"}
    request = wire.signed("POST", f"{ROOT}/projects?a=1", b'{"ProjectName": "signed"}', headers=headers)
    if what == "body":
        request.data = b'{"ProjectName": "forged"}'
    elif what == "path":
        request.url = request.url.replace("/projects", "/project%73")
    elif what == "query":
        request.url = request.url.replace("a=1", "a=2")
    else:
        request.headers.replace_header("X-Amzn-Client-Token", "two")
    answer = wire.send(request)
    assert answer.status in (403, 404) if what == "path" else answer.error == (403, "InvalidSignatureException")
    assert wire.call("GET", f"{ROOT}/projects/signed").status == 404


@pytest.mark.parametrize(("minutes", "words"), [(-20, "Signature expired"), (20, "Signature not yet current")])
def test_a_skewed_clock(wire: Wire, minutes: int, words: str) -> None:
    then = datetime.datetime.now(datetime.UTC).replace(tzinfo=None) + datetime.timedelta(minutes=minutes)
    with mock.patch.object(botocore.auth, "get_current_datetime", return_value=then):
        answer = wire.call("GET", f"{ROOT}/projects")
    assert answer.error == (403, "InvalidSignatureException")
    assert answer.body["Message"].startswith(words)


def test_any_region_of_the_pattern(wire: Wire) -> None:
    assert wire.call("GET", f"{ROOT}/projects", region="mars-north-7").body == {"Projects": []}


def test_an_arn_is_one_part_of_the_path_decoded_once(wire: Wire) -> None:
    arn = "arn:aws:lookoutvision:us-east-1:000000000000:model/p q%2F/1"
    answer = wire.call("GET", f"{ROOT}/tags/{urllib.parse.quote(arn, safe='')}")
    assert answer.error == (400, "ValidationException")
    assert "p q%2F/1" in answer.body["Message"]


def test_an_empty_body_where_none_is_wanted(wire: Wire) -> None:
    for method, path in (("DELETE", "/projects/none"), ("POST", "/projects/none/models/1/stop")):
        request = AWSRequest(method, wire.endpoint + ROOT + path)
        SigV4Auth(Credentials(wire.key, wire.secret), "lookoutvision", REGION).add_auth(request)
        assert wire.send(request).error == (404, "ResourceNotFoundException")
