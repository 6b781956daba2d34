"""Members that are taken alone, and refused beside others with which they would be lost."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from member_world import ALGORITHM, SERVED, TRAINING, TRUST, World

from relook.aws.errors import ServiceError
from relook.services.sagemaker.training_container import image_of
from relook.store import sagemaker_training as trainings

PUBLIC = "arn:aws:sagemaker:us-east-1:865070037744:algorithm/lfv-public-algorithm-2025-02"
DIGEST = "sha256:" + "0A" * 32


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("company"))
    yield made
    made.close()


def refused(world: World, service: str, operation: str, members: dict[str, Any]) -> str:
    with pytest.raises(ServiceError) as caught:
        world.given(service, operation, members)
    return caught.value.message


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("ContainerMetricsConfig", {"MetricsEndpoints": [{"MetricsEndpointPath": "/metrics"}]}),
        ("MultiModelConfig", {"ModelCacheSetting": "Disabled"}),
    ],
    ids=["metrics", "many models"],
)
def test_what_a_model_package_knows_nothing_of(world: World, member: str, value: Any) -> None:
    package = world.package(f"known-{member}")
    container = {"ModelPackageName": package, member: value}
    message = refused(world, "sagemaker", "CreateModel", {"ModelName": "lost", "PrimaryContainer": container})
    assert message.startswith(f"PrimaryContainer.{member} ")
    world.call("sagemaker", "CreateModel", ModelName=member, PrimaryContainer={"ModelPackageName": package})


@pytest.mark.parametrize("member", ["ContainerEntrypoint", "ContainerArguments"])
def test_what_an_algorithm_without_a_container_could_not_run(world: World, member: str) -> None:
    specification = {"AlgorithmName": PUBLIC, "TrainingInputMode": "Pipe", member: ["run"]}
    resources = TRAINING["ResourceConfig"] | {"InstanceType": "ml.g4dn.2xlarge"}
    members = TRAINING | {"AlgorithmSpecification": specification, "ResourceConfig": resources}
    message = refused(world, "sagemaker", "CreateTrainingJob", {"TrainingJobName": "lost", **members})
    assert message.startswith(f"AlgorithmSpecification.{member} is not offered by this server: ")


def test_an_algorithm_trains_with_the_image_of_its_digest(world: World) -> None:
    algorithm = copy.deepcopy(ALGORITHM)
    algorithm["TrainingSpecification"]["TrainingImageDigest"] = DIGEST
    world.call("sagemaker", "CreateAlgorithm", AlgorithmName="pinned", **algorithm)
    members = TRAINING | {"AlgorithmSpecification": {"AlgorithmName": "pinned", "TrainingInputMode": "File"}}
    world.call("sagemaker", "CreateTrainingJob", TrainingJobName="pinned", **members)
    with world.store.read() as connection:
        (job,) = (each for each in trainings.everything(connection, world.scope) if each.name == "pinned")
    assert image_of(job) == f"image@{DIGEST.lower()}"


def test_a_package_takes_its_image_by_digest_too(world: World) -> None:
    served = SERVED | {"Containers": [{"Image": "image", "ImageDigest": DIGEST}]}
    made = world.call("sagemaker", "CreateModelPackage", ModelPackageName="pinned", InferenceSpecification=served)
    container = {"ModelPackageName": made["ModelPackageArn"]}
    world.call("sagemaker", "CreateModel", ModelName="pinned", PrimaryContainer=container)
    config = {"VariantName": "v", "ModelName": "pinned", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    world.call("sagemaker", "CreateEndpointConfig", EndpointConfigName="pinned", ProductionVariants=[config])
    world.call("sagemaker", "CreateEndpoint", EndpointName="pinned", EndpointConfigName="pinned")
    (variant,) = world.call("sagemaker", "DescribeEndpoint", EndpointName="pinned")["ProductionVariants"]
    assert variant["DeployedImages"][0]["SpecifiedImage"] == f"image@{DIGEST.lower()}"


@pytest.mark.parametrize(
    ("keys", "words"),
    [(("line", "Line"), "Duplicate tag keys found"), (("aws:line",), "'aws:line' starts with aws:, which is reserved")],
    ids=["twice", "reserved"],
)
def test_tags_of_a_role(world: World, keys: tuple[str, ...], words: str) -> None:
    tags = [{"Key": key, "Value": "1"} for key in keys]
    members = {"RoleName": "tagged", "AssumeRolePolicyDocument": TRUST, "Tags": tags}
    assert words in refused(world, "iam", "CreateRole", members)


@pytest.mark.parametrize("container", ["PrimaryContainer", "Containers"])
def test_images_of_a_vpc(world: World, container: str) -> None:
    given: Any = {"Image": "image", "ImageConfig": {"RepositoryAccessMode": "Vpc"}}
    members = {"ModelName": "vpc", container: given if container == "PrimaryContainer" else [given]}
    assert ".ImageConfig.RepositoryAccessMode is not offered" in refused(world, "sagemaker", "CreateModel", members)
