"""Who signed a request, and did they: Signature Version 4 in its header and query forms, and S3's old query form.

`identify` reads what the request declares, `verify` checks it against the secret key. Both raise SignatureProblem.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache

from relook.aws import presigned_v2
from relook.aws.canonical import SIGNATURE_PARAMETER, canonical_requests, decoded_query
from relook.aws.http import HttpRequest
from relook.aws.signature import (
    ALGORITHM,
    MAX_SKEW,
    UNSIGNED_PAYLOAD,
    Reason,
    Scheme,
    Signature,
    SignatureProblem,
    milliseconds,
    parse_amz_date,
    session_token_refused,
)
from relook.core.clock import as_datetime

__all__ = ["Reason", "Scheme", "Signature", "SignatureProblem", "hmac_sha256", "identify", "signing_key", "verify"]

HASH = re.compile(r"[0-9a-f]{64}")
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
BLANKS = " \t"
"""White space of HTTP; str.strip would take U+00A0 and others with it."""
MAX_EXPIRES = 7 * 24 * 3600
DEFAULT_EXPIRES = 15 * 60
"""Seconds that a presigned URL of a service other than S3 lives when it does not say."""
# What SDKs add after signing, or for their own logs; changing it changes nothing that the server does.
FREE_HEADERS = frozenset({"x-amz-user-agent", "x-amz-request-id", "x-amz-cf-id"})
S3_STREAMS = frozenset(
    {
        UNSIGNED_PAYLOAD,
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
    }
)
QUERY_PARAMETERS = ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-SignedHeaders", SIGNATURE_PARAMETER)


def identify(request: HttpRequest) -> Signature | None:
    """What the request says about its signer; None when it is not signed.

    SignatureProblem when a signature is there but cannot be read: a part is absent or repeated, the form is not
    supported, the credential scope is malformed, or a session token comes with it.
    """
    headers = [value for name, value in request.headers if name == "authorization"]
    query = dict(decoded_query(request.query))
    in_query = any(name in query for name in ("X-Amz-Algorithm", "X-Amz-Credential", SIGNATURE_PARAMETER))
    in_old_query = "AWSAccessKeyId" in query
    if len(headers) + in_query + in_old_query > 1:
        raise SignatureProblem(
            Reason.INCOMPLETE,
            "the request is signed more than once: send one Authorization header or one presigned query, not both",
        )
    if headers:
        return _from_header(request, headers[0])
    if in_query:
        return _from_query(request)
    return presigned_v2.identify(request) if in_old_query else None


def verify(
    signature: Signature,
    request: HttpRequest,
    secret: str,
    now: int,
    body_sha256: str | None,
    *,
    virtual_bucket: str | None = None,
) -> None:
    """Check that `secret` signed this very request, in time. Returns when it did, raises SignatureProblem when not.

    `now`: milliseconds since the epoch. `body_sha256`: lower-case hex hash of the body as received, for every service
    but S3, whose payload is checked while it is read (payload.open_body); None for S3.
    `virtual_bucket`: the bucket that the Host header names, which S3's old query form signs as part of the path.
    """
    if signature.scheme is Scheme.V2_QUERY:
        presigned_v2.verify(signature, request, secret, now, virtual_bucket)
        return
    _check_signed_headers(signature, request)
    payload = _payload_hash(signature, body_sha256)
    key = signing_key(secret, signature)
    try:
        forms = canonical_requests(request, signature.signed_headers, payload, signature.service == "s3")
    except KeyError as absent:
        raise _problem(signature, Reason.MISMATCH, f"the signed header {absent.args[0]!r} did not arrive") from None
    matches = [hmac.compare_digest(_sign(key, signature, form), signature.signature) for form in forms]
    if not any(matches):
        raise _problem(
            signature,
            Reason.MISMATCH,
            "the signature is not the one this request has under the secret key of "
            f"{signature.access_key_id}: the key differs, or method, path, query, a signed header or the body was "
            "changed after signing",
        )
    # Last, so that only the holder of a key learns how far its clock is off.
    _check_time(signature, now)


def signing_key(secret: str, signature: Signature) -> bytes:
    """The key derived from a secret for the day, region and service of a signature."""
    return _derive(secret, signature.amz_date[:8], signature.region, signature.service)


@lru_cache(maxsize=256)
def _derive(secret: str, date: str, region: str, service: str) -> bytes:
    key = b"AWS4" + secret.encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode("utf-8", "surrogateescape"), "sha256")
    return key


def hmac_sha256(key: bytes, text: str) -> str:
    """HMAC-SHA256 of a string to sign, lower-case hex."""
    return hmac.digest(key, text.encode("utf-8", "surrogateescape"), "sha256").hex()


def _sign(key: bytes, signature: Signature, canonical: bytes) -> str:
    digest = hashlib.sha256(canonical).hexdigest()
    return hmac_sha256(key, f"{ALGORITHM}\n{signature.amz_date}\n{signature.scope}\n{digest}")


def _from_header(request: HttpRequest, value: str) -> Signature:
    algorithm, _, rest = value.strip(BLANKS).replace("\t", " ").partition(" ")
    if algorithm != ALGORITHM:
        raise SignatureProblem(
            Reason.UNSUPPORTED,
            f"the Authorization header uses {algorithm[:40]!r}: sign with {ALGORITHM} (Signature Version 4)",
        )
    fields = _fields(rest)
    for name in ("Credential", "SignedHeaders", "Signature"):
        if not fields.get(name):
            raise SignatureProblem(Reason.INCOMPLETE, f"the Authorization header has no {name}")
    if request.header("x-amz-security-token") is not None:
        raise session_token_refused(Scheme.V4_HEADER)
    timestamp = _header_time(request)
    return _signature(
        Scheme.V4_HEADER, fields["Credential"], timestamp, fields["SignedHeaders"], fields["Signature"],
        payload_hash=request.header("x-amz-content-sha256"),
    )  # fmt: skip


def _fields(text: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for part in re.split(r"[, \t\r\n]+", text):
        name, equals, value = part.partition("=")
        if not part:
            continue
        if not equals or name in fields:
            raise SignatureProblem(
                Reason.INCOMPLETE,
                "the Authorization header must be Credential=..., SignedHeaders=..., Signature=..., each once; "
                f"{name[:40]!r} is not",
            )
        fields[name] = value
    return fields


def _header_time(request: HttpRequest) -> int:
    text = request.header("x-amz-date") or request.header("date")
    if text is None:
        raise SignatureProblem(Reason.INCOMPLETE, "the request has neither an X-Amz-Date nor a Date header")
    parsed = parse_amz_date(text.strip(BLANKS))
    if parsed is None:
        parsed = _parse_http_date(text)
    if parsed is None:
        raise SignatureProblem(
            Reason.INCOMPLETE,
            f"the date {text[:40]!r} cannot be read: send X-Amz-Date as YYYYMMDD'T'HHMMSS'Z'",
        )
    return parsed


def _parse_http_date(text: str) -> int | None:
    try:
        moment = parsedate_to_datetime(text)
        return milliseconds(moment.replace(tzinfo=moment.tzinfo or UTC))
    except (ValueError, OverflowError):
        return None


def _from_query(request: HttpRequest) -> Signature:
    pairs = decoded_query(request.query)
    query = dict(pairs)
    names = [name for name, _ in pairs]
    for name in (*QUERY_PARAMETERS, "X-Amz-Expires"):
        if names.count(name) > 1 or (name != "X-Amz-Expires" and not query.get(name)):
            raise SignatureProblem(Reason.INCOMPLETE, f"the query must have {name} once", Scheme.V4_QUERY)
    if query["X-Amz-Algorithm"] != ALGORITHM:
        raise SignatureProblem(
            Reason.UNSUPPORTED, f"X-Amz-Algorithm is not {ALGORITHM} (Signature Version 4)", Scheme.V4_QUERY
        )
    if "X-Amz-Security-Token" in query or request.header("x-amz-security-token") is not None:
        raise session_token_refused(Scheme.V4_QUERY)
    timestamp = parse_amz_date(query["X-Amz-Date"])
    if timestamp is None:
        raise SignatureProblem(Reason.INCOMPLETE, "X-Amz-Date must be YYYYMMDD'T'HHMMSS'Z'", Scheme.V4_QUERY)
    return _signature(
        Scheme.V4_QUERY, query["X-Amz-Credential"], timestamp, query["X-Amz-SignedHeaders"], query[SIGNATURE_PARAMETER],
        payload_hash=query.get("X-Amz-Content-Sha256") or request.header("x-amz-content-sha256"),
        lifetime=query.get("X-Amz-Expires"),
    )  # fmt: skip


def _signature(
    scheme: Scheme,
    credential: str,
    timestamp: int,
    names: str,
    value: str,
    *,
    payload_hash: str | None,
    lifetime: str | None = None,
) -> Signature:
    key, region, service = _credential(scheme, credential, timestamp)
    signed = tuple(names.split(";"))
    if list(signed) != sorted(set(signed)) or not all(HEADER_NAME.fullmatch(name) for name in signed):
        raise SignatureProblem(
            Reason.INCOMPLETE, "SignedHeaders must be lower-case header names, sorted, joined by ';'", scheme
        )
    if not HASH.fullmatch(value):
        raise SignatureProblem(Reason.INCOMPLETE, "the signature must be 64 lower-case hexadecimal digits", scheme)
    expires = timestamp + 1000 * _lifetime(lifetime, service) if scheme is Scheme.V4_QUERY else None
    return Signature(scheme, key, timestamp, region, service, signed, value, expires, payload_hash)


def _credential(scheme: Scheme, credential: str, timestamp: int) -> tuple[str, str, str]:
    parts = credential.rsplit("/", 4)
    if len(parts) != 5 or not all(parts) or parts[4] != "aws4_request":
        raise SignatureProblem(
            Reason.BAD_SCOPE, "the credential must be KEY/YYYYMMDD/REGION/SERVICE/aws4_request", scheme
        )
    key, date, region, service, _ = parts
    signed_on = as_datetime(timestamp).strftime("%Y%m%d")
    if date != signed_on:
        raise SignatureProblem(
            Reason.BAD_SCOPE,
            f"the credential is for {date[:8]!r}, the request was signed on {signed_on}: the two dates must agree",
            scheme,
        )
    return key, region, service


def _lifetime(text: str | None, service: str) -> int:
    if text is None and service != "s3":
        return DEFAULT_EXPIRES
    if text is None or not re.fullmatch(r"[0-9]{1,7}", text) or not 1 <= int(text) <= MAX_EXPIRES:
        raise SignatureProblem(
            Reason.BAD_EXPIRES, f"X-Amz-Expires must be a number of seconds from 1 to {MAX_EXPIRES}", Scheme.V4_QUERY
        )
    return int(text)


def _problem(signature: Signature, reason: Reason, detail: str) -> SignatureProblem:
    return SignatureProblem(reason, detail, signature.scheme)


def _check_signed_headers(signature: Signature, request: HttpRequest) -> None:
    signed = set(signature.signed_headers)
    wanted = {name for name, _ in request.headers if name.startswith("x-amz-")} - FREE_HEADERS
    left_out = sorted(({"host"} | wanted) - signed)
    if left_out:
        raise _problem(
            signature,
            Reason.UNSIGNED_HEADERS,
            f"the headers {', '.join(left_out)} are not signed: host and every x-amz-* header must be",
        )


def _payload_hash(signature: Signature, body_sha256: str | None) -> str:
    """The last line of the canonical request."""
    declared = signature.payload_hash
    if signature.service == "s3":
        return _s3_payload_hash(signature, declared)
    if body_sha256 is None:
        raise ValueError(f"the hash of the body is needed to verify a request to {signature.service}")
    if declared is not None and not HASH.fullmatch(declared):
        raise _problem(
            signature,
            Reason.PAYLOAD_UNSIGNED,
            f"x-amz-content-sha256 is {declared[:60]!r}: {signature.service} takes signed bodies only, so send the "
            "SHA-256 of the body in hexadecimal, or leave the header out",
        )
    if declared is not None and declared != body_sha256:
        raise _problem(
            signature, Reason.PAYLOAD_MISMATCH, "the SHA-256 of the body is not the one in x-amz-content-sha256"
        )
    return body_sha256


def _s3_payload_hash(signature: Signature, declared: str | None) -> str:
    if declared is None and signature.presigned:
        return UNSIGNED_PAYLOAD
    if declared is None or not (declared in S3_STREAMS or HASH.fullmatch(declared)):
        raise _problem(
            signature,
            Reason.PAYLOAD_UNDECLARED,
            "S3 needs the header x-amz-content-sha256 with the SHA-256 of the body in hexadecimal, or one of "
            + ", ".join(sorted(S3_STREAMS)),
        )
    return declared


def _check_time(signature: Signature, now: int) -> None:
    at, server = signature.amz_date, as_datetime(now).strftime("%Y%m%dT%H%M%SZ")
    if signature.timestamp > now + MAX_SKEW:
        raise _problem(
            signature,
            Reason.SKEWED_FUTURE,
            f"it was made at {at}, more than 15 minutes after this server's time {server}: set the client's clock",
        )
    if signature.expires is not None:
        if now > signature.expires:
            raise _problem(
                signature,
                Reason.EXPIRED,
                f"the presigned URL ended at {as_datetime(signature.expires):%Y-%m-%dT%H:%M:%SZ}: make a new one",
            )
    elif signature.timestamp < now - MAX_SKEW:
        raise _problem(
            signature,
            Reason.SKEWED_PAST,
            f"it was made at {at}, more than 15 minutes before this server's time {server}: set the client's clock",
        )
