"""Tokens of paged lists: where the last page ended, good for the same list only."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from typing import Any

Scope = Sequence[str | int | bool | None]
_DIGEST_BYTES = 12
_MAX_POSITION = 2**63 - 1


class TokenError(Exception):
    """The token is not one that this list gave out."""

    def __init__(self) -> None:
        super().__init__(
            "NextToken is not valid for this request; pass it back as it was returned, with the same filters"
        )


def encode_token(scope: Scope, position: int) -> str:
    """A token in the standard base64 alphabet. `scope` is everything that makes the list what it is."""
    text = str(position).encode()
    return base64.b64encode(_digest(scope, text) + text).decode()


def decode_token(scope: Scope, token: str) -> int:
    """The position; TokenError for a token of another list, another spelling, or changed in any bit."""
    try:
        raw = base64.b64decode(token.encode("ascii"), validate=True)
        position = int(raw[_DIGEST_BYTES:].decode("ascii"))
    except (ValueError, binascii.Error):
        raise TokenError from None
    # Encoding again also refuses the other ways to write the same bytes and the same number.
    if not 0 <= position <= _MAX_POSITION or encode_token(scope, position) != token:
        raise TokenError
    return position


def encode_cursor(scope: Scope, position: Sequence[str | int]) -> str:
    """A token for a list in the order of several columns: the values of the last row in these."""
    text = _canonical(list(position))
    return base64.b64encode(_digest(scope, text) + text).decode()


def decode_cursor(scope: Scope, token: str) -> list[Any]:
    """What `encode_cursor` was given; TokenError as with `decode_token`."""
    try:
        raw = base64.b64decode(token.encode("ascii"), validate=True)
        position = json.loads(raw[_DIGEST_BYTES:].decode())
    except (ValueError, binascii.Error):
        raise TokenError from None
    if not isinstance(position, list) or encode_cursor(scope, position) != token:
        raise TokenError
    return position


def _canonical(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _digest(scope: Scope, text: bytes) -> bytes:
    # Not a secret: it catches mix-ups and damage. A forged position shows nothing that the caller may not list.
    name = hashlib.sha256(_canonical(list(scope))).digest()
    return hashlib.blake2b(text, digest_size=_DIGEST_BYTES, key=name).digest()
