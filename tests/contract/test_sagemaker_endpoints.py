"""Endpoints through real boto3, over containers that really run."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator

import pytest
from endpoint_world import FAST, Endpoints
from lookout_stage import Stage, outcome
from sagemaker_calls import arn, variant

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap (bwrap) is not installed")


@pytest.fixture
def endpoints(stage: Stage) -> Iterator[Endpoints]:
    made = Endpoints(stage)
    yield made
    made.clear()


def test_an_endpoint_outlives_its_configuration_and_model(endpoints: Endpoints) -> None:
    found = endpoints.serve("life")
    assert found["EndpointStatus"] == "InService"
    assert found["EndpointArn"] == arn("endpoint", "life")
    (told,) = found["ProductionVariants"]
    assert (told["CurrentInstanceCount"], told["CurrentWeight"]) == (1, 1.0)
    endpoints.control.delete_endpoint_config(EndpointConfigName="life")
    endpoints.control.delete_model(ModelName="life")
    assert endpoints.ask("life") == b"life"
    missing = ("ValidationException", 400, f'Could not find endpoint configuration "{arn("endpoint-config", "life")}".')
    assert outcome(endpoints.control.create_endpoint, EndpointName="second", EndpointConfigName="life") == missing
    endpoints.delete("life")
    gone = ("ValidationException", 400, f'Could not find endpoint "{arn("endpoint", "life")}".')
    assert outcome(endpoints.control.describe_endpoint, EndpointName="life") == gone


def test_an_image_that_nothing_can_run_fails_the_endpoint(endpoints: Endpoints) -> None:
    endpoints.model("alien", image="nobody/has:this")
    endpoints.config("alien")
    endpoints.create("alien")
    with pytest.raises(Exception, match="terminal failure"):
        endpoints.in_service("alien")
    found = endpoints.describe("alien")
    assert found["EndpointStatus"] == "Failed"
    assert found["FailureReason"].startswith("Production variant AllTraffic: ")
    assert "engine" in found["FailureReason"] or "nobody/has:this" in found["FailureReason"]


def test_model_data_that_are_not_there_fail_the_endpoint(endpoints: Endpoints) -> None:
    endpoints.model("lost", ModelDataUrl="s3://endpoint-models/none/model.tar.gz")
    endpoints.config("lost")
    endpoints.create("lost")
    with pytest.raises(Exception, match="terminal failure"):
        endpoints.in_service("lost")
    assert "s3://endpoint-models/none/model.tar.gz" in endpoints.describe("lost")["FailureReason"]


def test_an_update_under_load_fails_no_request(endpoints: Endpoints) -> None:
    endpoints.serve("blue")
    endpoints.model("green")
    endpoints.config("green")
    over, seen, failures = threading.Event(), [], []

    def load() -> None:
        while not over.is_set():
            try:
                seen.append(endpoints.ask("blue"))
            except Exception as error:
                failures.append(error)

    callers = [threading.Thread(target=load) for _ in range(3)]
    for caller in callers:
        caller.start()
    endpoints.control.update_endpoint(EndpointName="blue", EndpointConfigName="green")
    found = endpoints.in_service("blue")
    over.set()
    for caller in callers:
        caller.join()
    assert failures == []
    assert found["EndpointConfigName"] == "green"
    assert set(seen) <= {b"blue", b"green"}
    assert endpoints.ask("blue") == b"green"


def test_a_failed_update_keeps_the_old_one(endpoints: Endpoints) -> None:
    endpoints.serve("steady")
    endpoints.model("broken", script="raise RuntimeError('no such luck')")
    endpoints.config("broken")
    endpoints.control.update_endpoint(EndpointName="steady", EndpointConfigName="broken")
    assert endpoints.describe("steady")["EndpointStatus"] in ("Updating", "RollingBack")
    found = endpoints.in_service("steady")
    assert found["EndpointConfigName"] == "steady"
    assert "AllTraffic" in found["FailureReason"]
    assert endpoints.ask("steady") == b"steady"


def test_endpoints_are_listed_by_status_name_and_page(endpoints: Endpoints) -> None:
    endpoints.serve("list-b")
    endpoints.create("list-a", "list-b")
    endpoints.in_service("list-a")
    names = endpoints.control.list_endpoints(
        NameContains="list-", SortBy="Name", SortOrder="Ascending", StatusEquals="InService", MaxResults=1
    )
    assert [each["EndpointName"] for each in names["Endpoints"]] == ["list-a"]
    pages = endpoints.control.get_paginator("list_endpoints").paginate(
        NameContains="list-", PaginationConfig={"PageSize": 1}
    )
    assert [each["EndpointName"] for page in pages for each in page["Endpoints"]] == ["list-a", "list-b"]


def test_endpoints_have_tags(endpoints: Endpoints) -> None:
    endpoints.model("tagged")
    endpoints.config("tagged")
    made = endpoints.control.create_endpoint(
        EndpointName="tagged", EndpointConfigName="tagged", Tags=[{"Key": "k", "Value": "v"}]
    )["EndpointArn"]
    assert endpoints.control.list_tags(ResourceArn=made)["Tags"] == [{"Key": "k", "Value": "v"}]
    endpoints.delete("tagged")  # while it is being created
    endpoints.create("tagged")
    assert endpoints.control.list_tags(ResourceArn=made)["Tags"] == []


def test_weights_and_capacities(endpoints: Endpoints) -> None:
    endpoints.model("left")
    endpoints.model("right")
    endpoints.config(
        "both",
        variant("left", VariantName="L", InitialVariantWeight=1),
        variant("right", VariantName="R", InitialVariantWeight=0),
    )
    endpoints.create("both")
    endpoints.in_service("both")
    assert {endpoints.ask("both") for _ in range(10)} == {b"left"}
    assert endpoints.ask("both", TargetVariant="R") == b"right"
    endpoints.control.update_endpoint_weights_and_capacities(
        EndpointName="both",
        DesiredWeightsAndCapacities=[
            {"VariantName": "L", "DesiredWeight": 0},
            {"VariantName": "R", "DesiredWeight": 1, "DesiredInstanceCount": 2},
        ],
    )
    busy = outcome(endpoints.control.update_endpoint, EndpointName="both", EndpointConfigName="both")
    assert busy == ("ValidationException", 400, f'Cannot update in-progress endpoint "{arn("endpoint", "both")}".')
    endpoints.control.get_waiter("endpoint_in_service").wait(EndpointName="both", WaiterConfig=FAST)
    assert [each["CurrentInstanceCount"] for each in endpoints.describe("both")["ProductionVariants"]] == [1, 2]
    assert {endpoints.ask("both") for _ in range(10)} == {b"right"}
