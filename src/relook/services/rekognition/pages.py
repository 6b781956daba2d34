"""MaxResults and NextToken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from relook.aws.operation import Members, RequestContext
from relook.core.paging import Scope, TokenError, decode_cursor, encode_cursor, page
from relook.services.rekognition.errors import invalid_token

T = TypeVar("T")
_DEFAULT = 100
_NAME_BYTES = 350
"""Of a name, as many as a token of at most 1,024 characters has room for, in hexadecimal digits."""


def paged(
    context: RequestContext,
    members: Members,
    scope: Scope,
    fetch: Callable[[int | None, int], Sequence[T]],
    position: Callable[[T], int],
    *,
    default: int = _DEFAULT,
) -> tuple[Sequence[T], dict[str, Any]]:
    """See `core.paging.page`. `scope` is what makes the list what it is (operation, resource, filters); account and
    region are added here. Raises InvalidPaginationTokenException.
    """
    try:
        return page((context.account, context.region, *scope), members, default, fetch, position)
    except TokenError as error:
        raise invalid_token(str(error)) from None


def paged_by_name(
    context: RequestContext, members: Members, scope: Scope, items: Iterable[T], name: Callable[[T], str]
) -> tuple[Sequence[T], dict[str, Any]]:
    """As `paged`, of all items there are, by name. The token carries the last one's name, so that items that come and
    go between two pages move no others; of names that are the same as far as it carries them it carries how many were
    listed.
    """
    scope = (context.account, context.region, *scope)
    placed = [*_placed(sorted(items, key=name), name)]
    if members.get("NextToken"):
        try:
            after, count = decode_cursor(scope, members["NextToken"])
        except TokenError as error:
            raise invalid_token(str(error)) from None
        placed = [one for one in placed if one[:2] > (str(after), count)]
    found = placed[: members.get("MaxResults", _DEFAULT)]
    token = {"NextToken": encode_cursor(scope, *found[-1][:2])} if len(found) < len(placed) else {}
    return [item for _, _, item in found], token


def _placed(items: Iterable[T], name: Callable[[T], str]) -> Iterator[tuple[str, int, T]]:
    """Each with what a token carries of it, which has the order of the names."""
    same: Counter[str] = Counter()
    for item in items:
        head = name(item).encode()[:_NAME_BYTES].hex()
        same[head] += 1
        yield head, same[head], item
