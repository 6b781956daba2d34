"""AWS's own protocol vectors, run on the server's side of the wire in both directions."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.awsrequest import HeadersDict
from botocore.model import ServiceModel
from botocore.parsers import create_parser
from botocore.utils import parse_timestamp

from botocore_source import source_root
from relook.aws.http import HttpRequest
from relook.aws.protocol import parse, route, serialise

FILES = ("json", "json_1_0", "json_1_0-query-compatible", "rest-json", "rest-xml", "query")

# What a vector asks of a client and no server can see. By case id, with the reason.
_CLIENT_PATH = "the path in front is part of the client's endpoint setting, which the server never sees"
_NO_BODY = "asserts headers of the client alone: the request in the vector has no target, action or body"
_TOKEN = "the client fills the token in by itself: it is on the wire, but not in the vector's params"
_BOTOCORE = "botocore itself does not read this back (it is on botocore's own list of known differences)"
_WHOLE_QUERY = "a server's map holds every parameter of the query string, a client's only what others do not hold"
INPUT_LEFT_OUT = {
    "AwsJson11HostWithPath": _CLIENT_PATH,
    "AwsJson10HostWithPath": _CLIENT_PATH,
    "RestJsonHostWithPath": _CLIENT_PATH,
    "AwsJson10EndpointTrait": _NO_BODY,
    "AwsJson10EndpointTraitWithHostLabel": _NO_BODY,
    "SDKAppliedContentEncoding_awsJson1_1": _NO_BODY,
    "SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsJson1_1": _NO_BODY,
    "SDKAppliedContentEncoding_awsJson1_0": _NO_BODY,
    "SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsJson1_0": _NO_BODY,
    "SDKAppliedContentEncoding_restJson1": _NO_BODY,
    "SDKAppendedGzipAfterProvidedEncoding_restJson1": _NO_BODY,
    "SDKAppliedContentEncoding_restXml": _NO_BODY,
    "SDKAppendedGzipAfterProvidedEncoding_restXml": _NO_BODY,
    "SDKAppliedContentEncoding_awsQuery": _NO_BODY,
    "SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsQuery": _NO_BODY,
    "RestJsonQueryIdempotencyTokenAutoFill": _TOKEN,
    "QueryIdempotencyTokenAutoFill": _TOKEN,
    "QueryProtocolIdempotencyTokenAutoFill": _TOKEN,
    "RestJsonQueryPrecedence": "a value that the client drops before it sends",
    "RestXmlQueryPrecedence": "a value that the client drops before it sends",
    "RestJsonQueryParamsStringListMap": _WHOLE_QUERY,
    "RestXmlQueryParamsStringListMap": _WHOLE_QUERY,
}
OUTPUT_LEFT_OUT = {
    "RestJsonHttpPayloadTraitsWithNoBlobBody": _BOTOCORE,
    "HttpPayloadTraitsWithNoBlobBody": _BOTOCORE,
    "RestJsonHttpPayloadWithUnsetUnion": _BOTOCORE,
    "RestXmlHttpPayloadWithUnsetUnion": _BOTOCORE,
    "MediaTypeHeaderOutputBase64": _BOTOCORE,
    "XmlLists": _BOTOCORE,
    "QueryXmlLists": _BOTOCORE,
    "HttpPrefixHeadersResponse": "expects no header but its own, and every answer has a Content-Type",
}
# Read back by other SDKs than botocore: the headers are held against the vector's own.
HEADERS_HELD = {
    "RestJsonInputAndOutputWithQuotedStringHeaders",
    "RestJsonInputAndOutputWithTimestampHeaders",
    "InputAndOutputWithTimestampHeaders",
}


def vectors(direction: str) -> Iterator[Any]:
    folder = source_root() / "tests/unit/protocols" / direction
    for name in FILES:
        for number, suite in enumerate(json.loads((folder / f"{name}.json").read_text())):
            for case in suite["cases"]:
                if "error" in case:
                    continue
                identifier = case.get("id", f"{name}-{number}")
                yield pytest.param(suite, case, id=f"{name}:{identifier}")


def model_of(suite: dict[str, Any], case: dict[str, Any]) -> ServiceModel:
    description = copy.deepcopy({key: suite[key] for key in ("metadata", "shapes")})
    description["metadata"].setdefault("targetPrefix", "Service")
    given = copy.deepcopy(case["given"])
    given.setdefault("http", {"method": "POST", "requestUri": "/"})
    given["http"].setdefault("method", "POST")
    description["operations"] = {given["name"]: given}
    return ServiceModel(description, "vectors")


def request_of(case: dict[str, Any]) -> tuple[HttpRequest, bytes]:
    sent = case["serialized"]
    path, _, query = sent.get("uri", "/").partition("?")
    headers = tuple((name.lower(), value) for name, value in sent.get("headers", {}).items())
    request = HttpRequest(sent.get("method", "POST"), path, query, headers)
    return request, sent.get("body", "").encode()


def expected(shape: Any, value: Any) -> Any:
    """The vector's `params` as typed members: timestamps are given as epoch numbers, blobs as text."""
    if value is None or shape.metadata.get("document"):
        return value
    kind = shape.type_name
    if kind == "structure":
        return {key: expected(shape.members[key], item) for key, item in value.items() if item is not None}
    if kind == "list":
        return [expected(shape.member, item) for item in value]
    if kind == "map":
        return {key: expected(shape.value, item) for key, item in value.items()}
    if kind == "timestamp":
        return datetime.fromtimestamp(value, UTC)
    if kind == "blob":
        return value.encode()
    if shape.serialization.get("jsonvalue"):
        return json.loads(value)
    if kind in ("float", "double"):
        return float(value)
    return value


def sent(members: dict[str, Any], shape: Any, protocol: str) -> dict[str, Any]:
    """Without empty collections, which leave no trace on the wire, and maps that repeat the whole query string."""
    found = {}
    for key, value in members.items():
        serialization = shape.members[key].serialization
        traceless = serialization.get("location") or protocol == "query" or serialization.get("payload") is None
        if value in ({}, []) and traceless:
            continue
        if protocol == "rest-xml" and key.startswith("queryParamsMap"):
            continue
        found[key] = value
    return found


def plain(value: Any) -> Any:
    """NaN equals itself here."""
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(("suite", "case"), list(vectors("input")))
def test_a_serialized_request_routes_and_parses_to_its_members(suite: dict[str, Any], case: dict[str, Any]) -> None:
    reason = INPUT_LEFT_OUT.get(case.get("id", ""))
    if reason:
        pytest.skip(reason)
    model = model_of(suite, case)
    request, body = request_of(case)
    operation = route(model, request, body)
    assert operation.name == case["given"]["name"]
    found = parse(operation, request, body)
    shape = operation.input_shape
    if shape is None:
        assert found == {}
        return
    protocol = model.metadata["protocol"]
    wanted = expected(shape, case["params"])
    assert plain(sent(found, shape, protocol)) == plain(sent(wanted, shape, protocol))


def result_of(shape: Any, value: Any) -> Any:
    """The vector's `result` as a handler would return it."""
    if value is None or shape.metadata.get("document"):
        return value
    kind = shape.type_name
    if kind == "structure":
        return {key: result_of(shape.members[key], item) for key, item in value.items()}
    if kind == "list":
        return [result_of(shape.member, item) for item in value]
    if kind == "map":
        return {key: result_of(shape.value, item) for key, item in value.items()}
    if kind == "timestamp":
        return parse_timestamp(value).astimezone(UTC)
    if kind == "blob":
        return value.encode()
    if shape.serialization.get("jsonvalue"):
        return json.loads(value) if isinstance(value, str) else value
    return float(value) if kind in ("float", "double") else value


def parsed_back(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, dict):
        return {key: parsed_back(item) for key, item in value.items()}
    if isinstance(value, list):
        return [parsed_back(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


@pytest.mark.parametrize(("suite", "case"), list(vectors("output")))
def test_botocore_reads_our_response_as_the_result(suite: dict[str, Any], case: dict[str, Any]) -> None:
    reason = OUTPUT_LEFT_OUT.get(case.get("id", ""))
    if reason:
        pytest.skip(reason)
    model = model_of(suite, case)
    operation = model.operation_model(case["given"]["name"])
    shape = operation.output_shape
    if shape is not None and model.metadata["protocol"] == "query" and shape.members:
        shape.serialization["resultWrapper"] = f"{operation.name}Result"
    response = serialise(operation, result_of(shape, case["result"]) if shape else {}, "request-1")
    if case["id"] in HEADERS_HELD:
        wanted = {name.lower(): value for name, value in case["response"]["headers"].items()}
        assert {name: value for name, value in response.headers.items() if name != "content-type"} == wanted
        return
    wire = {
        "status_code": response.status,
        "headers": HeadersDict(response.headers),
        "body": response.body,
        "context": {"operation_name": operation.name},
    }
    parser = create_parser(model.metadata["protocol"])
    parser._timestamp_parser = lambda value: parse_timestamp(value).timestamp()
    parsed = parser.parse(wire, shape)
    parsed.pop("ResponseMetadata", None)
    assert parsed_back(parsed) == case["result"]


def test_no_more_is_left_out_than_said() -> None:
    ran = {case.values[1].get("id") for direction in ("input", "output") for case in vectors(direction)}
    assert {*INPUT_LEFT_OUT, *OUTPUT_LEFT_OUT, *HEADERS_HELD} <= ran
    assert len(INPUT_LEFT_OUT) <= 22
    assert len(OUTPUT_LEFT_OUT) <= 8
    assert sum(1 for _ in vectors("input")) >= 320
    assert sum(1 for _ in vectors("output")) >= 230
