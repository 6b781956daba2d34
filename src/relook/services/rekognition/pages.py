"""MaxResults and NextToken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from relook.aws.operation import Members, RequestContext
from relook.core.paging import Scope, TokenError, page
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
    """See `core.paging.page`. `scope` is what makes the list what it is (operation, resource, filters); account and
    region are added here. Raises InvalidPaginationTokenException.
    """
    try:
        return page((context.account, context.region, *scope), members, default, fetch, position)
    except TokenError as error:
        raise invalid_token(str(error)) from None
