"""AWS's own test suite of Signature Version 4, as it lies in botocore's source distribution."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.utils import normalize_url_path

from botocore_source import source_root
from relook.aws.http import HttpRequest
from relook.aws.sigv4 import Reason, Signature, SignatureProblem, identify, verify

ACCESS_KEY = "AKIDEXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
SUITE = Path("tests/unit/auth/aws4_testsuite")
# Temporary credentials are refused by name, so these two are checked for that instead. Every other vector is verified.
WITH_SESSION_TOKEN = {"post-sts-token/post-sts-header-before", "get-vanilla-with-session-token"}
REFUSALS = set(Reason) - {Reason.MISSING, Reason.EXPIRED, Reason.SESSION_TOKEN}
# The flip that makes every character of a request another one, and never one that means the same.
FLIP = 0x40


@dataclasses.dataclass(frozen=True)
class Vector:
    name: str
    request: HttpRequest
    body: bytes


def vectors() -> dict[str, Vector]:
    suite = source_root() / SUITE
    found = {}
    for path in sorted(suite.rglob("*.req")):
        name = path.parent.relative_to(suite).as_posix()
        found[name] = parse(name, path.read_bytes(), path.with_suffix(".authz").read_text().strip())
    return found


def parse(name: str, raw: bytes, authorization: str) -> Vector:
    head, _, body = raw.decode("latin-1").replace("\r", "").partition("\n\n")
    line, *lines = re.sub(r"\n(?=[ \t])", "\x00", head).strip("\n").split("\n")
    method, _, rest = line.partition(" ")
    path, _, query = rest.rpartition(" ")[0].partition("?")
    pairs = [field.replace("\x00", "\n").partition(":") for field in lines]
    headers = [(key.lower(), value) for key, _, value in pairs]
    request = HttpRequest(method, path, query, (*headers, ("authorization", authorization)))
    return Vector(name, request, body.encode("latin-1"))


VECTORS = vectors()
VERIFIED = sorted(set(VECTORS) - WITH_SESSION_TOKEN)


def check(request: HttpRequest, body: bytes) -> None:
    signature = identify(request)
    assert isinstance(signature, Signature)
    if signature.access_key_id != ACCESS_KEY:  # as the gateway does: only a known key has a secret to verify with
        raise SignatureProblem(Reason.UNKNOWN_KEY, signature.access_key_id)
    verify(signature, request, SECRET, signature.timestamp, hashlib.sha256(body).hexdigest())


def test_the_suite_is_there() -> None:
    assert len(VECTORS) == 34
    assert set(VECTORS) >= WITH_SESSION_TOKEN


@pytest.mark.parametrize("name", VERIFIED)
def test_vector_is_verified(name: str) -> None:
    check(VECTORS[name].request, VECTORS[name].body)


@pytest.mark.parametrize("name", sorted(WITH_SESSION_TOKEN))
def test_vector_with_a_session_token_is_refused_by_name(name: str) -> None:
    vector = VECTORS[name]
    request = vector.request
    if request.header("x-amz-security-token") is None:
        request = dataclasses.replace(request, headers=(*request.headers, ("x-amz-security-token", "6e86291e8372ff2a")))
    with pytest.raises(SignatureProblem) as caught:
        check(request, vector.body)
    assert caught.value.reason is Reason.SESSION_TOKEN


@pytest.mark.parametrize("name", VERIFIED)
def test_vector_with_any_byte_altered_is_refused(name: str) -> None:
    vector = VECTORS[name]
    count = 0
    for request, body in alterations(vector):
        count += 1
        with pytest.raises(SignatureProblem) as caught:
            check(request, body)
        assert caught.value.reason in REFUSALS
    assert count > 200


def alterations(vector: Vector) -> Iterator[tuple[HttpRequest, bytes]]:
    request = vector.request
    for field in ("method", "path", "query"):
        for text in flipped(getattr(request, field)):
            if field == "path" and normalize_url_path(text) == normalize_url_path(request.path):
                continue  # what "..", "." and "//" take away is not signed
            yield dataclasses.replace(request, **{field: text}), vector.body
    for index, (name, value) in enumerate(request.headers):
        for text in flipped(value.strip()):
            headers = [*request.headers]
            headers[index] = (name, text)
            yield dataclasses.replace(request, headers=tuple(headers)), vector.body
    for text in flipped(vector.body.decode("latin-1")):
        yield request, text.encode("latin-1")
    yield request, vector.body + b"\n"


def flipped(text: str) -> Iterator[str]:
    for position, character in enumerate(text):
        yield text[:position] + chr(ord(character) ^ FLIP) + text[position + 1 :]
