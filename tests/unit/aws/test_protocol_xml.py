from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.parsers import create_parser
from hypothesis import given
from hypothesis import strategies as st

from relook.aws.errors import ServiceError
from relook.aws.http import HttpRequest
from relook.aws.models import botocore_model
from relook.aws.protocol import parse, route, serialise, serialise_error
from relook.aws.protocol.xmltree import Node, document
from relook.aws.protocol.xmltree import parse as parse_xml

S3 = botocore_model("s3")
DELETE = HttpRequest("POST", "/b", "delete", ())
MOMENT = datetime(2024, 1, 2, 3, 4, 5, 678000, UTC)
BOMB = b'<!DOCTYPE d [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><Delete><Object><Key>&b;</Key></Object></Delete>'


def read_back(operation: str, members: dict[str, Any]) -> Any:
    model = S3.operation_model(operation)
    response = serialise(model, members)
    wire = {"status_code": response.status, "headers": response.headers, "body": response.body}
    parsed = create_parser("rest-xml").parse(wire, model.output_shape)
    parsed.pop("ResponseMetadata")
    return parsed


def test_a_body_with_or_without_a_namespace_is_read() -> None:
    operation = route(S3, DELETE)
    for start in ("<Delete>", '<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">', '<x:Delete xmlns:x="u">'):
        end = "</x:Delete>" if start.startswith("<x:") else "</Delete>"
        body = f"{start}<Object><Key>a &amp; b</Key></Object><Object><Key>c</Key></Object><Quiet>true</Quiet>{end}"
        found = parse(operation, DELETE, body.encode())
        assert found == {"Bucket": "b", "Delete": {"Objects": [{"Key": "a & b"}, {"Key": "c"}], "Quiet": True}}


@pytest.mark.parametrize(
    "body",
    [
        b"<Delete>",
        b"plain",
        b"<Delete><Quiet>maybe</Quiet></Delete>",
        b"<Delete><Object><Key><a/></Key></Object></Delete>",
        b"<Delete>\xff</Delete>",
        b"<Delete>" + b"<Object>" * 100 + b"</Object>" * 100 + b"</Delete>",
        b'<?xml version="1.0" encoding="EBCDIC-CP-BE"?><Delete/>',
        b"<Delete><Quiet>true</Quiet><Quiet>true</Quiet></Delete>",
        b"<Delete>&undefined;</Delete>",
        BOMB,
    ],
)
def test_a_bad_body_is_malformed_xml(body: bytes) -> None:
    with pytest.raises(ServiceError) as refused:
        parse(route(S3, DELETE), DELETE, body)
    assert (refused.value.code, refused.value.status) == ("MalformedXML", 400)


def test_botocore_reads_a_listing() -> None:
    members = {
        "IsTruncated": False,
        "Name": "b",
        "Contents": [
            {
                "Key": "a <&> \r\n b",
                "Size": 3,
                "LastModified": MOMENT,
                "ETag": '"x"',
            },
            {"Key": "ü", "Size": 0, "StorageClass": None},
        ],
        "CommonPrefixes": [{"Prefix": "p/"}],
        "KeyCount": 2,
    }
    found = read_back("ListObjectsV2", members)
    del members["Contents"][1]["StorageClass"]  # type: ignore[index]
    assert found == members
    response = serialise(S3.operation_model("ListObjectsV2"), {"Name": "b"})
    assert isinstance(response.body, bytes)
    assert b'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name>' in response.body


def test_a_bucket_location_has_no_element_around_it() -> None:
    response = serialise(S3.operation_model("GetBucketLocation"), {"LocationConstraint": "eu-west-1"})
    assert isinstance(response.body, bytes)
    root = parse_xml(response.body)
    assert (root.tag, root.text, root.children) == ("LocationConstraint", "eu-west-1", [])


def test_headers_of_an_object() -> None:
    response = serialise(
        S3.operation_model("HeadObject"),
        {
            "ContentLength": 5,
            "LastModified": datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC),
            "Metadata": {"Colour": "red", "name": "ü"},
            "DeleteMarker": None,
        },
    )
    assert response.body == b""
    assert response.headers == {
        "content-length": "5",
        "last-modified": "Tue, 02 Jan 2024 03:04:05 GMT",
        "x-amz-meta-colour": "red",
        "x-amz-meta-name": "=?UTF-8?B?w7w=?=",
    }


def test_a_header_cannot_be_split() -> None:
    with pytest.raises(ServiceError, match="InvalidArgument"):
        serialise(S3.operation_model("HeadObject"), {"ContentDisposition": "a\r\nSet-Cookie: b"})


def test_an_unknown_member_is_a_mistake_of_the_handler() -> None:
    with pytest.raises(KeyError, match="Lenght"):
        serialise(S3.operation_model("HeadObject"), {"Lenght": 5})


def test_s3_errors_have_their_members_and_the_status_of_the_model() -> None:
    error = ServiceError("NoSuchKey", "no <such> key", 400, members={"Key": "a&b"})
    response = serialise_error(S3, S3.operation_model("GetObject"), error, "id-1", resource="/b/k", host_id="host")
    assert isinstance(response.body, bytes)
    root = parse_xml(response.body)
    assert response.status == 404
    assert {node.tag: node.text for node in root.children} == {
        "Code": "NoSuchKey",
        "Message": "no <such> key",
        "Key": "a&b",
        "Resource": "/b/k",
        "RequestId": "id-1",
        "HostId": "host",
    }
    assert serialise_error(S3, S3.operation_model("HeadObject"), error, "id-1").body == b""


@given(st.text())
def test_any_text_survives_or_is_replaced(text: str) -> None:
    """What XML can hold comes back as it was; the rest becomes U+FFFD, and the document stays well-formed."""
    found = parse_xml(document(Node("a", {"b": text}, text=text)))
    allowed = "".join(
        c if c in "\t\n\r" or (c >= " " and not "\ud800" <= c <= "\udfff" and c not in "\ufffe\uffff") else "\ufffd"
        for c in text
    )
    assert found.text == allowed


@given(st.text(max_size=30), st.booleans(), st.text(min_size=1, max_size=5))
def test_whatever_comes_as_xml_is_read_or_refused(text: str, wrap: bool, tag: str) -> None:
    body = f"<Delete><{tag}>{text}</{tag}></Delete>" if wrap else text
    try:
        code = parse(route(S3, DELETE), DELETE, body.encode("utf-8", "surrogatepass"))["Bucket"]
    except ServiceError as refused:
        code = refused.code
    assert code in ("b", "MalformedXML")
