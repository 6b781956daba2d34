"""What the gateway does with a signed request, and ways to change one."""

from __future__ import annotations

import dataclasses
import hashlib
import string
import time
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
from botocore.utils import normalize_url_path
from hypothesis import assume
from hypothesis import strategies as st
from signed_requests import ACCESS_KEY, SECRET

from relook.aws.http import HttpRequest
from relook.aws.sigv4 import Reason, Signature, SignatureProblem, identify, verify

ANY_REFUSAL = set(Reason) - {Reason.MISSING, Reason.EXPIRED, Reason.SESSION_TOKEN}


def check(request: HttpRequest, body: bytes = b"", now: int | None = None, **more: Any) -> Signature:
    """What the gateway does: find the key, verify at the time of signing unless told otherwise."""
    signature = identify(request)
    assert signature is not None
    if signature.access_key_id != ACCESS_KEY:
        raise SignatureProblem(Reason.UNKNOWN_KEY, signature.access_key_id)
    digest = None if signature.service == "s3" else hashlib.sha256(body).hexdigest()
    at = now if now is not None else signature.timestamp or 1000 * int(time.time())
    verify(signature, request, SECRET, at, digest, **more)
    return signature


def refusal(request: HttpRequest, body: bytes = b"", now: int | None = None, **more: Any) -> SignatureProblem:
    with pytest.raises(SignatureProblem) as thrown:
        check(request, body, now, **more)
    return thrown.value


def with_header(request: HttpRequest, name: str, value: str | None) -> HttpRequest:
    """The request with a header replaced, or left out when the value is None."""
    headers = tuple(pair for pair in request.headers if pair[0] != name)
    return dataclasses.replace(request, headers=headers if value is None else (*headers, (name, value)))


def meaning(request: HttpRequest, s3: bool) -> object:
    """What the server reads in a request: two requests of one meaning may have one signature."""
    path: object = normalize_url_path(request.path)
    if s3:
        path = [unquote_to_bytes(part) for part in request.path.split("/")]
    pairs = [pair.partition("=") for pair in request.query.split("&") if pair]
    query = sorted((_plain(name), _plain(value)) for name, _, value in pairs)
    headers = [(name, _words(name, value)) for name, value in request.headers if name != "user-agent"]
    return request.method, path, query, headers


def _words(name: str, value: str) -> list[bytes]:
    """Runs of white space are one; between the parts of a signature a comma is no more than a space."""
    return (value.replace(",", " ") if name == "authorization" else value).encode("latin-1").split()


def _plain(text: str) -> list[bytes]:
    """Decoded, with + kept apart from %2B."""
    return [unquote_to_bytes(piece) for piece in text.split("+")]


def altered(text: str, draw: st.DataObject) -> str:
    """The text with one character replaced, removed or added."""
    position = draw.draw(st.integers(0, len(text)))
    character = draw.draw(st.sampled_from(string.printable[:95] + "\x80\xa0\xff"))
    skip = draw.draw(st.sampled_from([0, 1]))
    changed = text[:position] + draw.draw(st.sampled_from([character, ""])) + text[position + skip :]
    assume(changed != text)
    return changed
