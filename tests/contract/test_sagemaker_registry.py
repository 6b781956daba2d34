"""Algorithms, model packages and their groups through real boto3, and models made of them."""

from __future__ import annotations

from typing import Any

import pytest
from lookout_stage import Stage, outcome
from sagemaker_calls import DATA, IMAGE, arn, make_model, specification

MARKETPLACE = "865070037744"
PUBLIC = arn("algorithm", "lfv-public-algorithm-2025-02-0a1b2c3d", MARKETPLACE)
TRAINING = {
    "TrainingImage": IMAGE,
    "SupportedTrainingInstanceTypes": ["ml.m5.large", "ml.of.tomorrow"],
    "TrainingChannels": [{"Name": "train", "SupportedContentTypes": ["image/png"], "SupportedInputModes": ["File"]}],
}


@pytest.fixture(scope="module")
def sagemaker(stage: Stage) -> Any:
    return stage.client("sagemaker", "eu-central-1")


def here(kind: str, name: str) -> str:
    return arn(kind, name).replace("us-east-1", "eu-central-1")


def test_an_algorithm_from_creation_to_deletion(sagemaker: Any) -> None:
    made = sagemaker.create_algorithm(
        AlgorithmName="Finder", TrainingSpecification=TRAINING, InferenceSpecification=specification()
    )["AlgorithmArn"]
    assert made == here("algorithm", "finder")
    for given in ("Finder", made):
        found = sagemaker.describe_algorithm(AlgorithmName=given)
        assert (found["AlgorithmName"], found["AlgorithmArn"]) == ("Finder", made)
        assert found["AlgorithmStatus"] == "Completed"
        assert found["AlgorithmStatusDetails"]["ValidationStatuses"] == []
        assert found["TrainingSpecification"] == TRAINING
        assert found["InferenceSpecification"] == specification()
        assert "ProductId" not in found
    assert [each["AlgorithmName"] for each in sagemaker.list_algorithms()["AlgorithmSummaryList"]] == ["Finder"]
    taken = outcome(sagemaker.create_algorithm, AlgorithmName="finder", TrainingSpecification=TRAINING)
    assert taken[2] == f"Algorithm already exists: {made}"
    sagemaker.delete_algorithm(AlgorithmName="Finder")
    missing = ("ValidationException", 400, f"Algorithm {made} does not exist.")
    assert outcome(sagemaker.describe_algorithm, AlgorithmName=made) == missing
    assert outcome(sagemaker.delete_algorithm, AlgorithmName="Finder") == missing


def test_algorithms_are_listed_oldest_first(stage: Stage) -> None:
    client = stage.client("sagemaker", "eu-north-1")
    for name in ("b", "a", "c"):
        client.create_algorithm(AlgorithmName=name, TrainingSpecification=TRAINING)
    assert [each["AlgorithmName"] for each in client.list_algorithms()["AlgorithmSummaryList"]] == ["b", "a", "c"]


def test_the_public_algorithm_is_found_in_any_account(sagemaker: Any) -> None:
    found = sagemaker.describe_algorithm(AlgorithmName=PUBLIC)
    assert found["AlgorithmArn"] == PUBLIC
    assert found["AlgorithmName"] == "lfv-public-algorithm-2025-02-0a1b2c3d"
    assert found["ProductId"]
    training = found["TrainingSpecification"]
    assert "ml.g4dn.2xlarge" in training["SupportedTrainingInstanceTypes"]
    names = {each["Name"]: each for each in training["SupportedHyperParameters"]}
    assert set(names) == {"ModelType", "TrainingInputDataAttributeNames", "TestInputDataAttributeNames"}
    values = names["ModelType"]["Range"]["CategoricalParameterRangeSpecification"]["Values"]
    assert values == ["classification", "classification-robust", "segmentation", "segmentation-robust"]
    defaults = {name: each.get("DefaultValue") for name, each in names.items()}
    assert defaults == dict.fromkeys(names) | {"ModelType": "classification"}
    channels = {each["Name"]: each["IsRequired"] for each in training["TrainingChannels"]}
    assert channels == {"training": True, "test": False}
    assert PUBLIC not in [each["AlgorithmArn"] for each in sagemaker.list_algorithms()["AlgorithmSummaryList"]]


def test_another_algorithm_of_a_foreign_account_does_not_exist(sagemaker: Any) -> None:
    foreign = arn("algorithm", "someone-elses", MARKETPLACE)
    told = outcome(sagemaker.describe_algorithm, AlgorithmName=foreign)
    assert told == ("ValidationException", 400, f"Algorithm {foreign} does not exist.")


def test_a_package_of_an_algorithm_becomes_a_model(sagemaker: Any) -> None:
    """As the SageMaker SDK goes from a trained algorithm to a transform or an endpoint."""
    source = {"SourceAlgorithms": [{"AlgorithmName": PUBLIC, "ModelDataUrl": DATA}]}
    made = sagemaker.create_model_package(
        ModelPackageName="Cookie-Package", ModelPackageDescription="cookies", SourceAlgorithmSpecification=source
    )["ModelPackageArn"]
    assert made == here("model-package", "cookie-package")
    for given in ("Cookie-Package", made):
        found = sagemaker.describe_model_package(ModelPackageName=given)
        assert found["ModelPackageStatus"] == "Completed"
        assert found["ModelPackageStatusDetails"]["ValidationStatuses"] == []
        assert found["ModelPackageDescription"] == "cookies"
        assert found["SourceAlgorithmSpecification"] == source
        [container] = found["InferenceSpecification"]["Containers"]
        assert (container["Image"], container["ModelDataUrl"]) == ("builtin/vision", DATA)
    make_model(sagemaker, "cookie-model", Containers=[{"ModelPackageName": "Cookie-Package"}])
    model = sagemaker.describe_model(ModelName="cookie-model")
    assert model["Containers"] == [{"ModelPackageName": "Cookie-Package", "Environment": {}}]
    taken = outcome(
        sagemaker.create_model_package, ModelPackageName="cookie-package", InferenceSpecification=specification()
    )
    assert taken == ("ValidationException", 400, f"ModelPackage already exists: {made}")
    sagemaker.delete_model_package(ModelPackageName=made)
    gone = outcome(sagemaker.describe_model_package, ModelPackageName="Cookie-Package")
    assert gone == ("ValidationException", 400, f"Model Package {made} does not exist.")


def test_versions_of_a_group(sagemaker: Any) -> None:
    group = sagemaker.create_model_package_group(
        ModelPackageGroupName="Line-A", ModelPackageGroupDescription="the first line"
    )["ModelPackageGroupArn"]
    assert group == here("model-package-group", "line-a")
    arns = [
        sagemaker.create_model_package(ModelPackageGroupName=name, InferenceSpecification=specification())[
            "ModelPackageArn"
        ]
        for name in ("Line-A", group)
    ]
    assert arns == [here("model-package", "line-a/1"), here("model-package", "line-a/2")]
    listed = sagemaker.list_model_packages(ModelPackageGroupName="Line-A")["ModelPackageSummaryList"]
    assert [each["ModelPackageVersion"] for each in listed] == [1, 2]
    assert [each["ModelApprovalStatus"] for each in listed] == ["PendingManualApproval"] * 2
    assert sagemaker.list_model_packages(NameContains="line-a")["ModelPackageSummaryList"] == []
    waiting = outcome(make_model, sagemaker=sagemaker, name="v2", PrimaryContainer={"ModelPackageName": arns[1]})
    assert "set ModelApprovalStatus to Approved" in waiting[2]
    sagemaker.update_model_package(
        ModelPackageArn=arns[1], ModelApprovalStatus="Approved", CustomerMetadataProperties={"shift": "night"}
    )
    found = sagemaker.describe_model_package(ModelPackageName="Line-A/2")
    assert found["ModelApprovalStatus"] == "Approved"
    assert found["CustomerMetadataProperties"] == {"shift": "night"}
    assert found["LastModifiedTime"] >= found["CreationTime"]
    approved = sagemaker.list_model_packages(ModelPackageType="Both", ModelApprovalStatus="Approved")
    assert [each["ModelPackageArn"] for each in approved["ModelPackageSummaryList"]] == [arns[1]]
    make_model(sagemaker, "v2", PrimaryContainer={"ModelPackageName": arns[1]})
    full = outcome(sagemaker.delete_model_package_group, ModelPackageGroupName="Line-A")
    assert full[0] == "ConflictException"
    for each in arns:
        sagemaker.delete_model_package(ModelPackageName=each)
    third = sagemaker.create_model_package(ModelPackageGroupName="line-a", InferenceSpecification=specification())
    assert third["ModelPackageArn"].endswith("/3")
    sagemaker.delete_model_package(ModelPackageName=third["ModelPackageArn"])
    sagemaker.delete_model_package_group(ModelPackageGroupName=group)
    gone = outcome(sagemaker.describe_model_package_group, ModelPackageGroupName="Line-A")
    assert gone == ("ValidationException", 400, f"Model Package Group {group} does not exist.")


def test_groups_are_described_and_listed(stage: Stage) -> None:
    client = stage.client("sagemaker", "eu-south-1")
    for name in ("first", "second"):
        client.create_model_package_group(ModelPackageGroupName=name, Tags=[{"Key": "n", "Value": name}])
    summaries = client.list_model_package_groups()["ModelPackageGroupSummaryList"]
    assert [each["ModelPackageGroupName"] for each in summaries] == ["first", "second"]
    found = client.describe_model_package_group(ModelPackageGroupName="first")
    assert found["ModelPackageGroupStatus"] == "Completed"
    assert client.list_tags(ResourceArn=found["ModelPackageGroupArn"])["Tags"] == [{"Key": "n", "Value": "first"}]
    again = outcome(client.create_model_package_group, ModelPackageGroupName="First")
    assert again[2] == f"ModelPackageGroup already exists: {found['ModelPackageGroupArn']}"


def test_a_repeated_call_with_its_token_makes_one_version(sagemaker: Any) -> None:
    sagemaker.create_model_package_group(ModelPackageGroupName="replayed")
    call = {"ModelPackageGroupName": "replayed", "InferenceSpecification": specification(), "ClientToken": "once"}
    first, second = (sagemaker.create_model_package(**call)["ModelPackageArn"] for _ in range(2))
    assert first == second
    other = call | {"ModelPackageDescription": "another"}
    assert outcome(sagemaker.create_model_package, **other)[0] == "ConflictException"


def test_further_specifications_are_chosen_by_name(sagemaker: Any) -> None:
    further = {"Name": "gpu", **specification(Image="fast")}
    made = sagemaker.create_model_package(ModelPackageName="two-ways", InferenceSpecification=specification())
    for _ in range(2):
        sagemaker.update_model_package(
            ModelPackageArn=made["ModelPackageArn"], AdditionalInferenceSpecificationsToAdd=[further]
        )
    found = sagemaker.describe_model_package(ModelPackageName="two-ways")
    assert found["AdditionalInferenceSpecifications"] == [further]
    chosen = {"ModelPackageName": "two-ways", "InferenceSpecificationName": "gpu"}
    make_model(sagemaker, "chosen", PrimaryContainer=chosen)
    wrong = outcome(
        make_model, sagemaker=sagemaker, name="wrong", PrimaryContainer=chosen | {"InferenceSpecificationName": "tpu"}
    )
    assert "no inference specification tpu" in wrong[2]


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({}, "Neither of the two names"),
        ({"ModelPackageName": "a", "ModelPackageGroupName": "b"}, "Both ModelPackageName and ModelPackageGroupName"),
        ({"ModelPackageName": "a"}, "Neither of InferenceSpecification and SourceAlgorithmSpecification"),
        (
            {
                "ModelPackageName": "a",
                "InferenceSpecification": specification(),
                "SecurityConfig": {"KmsKeyId": "key-1"},
            },
            "SecurityConfig.KmsKeyId is set, but this server has no KMS keys",
        ),
        (
            {"ModelPackageName": "a", "InferenceSpecification": specification(), "CertifyForMarketplace": True},
            "CertifyForMarketplace is not offered",
        ),
        ({"ModelPackageGroupName": "nobody", "InferenceSpecification": specification()}, "nobody does not exist."),
    ],
)
def test_what_a_package_cannot_be_is_refused_by_name(sagemaker: Any, members: dict[str, Any], words: str) -> None:
    code, _, message = outcome(sagemaker.create_model_package, **members)
    assert code == "ValidationException"
    assert words in message
