"""CloudWatch Logs through boto3: what a job has written, its paginators, and refusals."""

from __future__ import annotations

from typing import Any

import pytest
from lookout_stage import ACCOUNT, REGION, Stage, outcome, pages

from relook.core.names import Scope
from relook.datafolder import DataFolder
from relook.store import logs
from relook.store.engine import Store

GROUP, STREAM = "/aws/sagemaker/Told", "job/algo-1-1"


@pytest.fixture(scope="module")
def client(stage: Stage) -> Any:
    store = Store.open(DataFolder(stage.server.data).database)
    with store.write() as connection:
        lines = [(1_000 + n, f"line {n}") for n in range(30)]
        logs.append(connection, Scope(ACCOUNT, REGION), GROUP, STREAM, lines)
    store.close()
    return stage.client("logs")


def test_the_loop_of_the_sdk(client: Any) -> None:
    """DescribeLogStreams by the job's name, then GetLogEvents from the head until nothing comes."""
    found = client.describe_log_streams(
        logGroupName=GROUP, logStreamNamePrefix="job/", orderBy="LogStreamName", limit=1
    )
    assert [stream["logStreamName"] for stream in found["logStreams"]] == [STREAM]
    assert found["logStreams"][0]["lastEventTimestamp"] == 1_029
    seen: list[str] = []
    more: dict[str, str] = {}
    while True:
        page = client.get_log_events(
            logGroupName=GROUP, logStreamName=STREAM, startTime=0, startFromHead=True, limit=7, **more
        )
        seen += [event["message"] for event in page["events"]]
        if page["nextForwardToken"] == more.get("nextToken"):
            break
        more = {"nextToken": page["nextForwardToken"]}
    assert seen == [f"line {n}" for n in range(30)]


def test_paginators(client: Any) -> None:
    assert [len(page) for page in pages(client, "filter_log_events", "events", 12, logGroupName=GROUP)] == [12, 12, 6]
    named = pages(client, "describe_log_groups", "logGroups", 50, logGroupNamePrefix=GROUP)
    assert [group["logGroupName"] for page in named for group in page] == [GROUP]


def test_refusals(stage: Stage, client: Any) -> None:
    code, status, message = outcome(client.describe_log_streams, logGroupName="/not/there")
    assert (code, status, message) == ("ResourceNotFoundException", 400, "The specified log group does not exist.")
    code, _, message = outcome(
        stage.client("logs", checked=False).get_log_events, logGroupName=GROUP, logStreamName=STREAM, limit=0
    )
    assert code == "InvalidParameterException"
    assert "at 'limit' failed to satisfy constraint" in message
    code, status, message = outcome(client.create_log_group, logGroupName="/new")
    assert (code, status) == ("UnknownOperationException", 404)
    assert "CreateLogGroup" in message
