"""Pages as IAM has them: MaxItems, IsTruncated and a Marker, over things that go by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from relook.aws.operation import Members
from relook.core.paging import Scope, TokenError, decode_cursor, encode_cursor
from relook.services.iam.errors import invalid_input

_DEFAULT = 100
T = TypeVar("T")


def paged(
    members: Members, what: Scope, name_of: Callable[[T], str], read: Callable[[str, int], Sequence[T]]
) -> tuple[Sequence[T], dict[str, Any]]:
    """One page, and the members that tell whether there is more.

    `read` gives what comes after a name, up to a number of it; `what` is all that makes the list what it is.
    """
    limit = members.get("MaxItems", _DEFAULT)
    found = read(_after(what, members.get("Marker")), limit + 1)
    if len(found) <= limit:
        return found, {"IsTruncated": False}
    return found[:limit], {"IsTruncated": True, "Marker": encode_cursor(what, name_of(found[limit - 1]), 0)}


def _after(what: Scope, marker: str | None) -> str:
    if marker is None:
        return ""
    try:
        return str(decode_cursor(what, marker)[0])
    except TokenError:
        raise invalid_input("Marker is not valid for this request; pass it back as it was returned") from None
