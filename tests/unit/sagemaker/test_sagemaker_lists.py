"""Lists over any table of named rows: every filter, every order, and pages that fit together."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import BigInteger, Column, Connection, Integer, MetaData, String, Table, insert

from relook.aws.errors import ServiceError
from relook.aws.operation import RequestContext
from relook.core.clock import as_datetime
from relook.core.identity import Principal
from relook.services.sagemaker.lists import listed
from relook.store.engine import Store

ACCOUNT, REGION = "123456789012", "eu-central-1"
TABLE = Table(
    "things",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("account", String),
    Column("region", String),
    Column("key", String),
    Column("created", BigInteger),
    Column("modified", BigInteger),
    Column("status", String),
)
# key, created, modified, status: created twice at one moment, so that the id has to decide.
THINGS = [
    ("bolt-1", 1000, 9000, "InService"),
    ("nut", 2000, 2000, "Failed"),
    ("bolt-2", 2000, 2500, "InService"),
    ("axle", 3000, 3000, "Creating"),
    ("bolt-3", 4000, 4000, "InService"),
]


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    store = Store.open(tmp_path / "rows.sqlite3")
    with store.write() as connection:
        TABLE.create(connection)
        for account, region in ((ACCOUNT, REGION), (ACCOUNT, "us-east-1"), ("210987654321", REGION)):
            rows = [dict(zip(("key", "created", "modified", "status"), thing, strict=True)) for thing in THINGS]
            connection.execute(insert(TABLE), [row | {"account": account, "region": region} for row in rows])
        yield connection
    store.close()


def context() -> RequestContext:
    principal = Principal(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT, "AKIA")
    return RequestContext(ACCOUNT, REGION, principal, "request-1", 1, "http://127.0.0.1:1")


def keys(connection: Connection, ascending: bool = False, **members: Any) -> list[str]:
    return [row.key for row in listed(connection, context(), members, TABLE, ascending=ascending)[0]]


def at(milliseconds: int) -> datetime:
    return as_datetime(milliseconds)


NEWEST = ["bolt-3", "axle", "bolt-2", "nut", "bolt-1"]


@pytest.mark.parametrize(
    ("members", "found"),
    [
        ({}, NEWEST),
        ({"SortOrder": "Ascending"}, NEWEST[::-1]),
        ({"SortBy": "Name"}, ["nut", "bolt-3", "bolt-2", "bolt-1", "axle"]),
        ({"SortBy": "Status", "SortOrder": "Ascending"}, ["axle", "nut", "bolt-1", "bolt-2", "bolt-3"]),
        ({"SortBy": "LastModifiedTime"}, ["bolt-1", "bolt-3", "axle", "bolt-2", "nut"]),
        ({"NameContains": "BOLT-"}, ["bolt-3", "bolt-2", "bolt-1"]),
        ({"StatusEquals": "Failed"}, ["nut"]),
        ({"CreationTimeAfter": at(2000)}, ["bolt-3", "axle"]),
        ({"CreationTimeBefore": at(2000)}, ["bolt-1"]),
        ({"LastModifiedTimeAfter": at(2500), "LastModifiedTimeBefore": at(9000)}, ["bolt-3", "axle"]),
        ({"NameContains": "%"}, []),
    ],
)
def test_filters_and_orders(connection: Connection, members: dict[str, Any], found: list[str]) -> None:
    assert keys(connection, **members) == found


def test_an_operation_can_ask_for_the_oldest_first(connection: Connection) -> None:
    assert keys(connection, ascending=True) == NEWEST[::-1]
    assert keys(connection, ascending=True, SortOrder="Descending") == NEWEST


@pytest.mark.parametrize("sort", ["Name", "CreationTime", "LastModifiedTime", "Status"])
@pytest.mark.parametrize("order", ["Ascending", "Descending"])
@pytest.mark.parametrize("size", [1, 2, 5])
def test_pages_make_up_the_whole_list(connection: Connection, sort: str, order: str, size: int) -> None:
    members: dict[str, Any] = {"SortBy": sort, "SortOrder": order, "MaxResults": size}
    whole = keys(connection, **members | {"MaxResults": 100})
    found: list[str] = []
    token: dict[str, Any] = {}
    for _ in range(len(whole) // size + 1):
        rows, token = listed(connection, context(), members | token, TABLE)
        found += [row.key for row in rows]
        if not token:
            break
    assert found == whole
    assert token == {}


def test_ten_are_a_page_where_nothing_is_said(connection: Connection) -> None:
    more = [{"account": ACCOUNT, "region": REGION, "key": f"more-{each}", "created": 5000 + each} for each in range(10)]
    connection.execute(insert(TABLE), more)
    rows, token = listed(connection, context(), {}, TABLE)
    assert len(rows) == 10
    assert token


@pytest.mark.parametrize("change", [{"SortBy": "Name"}, {"NameContains": "b"}, {"CreationTimeAfter": at(1)}])
def test_a_token_is_good_for_its_own_list_only(connection: Connection, change: dict[str, Any]) -> None:
    _, token = listed(connection, context(), {"MaxResults": 1}, TABLE)
    with pytest.raises(ServiceError, match="ValidationException: NextToken is not valid"):
        listed(connection, context(), {"MaxResults": 1} | token | change, TABLE)
    rows, _ = listed(connection, context(), {"MaxResults": 3} | token, TABLE)
    assert [row.key for row in rows] == NEWEST[1:4]
