"""Whatever botocore sends, we read; whatever we send, botocore reads."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from botocore.awsrequest import HeadersDict
from botocore.model import ServiceModel
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from hypothesis import given, settings
from hypothesis import strategies as st

from relook.aws.http import HttpRequest
from relook.aws.models import botocore_model
from relook.aws.protocol import parse, route, serialise

_KINDS: dict[str, Any] = {
    "Text": {"type": "string"},
    "Count": {"type": "integer"},
    "Size": {"type": "long"},
    "Share": {"type": "double"},
    "Flag": {"type": "boolean"},
    "Moment": {"type": "timestamp"},
    "Data": {"type": "blob"},
    "Texts": {"type": "list", "member": {"shape": "Text"}},
    "Inners": {"type": "list", "member": {"shape": "Inner"}},
    "Shares": {"type": "map", "key": {"shape": "Text"}, "value": {"shape": "Share"}},
    "Inner": {
        "type": "structure",
        "members": {name: {"shape": name} for name in ("Text", "Count", "Flag", "Moment", "Data", "Texts", "Inner")},
    },
}
_BODY = ("Text", "Count", "Size", "Share", "Flag", "Moment", "Data", "Texts", "Inners", "Shares", "Inner")


def model_of(protocol: str) -> ServiceModel:
    rest = protocol.startswith("rest")
    members: dict[str, Any] = {name: {"shape": name} for name in _BODY}
    if rest:
        members["Label"] = {"shape": "Text", "location": "uri", "locationName": "label"}
        members["Query"] = {"shape": "Text", "location": "querystring", "locationName": "q"}
        members["Queries"] = {"shape": "Texts", "location": "querystring", "locationName": "qs"}
    shapes = _KINDS | {
        "Input": {"type": "structure", "members": members, "locationName": "Input"},
        "Output": {"type": "structure", "members": {name: {"shape": name} for name in _BODY}},
    }
    output = {"shape": "Output", "resultWrapper": "GoResult"} if protocol == "query" else {"shape": "Output"}
    uri = "/v1/{label}" if rest else "/"
    operation = {"name": "Go", "http": {"method": "POST", "requestUri": uri}}
    operation |= {"input": {"shape": "Input"}, "output": output}
    metadata = {"protocol": protocol, "apiVersion": "2020", "targetPrefix": "T", "jsonVersion": "1.1"}
    return ServiceModel({"metadata": metadata, "operations": {"Go": operation}, "shapes": shapes}, "trip")


# XML holds no control characters, and turns a lone carriage return into a line feed when it is not escaped.
PRINTABLE = st.text(st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff"), max_size=8)
MOMENTS = st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
SECONDS = MOMENTS.map(lambda moment: moment.replace(microsecond=0))
MILLISECONDS = MOMENTS.map(lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000))


def members(moments: st.SearchStrategy[datetime], **more: Any) -> st.SearchStrategy[dict[str, Any]]:
    plain = {
        "Text": PRINTABLE,
        "Count": st.integers(-(2**31), 2**31 - 1),
        "Flag": st.booleans(),
        "Moment": moments,
        "Data": st.binary(max_size=8),
        "Texts": st.lists(PRINTABLE, min_size=1, max_size=3),
    }
    # One member is always there: an empty structure leaves no trace in a form.
    named = {"Text": plain["Text"]}
    unnamed = {name: strategy for name, strategy in plain.items() if name != "Text"}
    inner = st.fixed_dictionaries(named, optional=unnamed)
    nested = st.fixed_dictionaries(named, optional=unnamed | {"Inner": inner})
    wide = {
        "Size": st.integers(-(2**63), 2**63 - 1),
        "Share": st.floats(allow_nan=False, allow_infinity=False),
        "Inner": nested,
        "Inners": st.lists(nested, min_size=1, max_size=2),
        "Shares": st.dictionaries(PRINTABLE, st.floats(-1e9, 1e9), min_size=1, max_size=3),
    }
    return st.fixed_dictionaries(more, optional=plain | wide)


MODELS = {protocol: model_of(protocol) for protocol in ("json", "rest-json", "rest-xml", "query")}


@pytest.mark.parametrize("protocol", MODELS)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_what_botocore_sends_is_read(protocol: str, data: st.DataObject) -> None:
    labels = {"Label": PRINTABLE.filter(bool), "Query": PRINTABLE, "Queries": st.lists(PRINTABLE, min_size=1)}
    sent = data.draw(members(SECONDS, **(labels if protocol.startswith("rest") else {})))
    operation = MODELS[protocol].operation_model("Go")
    made = create_serializer(protocol).serialize_to_request(sent, operation)
    headers = tuple((name.lower(), str(value)) for name, value in made["headers"].items())
    body = made["body"]
    body = urlencode(body).encode() if isinstance(body, dict) else body
    query = urlencode(made["query_string"], doseq=True, quote_via=quote) if made["query_string"] else ""
    request = HttpRequest(made["method"], made["url_path"], query, headers)
    found = route(MODELS[protocol], request, body)
    assert found.name == "Go"
    assert parse(found, request, body) == sent


@pytest.mark.parametrize("protocol", MODELS)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_what_we_send_is_read_by_botocore(protocol: str, data: st.DataObject) -> None:
    sent = data.draw(members(MILLISECONDS))
    operation = MODELS[protocol].operation_model("Go")
    response = serialise(operation, sent, "id-1")
    wire = {"status_code": response.status, "headers": HeadersDict(response.headers), "body": response.body}
    parsed = create_parser(protocol).parse(wire, operation.output_shape)
    metadata = parsed.pop("ResponseMetadata")
    assert parsed == sent
    if protocol == "query":
        assert metadata["RequestId"] == "id-1"


@given(
    keys=st.lists(PRINTABLE.filter(bool), min_size=1, max_size=4),
    bucket=st.from_regex(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", fullmatch=True),
    quiet=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_s3_requests_of_botocore_are_read(keys: list[str], bucket: str, quiet: bool) -> None:
    model = botocore_model("s3")
    sent = {"Bucket": bucket, "Delete": {"Objects": [{"Key": key} for key in keys], "Quiet": quiet}}
    made = create_serializer("rest-xml").serialize_to_request(sent, model.operation_model("DeleteObjects"))
    path, _, query = made["url_path"].partition("?")
    request = HttpRequest(made["method"], path, query, ())
    assert parse(route(model, request), request, made["body"]) == sent
    for key in keys:
        got = {"Bucket": bucket, "Key": key, "PartNumber": 3}
        made = create_serializer("rest-xml").serialize_to_request(got, model.operation_model("GetObject"))
        query = urlencode(made["query_string"])
        request = HttpRequest(made["method"], made["url_path"], query, ())
        found = route(model, request)
        assert (found.name, parse(found, request, b"")) == ("GetObject", got)
