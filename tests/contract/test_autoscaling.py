"""Application Auto Scaling through boto3, on endpoints that run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from endpoint_world import Endpoints
from lookout_stage import ACCOUNT, REGION, Stage, outcome, pages, stage_on, until
from sagemaker_calls import variant

from relook.testing import LiveServer

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap (bwrap) is not installed")
METRIC = "SageMakerVariantInvocationsPerInstance"
NAMESPACE = {"ServiceNamespace": "sagemaker"}


def named(endpoint: str, part: str = "AllTraffic") -> dict[str, str]:
    resource = f"endpoint/{endpoint}/variant/{part}"
    return {**NAMESPACE, "ResourceId": resource, "ScalableDimension": "sagemaker:variant:DesiredInstanceCount"}


def policy(target: float = 100.0, metric: str = METRIC, **more: Any) -> dict[str, Any]:
    configuration = {"TargetValue": target, "PredefinedMetricSpecification": {"PredefinedMetricType": metric}} | more
    return {
        "PolicyName": "calm",
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": configuration,
    }


@pytest.fixture(scope="module")
def endpoints(stage: Stage) -> Iterator[Endpoints]:
    """One endpoint, `scaled`, with one variant; tests may leave it with another number of instances."""
    made = Endpoints(stage)
    made.serve("scaled")
    yield made
    made.clear()


@pytest.fixture
def scaling(stage: Stage, endpoints: Endpoints) -> Iterator[Any]:
    client = stage.client("application-autoscaling")
    yield client
    for target in client.describe_scalable_targets(**NAMESPACE)["ScalableTargets"]:
        client.deregister_scalable_target(
            **NAMESPACE, ResourceId=target["ResourceId"], ScalableDimension=target["ScalableDimension"]
        )


def test_the_server_acts_on_a_target(endpoints: Endpoints, scaling: Any) -> None:
    answer = scaling.register_scalable_target(**named("scaled"), MinCapacity=2, MaxCapacity=3)
    (target,) = scaling.describe_scalable_targets(**NAMESPACE)["ScalableTargets"]
    assert target["ScalableTargetARN"] == answer["ScalableTargetARN"]
    assert answer["ScalableTargetARN"].startswith(
        f"arn:aws:application-autoscaling:{REGION}:{ACCOUNT}:scalable-target/"
    )
    assert (target["MinCapacity"], target["MaxCapacity"]) == (2, 3)
    assert target["RoleARN"].endswith("AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint")

    def done() -> list[dict[str, Any]]:
        found = scaling.describe_scaling_activities(**NAMESPACE, ResourceId=named("scaled")["ResourceId"])
        return [each for each in found["ScalingActivities"] if each["StatusCode"] != "InProgress"]

    (activity,) = until(done, bool)
    assert (activity["StatusCode"], activity["Cause"]) == ("Successful", "minimum capacity was set to 2")
    (told,) = endpoints.in_service("scaled")["ProductionVariants"]
    assert (told["DesiredInstanceCount"], told["CurrentInstanceCount"]) == (2, 2)


def test_policies(scaling: Any) -> None:
    scaling.register_scalable_target(**named("scaled"), MinCapacity=1, MaxCapacity=2)
    made = scaling.put_scaling_policy(**named("scaled"), **policy(ScaleInCooldown=60))
    assert made["PolicyARN"].endswith(":resource/sagemaker/endpoint/scaled/variant/AllTraffic:policyName/calm")
    again = scaling.put_scaling_policy(**named("scaled"), **policy(50.0))
    assert again["PolicyARN"] == made["PolicyARN"]
    (told,) = scaling.describe_scaling_policies(**NAMESPACE, PolicyNames=["calm"])["ScalingPolicies"]
    assert (
        told["TargetTrackingScalingPolicyConfiguration"] == (policy(50.0)["TargetTrackingScalingPolicyConfiguration"])
    )
    scaling.delete_scaling_policy(**named("scaled"), PolicyName="calm")
    assert scaling.describe_scaling_policies(**NAMESPACE)["ScalingPolicies"] == []
    code, status, message = outcome(scaling.delete_scaling_policy, **named("scaled"), PolicyName="calm")
    assert (code, status) == ("ObjectNotFoundException", 400)
    assert message.startswith("No scaling policy found for service namespace: sagemaker, resource ID: endpoint/scaled/")
    scaling.put_scaling_policy(**named("scaled"), **policy())
    scaling.deregister_scalable_target(**named("scaled"))
    assert scaling.describe_scaling_policies(**NAMESPACE)["ScalingPolicies"] == []
    assert outcome(scaling.put_scaling_policy, **named("scaled"), **policy())[0] == "ObjectNotFoundException"


def test_pages(endpoints: Endpoints, scaling: Any) -> None:
    endpoints.model("three")
    endpoints.config("three", *(variant("three", VariantName=name) for name in "abc"))
    endpoints.create("three")
    for name in "abc":
        scaling.register_scalable_target(**named("three", name), MinCapacity=1, MaxCapacity=2)
        for each in ("calm", "calmer"):
            scaling.put_scaling_policy(**named("three", name), **policy() | {"PolicyName": each})
    found = pages(scaling, "describe_scalable_targets", "ScalableTargets", 2, **NAMESPACE)
    assert [len(page) for page in found] == [2, 1]
    found = pages(scaling, "describe_scaling_policies", "ScalingPolicies", 4, **NAMESPACE)
    assert [len(page) for page in found] == [4, 2]
    (one,) = scaling.describe_scalable_targets(**NAMESPACE, ResourceIds=["endpoint/three/variant/b"])["ScalableTargets"]
    assert one["ResourceId"] == "endpoint/three/variant/b"
    token = scaling.describe_scalable_targets(**NAMESPACE, MaxResults=1)["NextToken"]
    assert outcome(scaling.describe_scaling_policies, **NAMESPACE, NextToken=token)[0] == "InvalidNextTokenException"
    assert scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"] == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"MinCapacity": None}, "MinCapacity and MaxCapacity are both needed"),
        ({"MinCapacity": 3}, "the maximum not below the minimum"),
        ({"ServiceNamespace": "ecs"}, "ServiceNamespace ecs is not offered"),
        ({"ScalableDimension": "sagemaker:variant:DesiredProvisionedConcurrency"}, "is not offered by this server"),
        ({"ResourceId": "endpoint/scaled"}, "expected endpoint/<name>/variant/<name>"),
        ({"ResourceId": "endpoint/nobody/variant/AllTraffic"}, "There is no production variant"),
        ({"ResourceId": "endpoint/scaled/variant/other"}, "There is no production variant"),
        ({"Tags": {"a": "b"}}, "Tags are not offered"),
    ],
)
def test_targets_that_are_refused(scaling: Any, given: dict[str, Any], words: str) -> None:
    members = {**named("scaled"), "MinCapacity": 1, "MaxCapacity": 2} | given
    members = {name: value for name, value in members.items() if value is not None}
    code, _, message = outcome(scaling.register_scalable_target, **members)
    assert code == "ValidationException"
    assert words in message


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (policy() | {"PolicyType": "StepScaling"}, "PolicyType StepScaling is not offered"),
        ({"PolicyName": "calm", "PolicyType": "TargetTrackingScaling"}, "is needed"),
        (policy(metric="SageMakerVariantConcurrentRequestsPerModelHighResolution"), "is not offered by this server"),
        (policy(PredefinedMetricSpecification=None, CustomizedMetricSpecification={"MetricName": "m"}), "Customized"),
        (policy(0), "TargetValue must be more than 0"),
        (policy(ScaleInCooldown=-1), "ScaleInCooldown must be 0 or more"),
    ],
)
def test_policies_that_are_refused(scaling: Any, given: dict[str, Any], words: str) -> None:
    scaling.register_scalable_target(**named("scaled"), MinCapacity=1, MaxCapacity=1)
    configuration = given.get("TargetTrackingScalingPolicyConfiguration", {})
    for name in [name for name, value in configuration.items() if value is None]:
        del configuration[name]
    code, _, message = outcome(scaling.put_scaling_policy, **named("scaled"), **given)
    assert code == "ValidationException"
    assert words in message


def test_what_is_not_offered_has_a_name(scaling: Any) -> None:
    code, status, message = outcome(scaling.describe_scheduled_actions, **NAMESPACE)
    assert (code, status) == ("UnknownOperationException", 404)
    assert "DescribeScheduledActions" in message


def test_a_killed_server_ends_what_it_began(tmp_path: Path) -> None:
    """The change is asked for before the kill, and told as done after it."""
    with LiveServer(tmp_path / "data") as server:
        stage = stage_on(server)
        endpoints = Endpoints(stage)
        endpoints.serve("scaled")
        scaling = stage.client("application-autoscaling")
        scaling.register_scalable_target(**named("scaled"), MinCapacity=2, MaxCapacity=2)
        until(lambda: scaling.describe_scaling_activities(**NAMESPACE)["ScalingActivities"], bool)
        stage.close()
        server.kill()
        server.start()
        again = stage.client("application-autoscaling")

        def told() -> list[tuple[str, str]]:
            found = again.describe_scaling_activities(**NAMESPACE)["ScalingActivities"]
            return [(each["Description"], each["StatusCode"]) for each in found]

        assert until(told, lambda found: found[0][1] != "InProgress") == [
            ("Setting desired instance count to 2.", "Successful")
        ]
        (variant_told,) = endpoints.in_service("scaled")["ProductionVariants"]
        assert variant_told["DesiredInstanceCount"] == 2
        stage.close()
