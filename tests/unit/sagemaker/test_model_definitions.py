"""What a model means to whoever runs it: every indirection resolved when it is created, and kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from relook.aws.errors import ServiceError
from relook.aws.operation import RequestContext
from relook.core.identity import Principal
from relook.core.names import Scope
from relook.core.serving import ContainerDefinition, ContainerMode, ModelData, ModelDefinition
from relook.services.sagemaker.models import Models, resolve
from relook.services.sagemaker.packages import Packages
from relook.services.sagemaker.public_algorithm import SERVING_IMAGE
from relook.store.engine import Store

ACCOUNT, REGION = "123456789012", "eu-central-1"
SCOPE = Scope(ACCOUNT, REGION)
DATA = "s3://models/a/model.tar.gz"
PUBLIC = "arn:aws:sagemaker:us-east-1:865070037744:algorithm/lfv-public-algorithm-1"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "rows.sqlite3")
    yield store
    store.close()


def context() -> RequestContext:
    principal = Principal(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT, "AKIA")
    return RequestContext(ACCOUNT, REGION, principal, "request-1", 1_600_000_000_123, "http://127.0.0.1:1")


def defined(store: Store, **members: Any) -> ModelDefinition:
    Models(store).create(context(), {"ModelName": "Model", **members})
    with store.read() as connection:
        return resolve(connection, SCOPE, "model")


def package(store: Store, name: str, **members: Any) -> None:
    Packages(store).create(context(), {"ModelPackageName": name, **members})


def test_one_container(store: Store) -> None:
    found = defined(
        store,
        PrimaryContainer={"Image": "echo", "ModelDataUrl": DATA, "Environment": {"A": "1"}},
        EnableNetworkIsolation=True,
    )
    one = ContainerDefinition("echo", data=ModelData(DATA), environment={"A": "1"})
    assert found == ModelDefinition("Model", (one,), isolated=True)


@pytest.mark.parametrize(
    ("kind", "compression", "meant"),
    [
        ("S3Object", "Gzip", ModelData("s3://m/k", prefix=False, gzip=True)),
        ("S3Object", "None", ModelData("s3://m/k", prefix=False, gzip=False)),
        ("S3Prefix", "None", ModelData("s3://m/k", prefix=True, gzip=False)),
    ],
)
def test_a_model_data_source(store: Store, kind: str, compression: str, meant: ModelData) -> None:
    source = {"S3Uri": "s3://m/k", "S3DataType": kind, "CompressionType": compression}
    container = {
        "Image": "echo",
        "ModelDataSource": {"S3DataSource": source},
        "AdditionalModelDataSources": [{"ChannelName": "more", "S3DataSource": source}],
    }
    [found] = defined(store, PrimaryContainer=container).containers
    assert found.data == meant
    assert found.extra == {"more": meant}


def test_many_models_in_one_container(store: Store) -> None:
    container = {
        "Image": "echo",
        "Mode": "MultiModel",
        "ModelDataUrl": "s3://models/all/",
        "MultiModelConfig": {"ModelCacheSetting": "Disabled"},
    }
    [found] = defined(store, PrimaryContainer=container).containers
    assert found.mode is ContainerMode.MULTI_MODEL
    assert found.data == ModelData("s3://models/all/", prefix=True, gzip=True)
    assert found.cached is False


def test_a_package_of_the_public_algorithm(store: Store) -> None:
    source = {"SourceAlgorithms": [{"AlgorithmName": PUBLIC, "ModelDataUrl": DATA}]}
    package(store, "cookie", SourceAlgorithmSpecification=source)
    [found] = defined(store, Containers=[{"ModelPackageName": "COOKIE"}], EnableNetworkIsolation=True).containers
    assert found == ContainerDefinition(SERVING_IMAGE, data=ModelData(DATA))


def test_a_package_of_several_containers_is_a_pipeline(store: Store) -> None:
    digest = "sha256:" + "AB" * 32
    specification = {
        "Containers": [
            {"Image": "scale", "ContainerHostname": "first", "Environment": {"A": "1", "B": "1"}},
            {"Image": "score:2", "ImageDigest": digest, "ModelDataUrl": DATA},
        ]
    }
    package(store, "line", InferenceSpecification=specification)
    found = defined(
        store, Containers=[{"ModelPackageName": "line", "Environment": {"B": "2"}}, {"Image": "tell"}]
    ).containers
    assert [each.image for each in found] == ["scale", f"score:2@{digest.lower()}", "tell"]
    assert [each.hostname for each in found] == ["first", None, None]
    assert [dict(each.environment) for each in found] == [{"A": "1", "B": "2"}, {"B": "2"}, {}]


def test_a_model_outlives_its_package(store: Store) -> None:
    package(store, "brief", InferenceSpecification={"Containers": [{"Image": "echo"}]})
    Models(store).create(context(), {"ModelName": "m", "PrimaryContainer": {"ModelPackageName": "brief"}})
    Packages(store).delete(context(), {"ModelPackageName": "brief"})
    with store.read() as connection:
        assert [each.image for each in resolve(connection, SCOPE, "m").containers] == ["echo"]


def test_what_a_package_brings_cannot_be_given_again(store: Store) -> None:
    package(store, "whole", InferenceSpecification={"Containers": [{"Image": "echo"}]})
    with pytest.raises(ServiceError, match=r"PrimaryContainer\.ModelDataUrl comes from the model package"):
        defined(store, PrimaryContainer={"ModelPackageName": "whole", "ModelDataUrl": DATA})


def test_more_containers_than_a_model_may_have_are_refused(store: Store) -> None:
    package(store, "long", InferenceSpecification={"Containers": [{"Image": "echo"}] * 15})
    with pytest.raises(ServiceError, match="16 containers; the most is 15"):
        defined(store, Containers=[{"ModelPackageName": "long"}, {"Image": "echo"}])


def test_a_model_that_is_not_there_cannot_be_resolved(store: Store) -> None:
    text = f'Could not find model "arn:aws:sagemaker:{REGION}:{ACCOUNT}:model/nobody".'
    with store.read() as connection, pytest.raises(ServiceError) as refused:
        resolve(connection, SCOPE, "Nobody")
    assert refused.value.message == text
