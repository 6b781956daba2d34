"""Tokens of paged lists: where the last page ended, good for the same list only."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

T = TypeVar("T")
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


def page(
    scope: Scope,
    members: Mapping[str, Any],
    default: int,
    fetch: Callable[[int | None, int], Sequence[T]],
    position: Callable[[T], int],
) -> tuple[Sequence[T], dict[str, Any]]:
    """One page of a request with MaxResults and NextToken and, under "NextToken", the way to the next one if there is
    more: without more the key is not there.

    `fetch(after, limit)` gives the items behind the one whose `position` is `after`, from the first one on where that
    is None, in the list's order. An empty token counts as none. Raises TokenError.
    """
    after = decode_token(scope, members["NextToken"]) if members.get("NextToken") else None
    limit = members.get("MaxResults", default)
    items = fetch(after, limit + 1)
    if len(items) <= limit:
        return items, {}
    return items[:limit], {"NextToken": encode_token(scope, position(items[limit - 1]))}


def encode_cursor(scope: Scope, value: str | int, position: int) -> str:
    """A token for a list sorted by something: its value in the last row, and that row's position among equals."""
    text = _canonical([value, position])
    return base64.b64encode(_digest(scope, text) + text).decode()


def decode_cursor(scope: Scope, token: str) -> tuple[str | int, int]:
    """What `encode_cursor` was given; TokenError as with `decode_token`."""
    try:
        value, position = json.loads(base64.b64decode(token.encode("ascii"), validate=True)[_DIGEST_BYTES:].decode())
    except (TypeError, ValueError, binascii.Error, RecursionError):
        raise TokenError from None
    if (
        not (type(value) is str or _counts(value))
        or not _counts(position)
        or encode_cursor(scope, value, position) != token
    ):
        raise TokenError
    return value, position


def _counts(value: Any) -> bool:
    return type(value) is int and 0 <= value <= _MAX_POSITION


def _canonical(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _digest(scope: Scope, text: bytes) -> bytes:
    # Not a secret: it catches mix-ups and damage. A forged position shows nothing that the caller may not list.
    name = hashlib.sha256(_canonical(list(scope))).digest()
    return hashlib.blake2b(text, digest_size=_DIGEST_BYTES, key=name).digest()
