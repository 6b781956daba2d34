"""Presigned URLs as boto3 makes them, in the form of Signature Version 4 and in the one before."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any

import botocore.auth
import pytest
from botocore.config import Config
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from signature_checks import ANY_REFUSAL, altered, check, meaning, refusal, with_header
from signed_requests import client, http_request

from relook.aws.http import HttpRequest
from relook.aws.sigv4 import Reason, Scheme, SignatureProblem, identify

MINUTE = 60_000
KEY = "parts/a b+c//../ü!()~"
PRESIGNED = {
    "v4": Config(signature_version="s3v4"),
    "v2": Config(signature_version="s3"),
    "v4-virtual": Config(signature_version="s3v4", s3={"addressing_style": "virtual"}),
    "v2-virtual": Config(signature_version="s3", s3={"addressing_style": "virtual"}),
}


def presigned(
    kind: str, operation: str = "get_object", method: str = "GET", expires: int = 60, **more: Any
) -> HttpRequest:
    members = {"Bucket": "bkt", "Key": KEY, **more}
    url = client("s3", PRESIGNED[kind]).generate_presigned_url(operation, members, ExpiresIn=expires)
    return http_request(method, url, [])


def bucket_of(kind: str) -> str | None:
    return "bkt" if "virtual" in kind else None


@pytest.mark.parametrize("kind", PRESIGNED)
@pytest.mark.parametrize(
    ("operation", "method", "more"),
    [
        ("get_object", "GET", {"ResponseContentType": "image/png; x=ü", "VersionId": "v+/="}),
        ("put_object", "PUT", {}),
        ("upload_part", "PUT", {"UploadId": "a+/b", "PartNumber": 3}),
        ("delete_object", "DELETE", {}),
    ],
)
def test_presigned_urls_are_let_in(kind: str, operation: str, method: str, more: dict[str, Any]) -> None:
    found = check(presigned(kind, operation, method, **more), virtual_bucket=bucket_of(kind))
    assert found.presigned
    assert found.service == "s3"
    assert found.scheme is (Scheme.V2_QUERY if kind.startswith("v2") else Scheme.V4_QUERY)


@pytest.mark.parametrize("kind", PRESIGNED)
def test_presigned_urls_carry_signed_headers(kind: str) -> None:
    request = presigned(kind, "put_object", "PUT", ContentType="image/png", Metadata={"part": "1"})
    sent_along = dataclasses.replace(
        request, headers=(*request.headers, ("content-type", "image/png"), ("x-amz-meta-part", "1"))
    )
    check(sent_along, virtual_bucket=bucket_of(kind))
    for name, value in (("content-type", "text/html"), ("x-amz-meta-part", "2")):
        assert refusal(with_header(sent_along, name, value), virtual_bucket=bucket_of(kind)).reason is Reason.MISMATCH
    extra = refusal(with_header(sent_along, "x-amz-acl", "public-read"), virtual_bucket=bucket_of(kind))
    assert extra.reason in {Reason.MISMATCH, Reason.UNSIGNED_HEADERS}


@pytest.mark.parametrize("kind", PRESIGNED)
@given(draw=st.data())
@settings(max_examples=60, deadline=None)
def test_presigned_urls_with_any_byte_altered_are_refused(kind: str, draw: st.DataObject) -> None:
    request = url_of(kind)
    place = draw.draw(st.sampled_from(["path", "query", "method"]))
    changed = dataclasses.replace(request, **{place: altered(getattr(request, place), draw)})
    if "AWSAccessKeyId" in changed.query:  # the old form leaves parameters that it does not know unsigned
        keep = {"AWSAccessKeyId", "Expires", "Signature", "versionId"}
        kept = [pair for pair in changed.query.split("&") if pair.partition("=")[0] in keep]
        changed = dataclasses.replace(changed, query="&".join(kept))
    assume(meaning(changed, s3=True) != meaning(request, s3=True))
    assume(identify_or_problem(changed) is not None)
    assert refusal(changed, virtual_bucket=bucket_of(kind)).reason in ANY_REFUSAL | {Reason.EXPIRED}


@cache
def url_of(kind: str) -> HttpRequest:
    return presigned(kind, VersionId="abc", expires=3000)


def identify_or_problem(request: HttpRequest) -> object:
    try:
        return identify(request)
    except SignatureProblem as problem:
        return problem


@pytest.mark.parametrize("kind", PRESIGNED)
def test_presigned_urls_end(kind: str) -> None:
    request = presigned(kind, expires=60)
    signature = identify(request)
    assert signature is not None
    assert signature.expires is not None
    check(request, now=signature.expires, virtual_bucket=bucket_of(kind))
    found = refusal(request, now=signature.expires + 1, virtual_bucket=bucket_of(kind))
    assert found.reason is Reason.EXPIRED


def test_presigned_urls_of_the_future_are_refused() -> None:
    request = presigned("v4")
    signature = identify(request)
    assert signature is not None
    check(request, now=signature.timestamp - 14 * MINUTE)
    assert refusal(request, now=signature.timestamp - 16 * MINUTE).reason is Reason.SKEWED_FUTURE


@pytest.mark.parametrize("seconds", ["0", "604801", "-1", "1.5", "", "9" * 30, "\u0663"])
def test_lifetimes_of_presigned_urls(seconds: str) -> None:
    request = presigned("v4")
    query = request.query.replace("X-Amz-Expires=60", f"X-Amz-Expires={botocore.auth.quote(seconds)}")
    assert refusal(dataclasses.replace(request, query=query)).reason is Reason.BAD_EXPIRES


def test_the_old_form_belongs_to_the_bucket_that_the_host_names() -> None:
    """A URL for bucket `bkt` must not open the same key of a bucket that another Host header names."""
    assert refusal(presigned("v2-virtual"), virtual_bucket="bkt.other").reason is Reason.MISMATCH
    assert refusal(presigned("v2-virtual")).reason is Reason.MISMATCH


@pytest.mark.parametrize(
    ("drop", "reason"),
    [
        ("X-Amz-Algorithm", Reason.INCOMPLETE),
        ("X-Amz-Credential", Reason.INCOMPLETE),
        ("X-Amz-Date", Reason.INCOMPLETE),
        ("X-Amz-SignedHeaders", Reason.INCOMPLETE),
        ("X-Amz-Signature", Reason.INCOMPLETE),
        ("X-Amz-Expires", Reason.BAD_EXPIRES),
    ],
)
def test_parts_of_a_presigned_url_are_all_needed(drop: str, reason: Reason) -> None:
    request = presigned("v4")
    pairs = [pair for pair in request.query.split("&") if not pair.startswith(drop + "=")]
    assert refusal(dataclasses.replace(request, query="&".join(pairs))).reason is reason
    repeated = dataclasses.replace(request, query="&".join([*pairs, f"{drop}=1", f"{drop}=1"]))
    assert refusal(repeated).reason is Reason.INCOMPLETE


@pytest.mark.parametrize("prefix", ["0", "-", "%20", "x", "%C2%B2", "9" * 20])
def test_the_end_of_an_old_presigned_url_is_a_plain_number(prefix: str) -> None:
    request = presigned("v2")
    query = request.query.replace("Expires=", f"Expires={prefix}")
    assert refusal(dataclasses.replace(request, query=query)).reason is Reason.BAD_EXPIRES


@pytest.mark.parametrize("drop", ["Expires", "Signature"])
def test_parts_of_an_old_presigned_url_are_all_needed(drop: str) -> None:
    request = presigned("v2")
    pairs = [pair for pair in request.query.split("&") if not pair.startswith(drop + "=")]
    assert refusal(dataclasses.replace(request, query="&".join(pairs))).reason is Reason.INCOMPLETE


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ("&X-Amz-Security-Token=t", Reason.SESSION_TOKEN),
        ("&x-amz-security-token=t", Reason.SESSION_TOKEN),
        ("&SignatureVersion=2", Reason.UNSUPPORTED),
        ("&Expires=1", Reason.INCOMPLETE),
    ],
)
def test_what_else_an_old_presigned_url_may_not_have(extra: str, reason: Reason) -> None:
    request = presigned("v2")
    assert refusal(dataclasses.replace(request, query=request.query + extra)).reason is reason


def test_a_presigned_call_of_another_service_is_verified_with_its_body() -> None:
    """As EKS tokens are made: GetCallerIdentity in a URL."""
    url = client("sts").generate_presigned_url("get_caller_identity", {}, ExpiresIn=60, HttpMethod="GET")
    request = http_request("GET", url, [])
    assert check(request, b"").service == "sts"
    assert refusal(request, b"Action=Other").reason is Reason.MISMATCH
    late = identify(request)
    assert late is not None
    assert refusal(request, b"", late.timestamp + 61_000).reason is Reason.EXPIRED
