"""MaxResults and NextToken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from relook.aws.operation import Members, RequestContext
from relook.core.paging import Scope, TokenError, decode_token, encode_token
from relook.services.rekognition.errors import invalid_token

T = TypeVar("T")
_DEFAULT = 100


def paged(
    context: RequestContext,
    members: Members,
    scope: Scope,
    fetch: Callable[[int | None, int], Sequence[T]],
    position: Callable[[T], int],
    *,
    default: int = _DEFAULT,
) -> tuple[Sequence[T], dict[str, Any]]:
    """One page and, under "NextToken", the way to the next one if there is more: without more the key is not there.

    `fetch(after, limit)` gives the items behind the one whose `position` is `after`, from the first one on where that
    is None, in the list's order. `scope` is what makes the list what it is (operation, resource, filters); account
    and region are added here. An empty token counts as none. Raises InvalidPaginationTokenException.
    """
    whole = (context.account, context.region, *scope)
    try:
        after = decode_token(whole, members["NextToken"]) if members.get("NextToken") else None
    except TokenError as error:
        raise invalid_token(str(error)) from None
    limit = members.get("MaxResults", default)
    items = fetch(after, limit + 1)
    if len(items) <= limit:
        return items, {}
    return items[:limit], {"NextToken": encode_token(whole, position(items[limit - 1]))}
