"""Requests as boto3 signs them are let in; the same requests with anything changed are not."""

from __future__ import annotations

import dataclasses
import hashlib
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import cache
from pathlib import Path
from typing import Any

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from signature_checks import ANY_REFUSAL, altered, check, meaning, refusal, with_header
from signed_requests import ACCESS_KEY, SECRET, Sent, caught, client, http_request

from relook.aws.http import HttpRequest
from relook.aws.sdk_files import write_models
from relook.aws.sigv4 import Reason, Scheme, SignatureProblem, identify, verify

MINUTE = 60_000
KEY = "parts/a b+c//../ü!()~"
VIRTUAL = Config(s3={"addressing_style": "virtual"})


# ------------------------------------------------------------------------------------------------- what boto3 sends


def lookoutvision() -> Any:
    """A client of the restored description, which botocore reads while the client is made."""
    with tempfile.TemporaryDirectory() as root:
        write_models(Path(root))
        return client("lookoutvision", data_path=root)


CALLS: dict[str, Callable[[], Sent]] = {
    "lookoutvision": lambda: caught(
        lookoutvision(), "detect_anomalies", ProjectName="p", ModelVersion="1", ContentType="image/png", Body=b"pixels"
    ),
    "lookoutvision-tags": lambda: caught(
        lookoutvision(), "untag_resource", ResourceArn="arn:aws:lookoutvision:r:1:model/p/1", TagKeys=["b c", "a"]
    ),
    "rekognition": lambda: caught(client("rekognition"), "detect_custom_labels", ProjectVersionArn="a" * 20, Image={}),
    "sagemaker": lambda: caught(client("sagemaker"), "list_endpoints", NameContains="ü b"),
    "sts": lambda: caught(client("sts"), "get_caller_identity"),
    "tags": lambda: caught(
        client("lambda"), "list_tags", Resource="arn:aws:lambda:eu-west-1:123456789012:function:a/b"
    ),
    "s3-list": lambda: caught(client("s3"), "list_objects_v2", Bucket="bkt", Prefix=KEY, Delimiter="/"),
    "s3-put": lambda: caught(client("s3"), "put_object", Bucket="bkt", Key=KEY, Body=b"12", Metadata={"a": "1  2"}),
    "s3-virtual": lambda: caught(client("s3", VIRTUAL), "get_object", Bucket="bkt", Key=KEY),
    "s3-uploads": lambda: caught(client("s3"), "create_multipart_upload", Bucket="bkt", Key=KEY),
}


@cache
def sent(name: str) -> Sent:
    return CALLS[name]()


@pytest.mark.parametrize("name", CALLS)
def test_boto3_is_let_in(name: str) -> None:
    found = check(sent(name).request, sent(name).body)
    assert (found.scheme, found.region, found.access_key_id) == (Scheme.V4_HEADER, "eu-west-1", ACCESS_KEY)
    assert found.service == ("lambda" if name == "tags" else name.partition("-")[0])


@pytest.mark.parametrize("name", CALLS)
@given(draw=st.data())
@settings(max_examples=60, deadline=None)
def test_any_altered_byte_is_refused(name: str, draw: st.DataObject) -> None:
    request, body = sent(name).request, sent(name).body
    names = [header for header, _ in request.headers]
    signature = identify(request)
    assert signature is not None
    signed = [index for index, header in enumerate(names) if header in signature.signed_headers]
    s3 = name.startswith("s3")
    places = ["method", "path", "authorization", "header"] + ["query"] * bool(request.query) + ["body"] * bool(body)
    place = draw.draw(st.sampled_from(places))
    if place == "body":
        body = altered(body.decode("latin-1"), draw).encode("latin-1")
    elif place in {"method", "path", "query"}:
        request = dataclasses.replace(request, **{place: altered(getattr(request, place), draw)})
    else:
        index = draw.draw(st.sampled_from(signed)) if place == "header" else names.index("authorization")
        headers = [*request.headers]
        headers[index] = (headers[index][0], altered(headers[index][1], draw))
        request = dataclasses.replace(request, headers=tuple(headers))
    if place != "body":
        assume(meaning(request, s3) != meaning(sent(name).request, s3))
    if place == "body" and s3:
        return  # the payload of S3 is checked while it is read: test_payload.py
    expected = {"body": {Reason.MISMATCH}, "method": {Reason.MISMATCH}, "path": {Reason.MISMATCH}}
    expected["query"] = {Reason.MISMATCH, Reason.INCOMPLETE}
    assert refusal(request, body).reason in expected.get(place, ANY_REFUSAL)


def test_another_secret_is_refused() -> None:
    request, body = sent("rekognition").request, sent("rekognition").body
    signature = identify(request)
    assert signature is not None
    with pytest.raises(SignatureProblem) as thrown:
        verify(signature, request, SECRET + "x", signature.timestamp, hashlib.sha256(body).hexdigest())
    assert thrown.value.reason is Reason.MISMATCH


@given(path=st.text(st.characters(codec="utf-8", exclude_characters="#?\\"), max_size=30), key=st.text(max_size=8))
@settings(max_examples=80, deadline=None)
def test_any_url_that_botocore_signs_is_let_in(path: str, key: str) -> None:
    quoted = "/" + botocore.auth.quote(path, safe="/~")
    url = f"http://relook.example{quoted}?{botocore.auth.percent_encode_sequence({'prefix': path, 'x' + key: key})}"
    for auth, service in ((botocore.auth.SigV4Auth, "rekognition"), (botocore.auth.S3SigV4Auth, "s3")):
        request = AWSRequest("GET", url)
        auth(Credentials(ACCESS_KEY, SECRET), service, "us-east-1").add_auth(request)
        assert check(http_request("GET", url, [(k.lower(), v) for k, v in request.headers.items()])).service == service


def test_urls_that_a_person_typed_are_let_in_when_signed_in_the_uniform_encoding() -> None:
    """curl sends `?prefix=a/b(1)` and a raw key as typed, and signs them percent-encoded."""
    uniform = "http://h/bkt/a%281%29?prefix=a%2Fb%281%29&uploads="
    request = AWSRequest("GET", uniform)
    botocore.auth.S3SigV4Auth(Credentials(ACCESS_KEY, SECRET), "s3", "us-east-1").add_auth(request)
    headers = [(name.lower(), value) for name, value in request.headers.items()]
    check(http_request("GET", "http://h/bkt/a(1)?uploads&prefix=a/b(1)", headers))
    assert refusal(http_request("GET", "http://h/bkt/a(1)?uploads&prefix=a/b(2)", headers)).reason is Reason.MISMATCH


def test_a_plus_and_a_space_are_never_the_same() -> None:
    """A query parser may read + as a space or as itself; neither may be put in another's place."""
    for signed in ("a%20b", "a%2Bb", "a+b"):
        request = AWSRequest("GET", f"http://h/bkt?prefix={signed}")
        botocore.auth.S3SigV4Auth(Credentials(ACCESS_KEY, SECRET), "s3", "us-east-1").add_auth(request)
        headers = [(name.lower(), value) for name, value in request.headers.items()]
        for arrived in ("a%20b", "a%2Bb", "a+b"):
            got = http_request("GET", f"http://h/bkt?prefix={arrived}", headers)
            if arrived == signed:
                check(got)
            else:
                assert refusal(got).reason is Reason.MISMATCH


# ------------------------------------------------------------------------------------------------- rules of the form


def test_unsigned_requests_are_told_apart() -> None:
    assert identify(HttpRequest("GET", "/", "Action=GetCallerIdentity", (("host", "h"),))) is None


def test_order_and_white_space_of_the_authorization_header_are_free() -> None:
    request, body = sent("sts").request, sent("sts").body
    scheme, *parts = (request.header("authorization") or "").replace(",", "").split()
    for joint in (",", ", ", " ,  ", "  ", ",\t"):
        check(with_header(request, "authorization", f"{scheme}  {joint.join(reversed(parts))}"), body)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", Reason.UNSUPPORTED),
        ("AWS4-HMAC-SHA256", Reason.INCOMPLETE),
        ("AWS4-HMAC-SHA256 Credential=a/20260101/r/s/aws4_request, SignedHeaders=host", Reason.INCOMPLETE),
        ("AWS4-HMAC-SHA256 Credential=, SignedHeaders=host, Signature=0", Reason.INCOMPLETE),
        ("AWS4-HMAC-SHA256 nonsense", Reason.INCOMPLETE),
        ("AWS4-ECDSA-P256-SHA256 Credential=a, SignedHeaders=host, Signature=0", Reason.UNSUPPORTED),
        ("AWS AKIDEXAMPLE:c2lnbmF0dXJl", Reason.UNSUPPORTED),
        ("Bearer abc", Reason.UNSUPPORTED),
    ],
)
def test_authorization_headers_that_cannot_be_read(value: str, reason: Reason) -> None:
    assert refusal(with_header(sent("sts").request, "authorization", value)).reason is reason


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("/aws4_request", "/aws4", Reason.BAD_SCOPE),
        ("/sts/", "/", Reason.BAD_SCOPE),
        ("/sts/", "//", Reason.BAD_SCOPE),
        ("SignedHeaders=", "SignedHeaders=Accept;", Reason.INCOMPLETE),
        ("SignedHeaders=", "SignedHeaders=zz;", Reason.INCOMPLETE),
        ("SignedHeaders=", "SignedHeaders=absent;", Reason.MISMATCH),
        ("Signature=", "Signature=0", Reason.INCOMPLETE),
        ("Signature=", "Signature=0,Signature=", Reason.INCOMPLETE),
    ],
)
def test_malformed_parts_are_refused_by_rule(old: str, new: str, reason: Reason) -> None:
    request = sent("sts").request
    value = (request.header("authorization") or "").replace(old, new, 1)
    assert refusal(with_header(request, "authorization", value), sent("sts").body).reason is reason


def test_scope_of_another_day_is_refused() -> None:
    request = sent("sts").request
    moved = with_header(request, "x-amz-date", "20150830T123600Z")
    assert refusal(moved, sent("sts").body).reason is Reason.BAD_SCOPE


@pytest.mark.parametrize("value", [None, "yesterday", "20151330T123600Z", "2015-08-30T12:36:00Z"])
def test_a_readable_date_is_needed(value: str | None) -> None:
    assert refusal(with_header(sent("sts").request, "x-amz-date", value)).reason is Reason.INCOMPLETE


def test_the_date_header_serves_where_x_amz_date_is_absent() -> None:
    request = AWSRequest("GET", "http://h/", headers={"Date": "whenever"})
    botocore.auth.SigV4Auth(Credentials(ACCESS_KEY, SECRET), "sts", "us-east-1").add_auth(request)
    headers = [(name.lower(), value) for name, value in request.headers.items()]
    assert "x-amz-date" not in dict(headers)
    check(http_request("GET", "http://h/", headers))


def test_two_signatures_are_refused() -> None:
    request = sent("sts").request
    twice = dataclasses.replace(request, headers=(*request.headers, ("authorization", "AWS4-HMAC-SHA256 x")))
    assert refusal(twice).reason is Reason.INCOMPLETE
    both = dataclasses.replace(request, query="X-Amz-Signature=1")
    assert refusal(both).reason is Reason.INCOMPLETE


@pytest.mark.parametrize("name", ["x-amz-target", "x-amz-acl"])
def test_headers_added_after_signing_are_refused(name: str) -> None:
    found = refusal(with_header(sent("s3-put").request, name, "added"))
    assert found.reason is Reason.UNSIGNED_HEADERS
    assert name in found.detail


def test_headers_that_sdks_add_for_their_logs_are_free() -> None:
    check(with_header(sent("s3-put").request, "x-amz-user-agent", "aws-sdk-js/3"))


def test_host_must_be_signed() -> None:
    class Careless(botocore.auth.SigV4Auth):  # type: ignore[misc]
        def signed_headers(self, headers_to_sign: Any) -> str:
            return "x-amz-date"

        def canonical_headers(self, headers_to_sign: Any) -> str:
            return f"x-amz-date:{headers_to_sign['x-amz-date']}"

    request = AWSRequest("GET", "http://h/")
    Careless(Credentials(ACCESS_KEY, SECRET), "sts", "us-east-1").add_auth(request)
    headers = [(name.lower(), value) for name, value in request.headers.items()]
    assert refusal(http_request("GET", "http://h/", headers)).reason is Reason.UNSIGNED_HEADERS


@pytest.mark.parametrize(
    ("offset", "reason"),
    [
        (0, None),
        (15 * MINUTE, None),
        (-15 * MINUTE, None),
        (16 * MINUTE, Reason.SKEWED_PAST),
        (-16 * MINUTE, Reason.SKEWED_FUTURE),
    ],
)
def test_clocks_may_differ_by_fifteen_minutes(offset: int, reason: Reason | None) -> None:
    request, body = sent("sts").request, sent("sts").body
    signature = identify(request)
    assert signature is not None
    now = signature.timestamp + offset
    if reason is None:
        check(request, body, now)
    else:
        assert refusal(request, body, now).reason is reason
        # Only who holds a key is told about its clock.
        assert refusal(request, body + b"&altered", now).reason is Reason.MISMATCH


def test_session_tokens_are_refused_by_name() -> None:
    request = with_header(sent("sts").request, "x-amz-security-token", "token")
    assert refusal(request).reason is Reason.SESSION_TOKEN


# --------------------------------------------------------------------------------------------------------- payloads


def signed(service: str, declared: str | None, body: bytes = b"{}") -> HttpRequest:
    headers = {} if declared is None else {"X-Amz-Content-SHA256": declared}
    request = AWSRequest("POST", "http://h/", data=body, headers=headers)
    botocore.auth.SigV4Auth(Credentials(ACCESS_KEY, SECRET), service, "us-east-1").add_auth(request)
    return http_request("POST", "http://h/", [(name.lower(), value) for name, value in request.headers.items()])


def test_a_declared_hash_is_never_trusted() -> None:
    other = hashlib.sha256(b"other").hexdigest()
    assert refusal(signed("rekognition", other), b"{}").reason is Reason.PAYLOAD_MISMATCH
    assert refusal(signed("rekognition", "UNSIGNED-PAYLOAD"), b"{}").reason is Reason.PAYLOAD_UNSIGNED
    check(signed("rekognition", hashlib.sha256(b"{}").hexdigest()), b"{}")


@pytest.mark.parametrize("declared", [None, "", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "0" * 63])
def test_s3_needs_a_payload_hash_it_knows(declared: str | None) -> None:
    assert refusal(signed("s3", declared)).reason is Reason.PAYLOAD_UNDECLARED


@pytest.mark.parametrize("declared", ["UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "0" * 64])
def test_s3_takes_the_declared_value_into_the_signature(declared: str) -> None:
    assert check(signed("s3", declared)).payload_hash == declared
    assert refusal(with_header(signed("s3", declared), "x-amz-content-sha256", "1" * 64)).reason is Reason.MISMATCH


def test_verifying_without_the_hash_of_the_body_is_a_mistake_of_the_caller() -> None:
    signature = identify(sent("sts").request)
    assert signature is not None
    with pytest.raises(ValueError, match="hash of the body"):
        verify(signature, sent("sts").request, SECRET, signature.timestamp, None)


def test_http_dates_are_read_exactly() -> None:
    moment = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
    value = "AWS4-HMAC-SHA256 Credential=A/20150830/r/s/aws4_request, SignedHeaders=host, Signature=" + "0" * 64
    request = HttpRequest("GET", "/", "", (("date", format_datetime(moment, usegmt=True)), ("authorization", value)))
    found = identify(request)
    assert found is not None
    assert (found.amz_date, found.timestamp) == ("20150830T123600Z", 1440938160000)


HOSTILE = st.text(st.characters(max_codepoint=255), max_size=40)


@given(draw=st.data())
@settings(max_examples=150, deadline=None)
def test_nothing_that_arrives_makes_it_stumble(draw: st.DataObject) -> None:
    """Whatever stands in the places of a signature, the answer is a refusal, never another exception."""
    scope = draw.draw(st.sampled_from([HOSTILE, st.just("AK/20150830/us-east-1/s3/aws4_request")]))
    dates = st.sampled_from(
        ["20150830T123600Z", "00010101T000000Z", "99991231T235959Z", "Mon, 01 Jan 0001 00:00:00 +2359"]
    )
    hashes = st.sampled_from(["0" * 64, "\u00df" * 64])
    signed_names, signature_text = draw.draw(HOSTILE | st.just("host")), draw.draw(HOSTILE | hashes)
    value = f"AWS4-HMAC-SHA256 Credential={draw.draw(scope)}, SignedHeaders={signed_names}, Signature={signature_text}"
    names = [
        "X-Amz-Algorithm",
        "X-Amz-Credential",
        "X-Amz-Date",
        "X-Amz-Expires",
        "X-Amz-SignedHeaders",
        "X-Amz-Signature",
    ]
    names += ["AWSAccessKeyId", "Expires", "Signature"]
    chosen = draw.draw(st.lists(st.sampled_from(names), max_size=9))
    query = "&".join(f"{name}={draw.draw(HOSTILE | dates | hashes | st.just('%ff%C3'))}" for name in chosen)
    headers = [
        ("host", draw.draw(HOSTILE)),
        (draw.draw(st.sampled_from(["x-amz-date", "date"])), draw.draw(dates | HOSTILE)),
    ]
    if draw.draw(st.booleans()):
        headers.append(("authorization", draw.draw(st.sampled_from([value, draw.draw(HOSTILE)]))))
    request = HttpRequest("GET", "/" + draw.draw(HOSTILE), query, tuple(headers))
    try:
        signature = identify(request)
    except SignatureProblem:
        return
    if signature is not None:
        with pytest.raises(SignatureProblem):
            verify(signature, request, SECRET, 1440938160000, "0" * 64)
