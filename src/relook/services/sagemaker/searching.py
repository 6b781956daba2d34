"""Search: filters over what resources are described as, sorted and paged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from relook.aws.operation import Members, RequestContext
from relook.core.paging import TokenError, decode_token, encode_token
from relook.services.sagemaker.errors import validation

_DEFAULT = 10
_PAGING = ("NextToken", "MaxResults")
_COMPARED: Mapping[str, Callable[[Any, Any], bool]] = {
    "Equals": lambda found, wanted: bool(found == wanted),
    "GreaterThan": lambda found, wanted: bool(found > wanted),
    "GreaterThanOrEqualTo": lambda found, wanted: bool(found >= wanted),
    "LessThan": lambda found, wanted: bool(found < wanted),
    "LessThanOrEqualTo": lambda found, wanted: bool(found <= wanted),
}


def searched(
    context: RequestContext, members: Members, resources: Sequence[Members]
) -> tuple[list[Members], int, dict[str, Any]]:
    """The page of those that fit, how many fit in all, and NextToken where there are more. ValidationException.

    A page goes on at a number of results, so what is created between two pages may shift them, as there.
    """
    what = (context.account, context.region, repr(sorted((k, repr(v)) for k, v in members.items() if k not in _PAGING)))
    try:
        start = decode_token(what, members["NextToken"]) if members.get("NextToken") else 0
    except TokenError as error:
        raise validation(str(error)) from None
    found = [one for one in resources if _fits(one, members.get("SearchExpression") or {})]
    found = _sorted(found, members.get("SortBy", "LastModifiedTime"), members.get("SortOrder", "Descending"))
    end = start + members.get("MaxResults", _DEFAULT)
    token = {"NextToken": encode_token(what, end)} if end < len(found) else {}
    return found[start:end], len(found), token


def _fits(resource: Members, expression: Mapping[str, Any]) -> bool:
    parts = [
        *(_filter(resource, one) for one in expression.get("Filters") or ()),
        *(_nested(resource, one) for one in expression.get("NestedFilters") or ()),
        *(_fits(resource, one) for one in expression.get("SubExpressions") or ()),
    ]
    if not parts:
        return True
    return any(parts) if expression.get("Operator") == "Or" else all(parts)


def _nested(resource: Members, nested: Mapping[str, Any]) -> bool:
    """One element of the list has to fit all filters."""
    name = nested["NestedPropertyName"]
    filters = [{**one, "Name": one["Name"].removeprefix(name + ".")} for one in nested["Filters"]]
    return any(all(_filter(element, one) for one in filters) for element in _values(resource, name))


def _filter(resource: Members, one: Mapping[str, Any]) -> bool:
    values = list(_values(resource, one["Name"]))
    kind, text = one.get("Operator", "Equals"), one.get("Value", "")
    if kind == "Exists":
        return bool(values)
    if kind == "NotExists":
        return not values
    if kind == "NotEquals":
        return not any(_compare("Equals", value, text) for value in values)
    if kind == "In":
        return any(_compare("Equals", value, each) for value in values for each in text.split(","))
    if kind == "Contains":
        return any(text.lower() in str(value).lower() for value in values)
    return any(_compare(kind, value, text) for value in values)


def _values(resource: Any, name: str) -> Iterator[Any]:
    """What a dotted name leads to; every element of a list on the way. Names of maps may have dots themselves."""
    if isinstance(resource, list):
        for element in resource:
            yield from _values(element, name)
        return
    if not isinstance(resource, Mapping):
        return
    if name.startswith("Tags.") and "Tags" in resource:
        yield from (tag["Value"] for tag in resource["Tags"] if tag["Key"] == name.removeprefix("Tags."))
    elif name.startswith("Metrics."):
        metrics = resource.get("FinalMetricDataList", ())
        yield from (one["Value"] for one in metrics if one["MetricName"] == name.removeprefix("Metrics."))
    elif name in resource:
        found = resource[name]
        yield from found if isinstance(found, list) else [found]
    else:
        first, dot, rest = name.partition(".")
        if dot and first in resource:
            yield from _values(resource[first], rest)


def _compare(kind: str, found: Any, text: str) -> bool:
    wanted: Any = text
    try:
        if isinstance(found, bool):
            found = str(found).lower()
            wanted = text.lower()
        elif isinstance(found, int | float):
            wanted = float(text)
        elif isinstance(found, datetime):
            wanted = _aware(datetime.fromisoformat(text))
    except ValueError:
        return False
    return _COMPARED[kind](found if isinstance(found, int | float | datetime) else str(found), wanted)


def _aware(time: datetime) -> datetime:
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def _sorted(found: list[Members], by: str, order: str) -> list[Members]:
    """Those without the property come last, whatever the order."""
    keyed = [(next(_values(one, by), None), one) for one in found]
    present = [(value, one) for value, one in keyed if value is not None]
    numeric = all(isinstance(value, int | float) for value, _ in present)
    dated = all(isinstance(value, datetime) for value, _ in present)
    present.sort(key=lambda pair: pair[0] if numeric or dated else str(pair[0]), reverse=order == "Descending")
    return [one for _, one in present] + [one for value, one in keyed if value is None]
