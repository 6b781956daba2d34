"""MaxResults and NextToken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from relook.aws.operation import Members, RequestContext
from relook.core.paging import Scope, TokenError, decode_token, encode_token
from relook.services.lookoutvision.errors import validation

T = TypeVar("T")
_DEFAULT = 100


def paged(
    context: RequestContext,
    members: Members,
    scope: Scope,
    fetch: Callable[[int, int], Sequence[T]],
    position: Callable[[T], int],
) -> tuple[Sequence[T], dict[str, Any]]:
    """One page and, under "NextToken", the way to the next one if there is more.

    `fetch(after, limit)` gives the items whose `position` is greater than `after`, in ascending order. `scope` is
    what makes the list what it is (operation, project, filters); account and region are added here.
    """
    whole = (context.account, context.region, *scope)
    try:
        after = decode_token(whole, members["NextToken"]) if members.get("NextToken") else 0
    except TokenError as error:
        raise validation(str(error)) from None
    limit = members.get("MaxResults", _DEFAULT)
    items = fetch(after, limit + 1)
    if len(items) <= limit:
        return items, {}
    return items[:limit], {"NextToken": encode_token(whole, position(items[limit - 1]))}
