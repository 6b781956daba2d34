"""CloudWatch Logs on a store of its own: pages, tokens that come again at an end, limits of a page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from relook.aws.errors import ServiceError
from relook.aws.operation import RequestContext
from relook.core.identity import Principal
from relook.core.names import Scope
from relook.services.logs.describing import Descriptions
from relook.services.logs.reading import Reading
from relook.services.logs.retention import Expiry, Retention
from relook.store import logs as rows
from relook.store.engine import Store

ACCOUNT, REGION = "000000000000", "us-east-1"
CONTEXT = RequestContext(ACCOUNT, REGION, Principal(ACCOUNT, "arn", "id", "key"), "request", 0, "http://127.0.0.1")
SCOPE = Scope(ACCOUNT, REGION)
NAMED = {"logGroupName": "/jobs", "logStreamName": "a/1"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "db.sqlite")
    yield opened
    opened.close()


def put(store: Store, stream: str, *lines: tuple[int, str], group: str = "/jobs") -> None:
    with store.write() as connection:
        rows.append(connection, SCOPE, group, stream, lines, 1000)


def get(store: Store, **more: Any) -> dict[str, Any]:
    return dict(Reading(store).get(CONTEXT, NAMED | more))


def find(store: Store, **more: Any) -> dict[str, Any]:
    return dict(Reading(store).filter(CONTEXT, {"logGroupName": "/jobs"} | more))


def texts(answer: dict[str, Any]) -> list[str]:
    return [event["message"] for event in answer["events"]]


def refusal(call: Any, *given: Any, **more: Any) -> tuple[str, str]:
    with pytest.raises(ServiceError) as found:
        call(*given, **more)
    return found.value.code, found.value.message


def test_forward_from_the_head_until_the_token_comes_again(store: Store) -> None:
    put(store, "a/1", *((10 + n // 2, f"line {n}") for n in range(5)))
    seen, token = [], None
    while True:
        page = get(store, startFromHead=True, limit=2, **({"nextToken": token} if token else {}))
        seen += texts(page)
        if page["nextForwardToken"] == token:
            break
        token = page["nextForwardToken"]
    assert seen == [f"line {n}" for n in range(5)]
    put(store, "a/1", (20, "later"))
    assert texts(get(store, startFromHead=True, nextToken=token)) == ["later"]


def test_the_last_ones_first_and_back_to_the_head(store: Store) -> None:
    put(store, "a/1", *((10 + n, f"line {n}") for n in range(5)))
    page = get(store, limit=2)
    assert texts(page) == ["line 3", "line 4"]
    before = get(store, limit=2, nextToken=page["nextBackwardToken"])
    assert texts(before) == ["line 1", "line 2"]
    assert texts(get(store, limit=2, nextToken=before["nextForwardToken"])) == ["line 3", "line 4"]
    first = get(store, limit=2, nextToken=before["nextBackwardToken"])
    end = get(store, limit=2, nextToken=first["nextBackwardToken"])
    assert (texts(first), texts(end)) == (["line 0"], [])
    assert end["nextBackwardToken"] == first["nextBackwardToken"]
    assert texts(get(store, limit=2, nextToken=end["nextForwardToken"])) == ["line 0", "line 1"]


def test_an_empty_page_at_the_end_leads_back(store: Store) -> None:
    put(store, "a/1", (10, "one"), (11, "two"))
    end = get(store, nextToken=get(store, startFromHead=True)["nextForwardToken"], startFromHead=True)
    assert texts(end) == []
    assert texts(get(store, nextToken=end["nextBackwardToken"])) == ["one", "two"]


def test_times_bound_what_is_read_each_operation_in_its_own_way(store: Store) -> None:
    put(store, "a/1", *((time, str(time)) for time in (10, 11, 12)))
    assert texts(get(store, startTime=11, endTime=12, startFromHead=True)) == ["11"]
    assert texts(find(store, startTime=11, endTime=12)) == ["11", "12"]
    assert texts(get(store, startTime=13, startFromHead=True)) == []


def test_a_page_holds_a_mebibyte_of_text(store: Store) -> None:
    put(store, "a/1", *((n, "x" * 200_000) for n in range(8)))
    page = get(store, startFromHead=True)
    assert len(page["events"]) == 5
    assert len(get(store, startFromHead=True, nextToken=page["nextForwardToken"])["events"]) == 3


def test_more_than_are_read_at_once(store: Store) -> None:
    put(store, "a/1", *((n // 3, f"{n}") for n in range(1234)))
    assert texts(get(store, startFromHead=True)) == [f"{n}" for n in range(1234)]
    assert texts(get(store)) == [f"{n}" for n in range(1234)]
    assert texts(find(store, filterPattern="123", limit=2)) == ["123", "1123"]


def test_many_streams_in_the_order_of_time(store: Store) -> None:
    put(store, "a/1", (10, "a good"), (30, "a bad"))
    put(store, "b/1", (20, "b bad"))
    found = find(store)
    assert [(event["logStreamName"], event["message"]) for event in found["events"]] == [
        ("a/1", "a good"),
        ("b/1", "b bad"),
        ("a/1", "a bad"),
    ]
    assert texts(find(store, logStreamNamePrefix="a/")) == ["a good", "a bad"]
    assert texts(find(store, logStreamNames=["b/1"], filterPattern="bad")) == ["b bad"]
    assert texts(find(store, startFromHead=False, filterPattern="bad")) == ["a bad", "b bad"]
    first = find(store, limit=1, filterPattern="bad")
    second = find(store, limit=1, filterPattern="bad", nextToken=first["nextToken"])
    assert texts(first) + texts(second) == ["b bad", "a bad"]
    assert "nextToken" not in second
    code, _ = refusal(find, store, limit=1, filterPattern="good", nextToken=first["nextToken"])
    assert code == "InvalidParameterException"


def test_what_is_not_there(store: Store) -> None:
    missing = "ResourceNotFoundException"
    assert refusal(get, store) == (missing, "The specified log group does not exist.")
    put(store, "b/1", (1, "x"))
    assert refusal(get, store) == (missing, "The specified log stream does not exist.")
    assert refusal(find, store, logStreamNames=["c"]) == (missing, "The specified log stream does not exist.")
    bad = refusal(get, store, logStreamName="b/1", nextToken="f/made-up")
    assert bad == ("InvalidParameterException", "The specified nextToken is invalid.")
    assert refusal(find, store, logStreamNames=["b/1"], logStreamNamePrefix="b")[0] == "InvalidParameterException"


def test_groups_by_name_page_by_page(store: Store) -> None:
    for name in ("/aws/b", "/aws/a", "/other"):
        put(store, "s", (1, "text"), group=name)
    described = Descriptions(store).groups
    first = described(CONTEXT, {"logGroupNamePrefix": "/aws", "limit": 1})
    second = described(CONTEXT, {"logGroupNamePrefix": "/aws", "limit": 1, "nextToken": first["nextToken"]})
    assert [group["logGroupName"] for group in (*first["logGroups"], *second["logGroups"])] == ["/aws/a", "/aws/b"]
    assert "nextToken" not in second
    assert first["logGroups"][0]["arn"] == f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/a:*"
    assert first["logGroups"][0]["storedBytes"] == 30
    assert [group["logGroupName"] for group in described(CONTEXT, {"logGroupNamePattern": "the"})["logGroups"]] == [
        "/other"
    ]
    assert described(CONTEXT, {"logGroupClass": "DELIVERY"})["logGroups"] == []
    assert refusal(described, CONTEXT, {"includeLinkedAccounts": True})[0] == "InvalidParameterException"


def test_streams_by_name_or_by_their_last_event(store: Store) -> None:
    put(store, "job/2", (50, "x"))
    put(store, "job/1", (90, "x"))
    put(store, "other", (70, "x"))

    def names(**more: Any) -> list[str]:
        answer = Descriptions(store).streams(CONTEXT, {"logGroupName": "/jobs"} | more)
        return [stream["logStreamName"] for stream in answer["logStreams"]]

    assert names() == ["job/1", "job/2", "other"]
    assert names(logStreamNamePrefix="job/", orderBy="LogStreamName", limit=1) == ["job/1"]
    assert names(orderBy="LastEventTime", descending=True) == ["job/1", "other", "job/2"]
    identifier = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/jobs:*"
    assert Descriptions(store).streams(CONTEXT, {"logGroupIdentifier": identifier})["logStreams"]
    assert refusal(names, logStreamNamePrefix="job/", orderBy="LastEventTime")[0] == "InvalidParameterException"
    assert refusal(names, logGroupIdentifier=identifier)[0] == "InvalidParameterException"


def test_retention_is_set_told_and_taken_back(store: Store) -> None:
    put(store, "a/1", (1, "line"))

    def told() -> Any:
        return Descriptions(store).groups(CONTEXT, {})["logGroups"][0]["retentionInDays"]

    assert told() is None
    Retention(store).put(CONTEXT, {"logGroupName": "/jobs", "retentionInDays": 7})
    assert told() == 7
    Retention(store).delete(CONTEXT, {"logGroupName": "/jobs"})
    assert told() is None
    code, text = refusal(Retention(store).put, CONTEXT, {"logGroupName": "/jobs", "retentionInDays": 2})
    assert code == "InvalidParameterException"
    assert "retentionInDays must be one of 1, 3, 5" in text
    code, _ = refusal(Retention(store).put, CONTEXT, {"logGroupName": "/none", "retentionInDays": 1})
    assert code == "ResourceNotFoundException"


def test_the_task_removes_what_is_too_old_again_and_again(store: Store) -> None:
    now = 3 * rows.DAY

    async def scenario() -> None:
        nonlocal now
        expiry = Expiry(store, clock=lambda: now, seconds=0.01)
        expiry.start()
        try:
            await until(lambda: left() == ["young"])
            now += rows.DAY
            await until(lambda: left() == [])
        finally:
            await expiry.close()

    def left() -> list[str]:
        return texts(get(store, startFromHead=True))

    put(store, "a/1", (1, "old"), (now - rows.DAY // 2, "young"))
    Retention(store).put(CONTEXT, {"logGroupName": "/jobs", "retentionInDays": 1})
    asyncio.run(scenario())


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.01)
