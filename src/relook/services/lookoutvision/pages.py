"""MaxResults and NextToken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from relook.aws.operation import Members, RequestContext
from relook.core.paging import Scope, TokenError, page
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
    """See `core.paging.page`; `fetch` gives items in ascending order, and `after` is 0 for the first page.

    `scope` is what makes the list what it is (operation, project, filters); account and region are added here.
    """
    whole = (context.account, context.region, *scope)
    try:
        return page(whole, members, _DEFAULT, lambda after, limit: fetch(after or 0, limit), position)
    except TokenError as error:
        raise validation(str(error)) from None
