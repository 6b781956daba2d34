"""Whatever arrives, signed or not, the answer is not a server error."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import quote

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from gateway_parts import KEY_ID, SECRET, LookingThings, gateway_of
from hypothesis import given, settings
from hypothesis import strategies as st
from test_gateway_s3 import Objects

from relook.aws.models import botocore_model
from relook.aws.operation import Service

GATEWAY = gateway_of(
    LookingThings(), services=[Service(botocore_model("s3"), [Objects()])], virtual_host="s3.localhost"
)
METHODS = st.sampled_from(["GET", "PUT", "POST", "HEAD", "DELETE", "PATCH", "OPTIONS", "get", "X" * 40])
TEXT = st.text(st.characters(codec="latin-1"), max_size=20)
PIECES = st.sampled_from(["v1", "things", "a", "look", "..", "%2e", "%zz", "%00", "", "bucket", "%ff", "absent", "*"])
KNOWN_PATHS = st.sampled_from(["/", "/v1/things/a", "/v1/things/a/look", "/bucket", "/bucket/a", "/bucket/a%20b"])
PATHS = KNOWN_PATHS | st.lists(PIECES | TEXT.map(lambda text: quote(text, safe="%/?")), max_size=5).map(
    lambda p: "/" + "/".join(p)
)
QUERIES = st.lists(
    st.sampled_from(["delete", "uploads", "uploadId=1", "list-type=2", "max-keys=x", "Action=GetCallerIdentity", "%zz"])
    | TEXT.map(lambda text: quote(text, safe="=&%+")),
    max_size=3,
).map("&".join)
HEADERS = st.dictionaries(
    st.sampled_from(
        ["content-type", "x-amz-target", "x-amz-copy-source", "range", "x-note", "x-amz-date", "authorization",
         "x-amz-content-sha256", "x-amz-meta-a", "x-amz-decoded-content-length", "content-md5", "x-amz-trailer"]
    ),
    st.sampled_from(["application/json", "application/x-www-form-urlencoded", "Things_2020.Put", "-1", "0"]) | TEXT,
    max_size=4,
)  # fmt: skip
JSON_VALUES = st.recursive(
    st.none() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["Name", "Count", "x"]), inner),
    max_leaves=5,
)
BODIES = (
    st.sampled_from([b"", b"{}", b'{"Count": 1e999}', b'{"Name": "a", "Count": 3}', b"<Delete/>", b"[[[[", b"Action=%"])
    | st.binary(max_size=64)
    | JSON_VALUES.map(lambda value: json.dumps(value).encode())
)


async def answer_of(method: str, path: str, query: str, headers: list[tuple[str, str]], body: bytes) -> int:
    """The status that the ASGI application answers."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": method, "path": "/", "raw_path": path.encode("latin-1"), "scheme": "http",
        "query_string": query.encode("latin-1"), "server": ("127.0.0.1", 1),
        "headers": [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers],
    }  # fmt: skip
    await GATEWAY(scope, receive, send)
    assert [message["type"] for message in sent[:1]] == ["http.response.start"]
    return int(sent[0]["status"])


@given(
    method=METHODS,
    path=PATHS,
    query=QUERIES,
    headers=HEADERS,
    body=BODIES,
    service=st.sampled_from(["things", "jsonthings", "sts", "s3", "nobody", None]),
    host=st.sampled_from(["127.0.0.1:1", "bucket.s3.localhost:1", "s3.localhost", ":", "[::1]:1"]),
)
@settings(max_examples=400, deadline=None)
def test_no_request_makes_the_server_fail(
    method: str, path: str, query: str, headers: dict[str, str], body: bytes, service: str | None, host: str
) -> None:
    signed = dict(headers)
    if service is not None:
        signed.pop("authorization", None)
        signed.pop("x-amz-date", None)
        request = AWSRequest(method, "http://h" + path + ("?" + query if query else ""), data=body, headers=signed)
        request.headers["Host"] = host
        signer = S3SigV4Auth if service == "s3" else SigV4Auth
        signer(Credentials(KEY_ID, SECRET), service, "eu-west-1").add_auth(request)
        signed = {name.lower(): str(value) for name, value in request.headers.items()}
    signed |= {"host": host, "content-length": str(len(body))}
    status = asyncio.run(answer_of(method, path, query, list(signed.items()), body))
    # S3 says 501 for what exists there and not here; everything else of 500 and up is our own fault.
    assert status < 500 or status == 501
