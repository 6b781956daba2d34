"""S3's query form of before SigV4: `?AWSAccessKeyId=...&Expires=...&Signature=...`, HMAC-SHA1 over a short string.

boto3 still makes it by default for presigned URLs in us-east-1. The string to sign is botocore's own.
"""

from __future__ import annotations

import base64
import hmac
import re
from typing import Any
from urllib.parse import SplitResult

from botocore.auth import HmacV1QueryAuth
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

from relook.aws.canonical import decoded_query, octets
from relook.aws.http import HttpRequest
from relook.aws.signature import Reason, Scheme, Signature, SignatureProblem, session_token_refused
from relook.core.clock import as_datetime

REGION = "us-east-1"
"""The old form names no region; S3 took it for its first one."""
LIKE_HEADERS = ("content-type", "content-md5")
EXPIRES = re.compile(r"[1-9][0-9]{0,10}")


class _Canonical(HmacV1QueryAuth):  # type: ignore[misc]
    """botocore's string to sign, for the expiry that the request states instead of one computed from now."""

    def __init__(self, access_key_id: str, secret: str, expires: str) -> None:
        super().__init__(Credentials(access_key_id, secret))
        self._stated = expires

    def _get_date(self) -> str:
        return self._stated


def identify(request: HttpRequest) -> Signature:
    """The signature of a request whose query has AWSAccessKeyId. SignatureProblem when a part is absent or repeated."""
    pairs = decoded_query(request.query)
    query, names = dict(pairs), [name for name, _ in pairs]
    if "SignatureVersion" in query:
        raise _problem(Reason.UNSUPPORTED, "Signature Version 2 is not taken: sign with AWS4-HMAC-SHA256")
    for name in ("AWSAccessKeyId", "Expires", "Signature"):
        if names.count(name) != 1 or not query[name]:
            raise _problem(Reason.INCOMPLETE, f"the query must have {name} once")
    if any(name.lower() == "x-amz-security-token" for name in names) or request.header("x-amz-security-token"):
        raise session_token_refused(Scheme.V2_QUERY)
    expires = query["Expires"]
    if not EXPIRES.fullmatch(expires):
        raise _problem(Reason.BAD_EXPIRES, "Expires must be a time in whole seconds since 1970")
    return Signature(
        Scheme.V2_QUERY, query["AWSAccessKeyId"], 0, REGION, "s3", (), query["Signature"], 1000 * int(expires),
    )  # fmt: skip


def verify(signature: Signature, request: HttpRequest, secret: str, now: int, virtual_bucket: str | None) -> None:
    """Check the signature and the expiry; SignatureProblem when either fails."""
    assert signature.expires is not None
    wanted = _sign(signature, request, secret, virtual_bucket)
    if not hmac.compare_digest(wanted, octets(signature.signature)):
        raise _problem(
            Reason.MISMATCH,
            f"the signature is not the one this request has under the secret key of {signature.access_key_id}: the "
            "key differs, or method, path, Content-Type or an x-amz-* header was changed after signing",
        )
    if now > signature.expires:
        ended = f"{as_datetime(signature.expires):%Y-%m-%dT%H:%M:%SZ}"
        raise _problem(Reason.EXPIRED, f"the presigned URL ended at {ended}: make a new one")


def _sign(signature: Signature, request: HttpRequest, secret: str, virtual_bucket: str | None) -> bytes:
    assert signature.expires is not None
    signer = _Canonical(signature.access_key_id, secret, str(signature.expires // 1000))
    path = request.path or "/"
    if virtual_bucket is not None:
        path = f"/{virtual_bucket}{path}"
    target = SplitResult("", "", _text(path), _text(request.query), "")
    text: str = signer.canonical_string(request.method, target, _headers(request))
    text = request.method + text[len(request.method) :]  # as sent: the signer makes capitals of it
    return base64.b64encode(hmac.digest(secret.encode(), text.encode("utf-8", "surrogateescape"), "sha1"))


def _text(text: str) -> str:
    """As botocore's signer has it: real characters, where the request has one for each byte of their UTF-8."""
    return octets(text).decode("utf-8", "surrogateescape")


def _headers(request: HttpRequest) -> Any:
    """Headers under the signature: those sent, and those that the signer moved into the query."""
    headers = HTTPHeaders()
    for name, value in request.headers:
        if name.startswith("x-amz-") or name in LIKE_HEADERS:
            headers[name] = _text(value)
    for name, value in decoded_query(request.query):
        if (name.startswith("x-amz-") or name in LIKE_HEADERS) and name not in headers:
            headers[name] = value
    return headers


def _problem(reason: Reason, detail: str) -> SignatureProblem:
    return SignatureProblem(reason, detail, Scheme.V2_QUERY)
