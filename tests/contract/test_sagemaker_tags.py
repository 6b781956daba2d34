"""Tags through real boto3, alike for every kind of resource."""

from __future__ import annotations

from typing import Any

import pytest
from lookout_stage import ACCOUNT, Stage, outcome
from sagemaker_calls import make_model, specification, variant

REGION = "sa-east-1"


@pytest.fixture(scope="module")
def sagemaker(stage: Stage) -> Any:
    return stage.client("sagemaker", REGION)


@pytest.fixture(scope="module")
def arns(sagemaker: Any) -> dict[str, str]:
    """One of each kind."""
    made = {"model": make_model(sagemaker, "tagged")}
    config = sagemaker.create_endpoint_config(EndpointConfigName="tagged", ProductionVariants=[variant("tagged")])
    made["endpoint-config"] = config["EndpointConfigArn"]
    group = sagemaker.create_model_package_group(ModelPackageGroupName="Tagged")
    made["model-package-group"] = group["ModelPackageGroupArn"]
    package = sagemaker.create_model_package(
        ModelPackageGroupName="Tagged", InferenceSpecification=specification(), ModelApprovalStatus="Approved"
    )
    made["model-package"] = package["ModelPackageArn"]
    return made


@pytest.mark.parametrize("kind", ["model", "endpoint-config", "model-package-group", "model-package"])
def test_tags_are_added_replaced_and_removed(sagemaker: Any, arns: dict[str, str], kind: str) -> None:
    where = {"ResourceArn": arns[kind]}
    added = sagemaker.add_tags(**where, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    assert added["Tags"] == [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
    sagemaker.add_tags(**where, Tags=[{"Key": "b", "Value": "3"}])
    assert sagemaker.list_tags(**where)["Tags"] == [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "3"}]
    sagemaker.delete_tags(**where, TagKeys=["a", "unknown"])
    assert sagemaker.list_tags(**where)["Tags"] == [{"Key": "b", "Value": "3"}]


@pytest.mark.parametrize(
    ("resource", "words"),
    [
        ("model/nobody", "does not exist."),
        ("model-package/tagged/7", "does not exist."),
        ("model-package/tagged/x", "does not exist."),
        ("notebook-instance/mine", "a notebook-instance cannot be tagged here"),
    ],
)
def test_what_is_not_there_cannot_be_tagged(sagemaker: Any, arns: dict[str, str], resource: str, words: str) -> None:
    where = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{resource}"
    for call in (sagemaker.list_tags, sagemaker.add_tags, sagemaker.delete_tags):
        more = {"add_tags": {"Tags": []}, "delete_tags": {"TagKeys": ["a"]}}.get(call.__name__, {})
        code, _, message = outcome(call, ResourceArn=where, **more)
        assert code == "ValidationException"
        assert words in message


def test_another_accounts_resource_is_not_there(sagemaker: Any, arns: dict[str, str]) -> None:
    code, _, message = outcome(sagemaker.list_tags, ResourceArn=arns["model"].replace(ACCOUNT, "111111111111"))
    assert code == "ValidationException"
    assert "does not exist" in message


def test_fifty_tags_are_the_most(sagemaker: Any, arns: dict[str, str]) -> None:
    made = make_model(sagemaker, "crowded", Tags=[{"Key": str(each), "Value": ""} for each in range(50)])
    code, _, message = outcome(sagemaker.add_tags, ResourceArn=made, Tags=[{"Key": "one-more", "Value": ""}])
    assert code == "ValidationException"
    assert "the most is 50" in message
    assert len(sagemaker.list_tags(ResourceArn=made)["Tags"]) == 50
    assert outcome(sagemaker.add_tags, ResourceArn=made, Tags=[{"Key": "aws:x", "Value": ""}])[2].endswith(
        "choose another"
    )
