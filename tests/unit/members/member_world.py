"""The services as the app wires them, nothing of them running, and a request for each operation that takes much."""

from __future__ import annotations

import asyncio
import copy
import inspect
from collections.abc import Coroutine
from itertools import count
from pathlib import Path
from typing import Any

from botocore.model import Shape
from member_labels import LABEL_REQUESTS, Requests

from relook import app
from relook.aws.operation import RequestContext
from relook.blobs.folder import FolderBlobs
from relook.core.clock import system_clock
from relook.core.endpoint_states import EndpointStatus
from relook.core.identity import Principal
from relook.core.names import Scope
from relook.datafolder import DataFolder
from relook.settings import Settings
from relook.store import logs
from relook.store import sagemaker_endpoints as endpoints
from relook.store.engine import Store

ACCOUNT, REGION = "111122223333", "eu-west-1"
SCOPE = Scope(ACCOUNT, REGION)
BUCKET = "data"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/any"
TYPE = "ml.m5.large"
VARIANT = {"VariantName": "v", "ModelName": "m", "InitialInstanceCount": 1, "InstanceType": TYPE}
SCALED = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": "endpoint/e/variant/v",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}
SERVED = {"Containers": [{"Image": "image"}], "SupportedContentTypes": ["a/b"], "SupportedResponseMIMETypes": ["a/b"]}
CHANNEL = {
    "ChannelName": "train",
    "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/in/"}},
}
TRAINING = {
    "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
    "RoleArn": ROLE,
    "InputDataConfig": [CHANNEL],
    "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/out"},
    "ResourceConfig": {"InstanceType": TYPE, "InstanceCount": 1, "VolumeSizeInGB": 7},
    "StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 90},
    "EnableManagedSpotTraining": True,
}
TRANSFORM = {
    "ModelName": "m",
    "TransformInput": {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/in/"}}},
    "TransformOutput": {"S3OutputPath": f"s3://{BUCKET}/out"},
    "TransformResources": {"InstanceType": TYPE, "InstanceCount": 1},
}
ALGORITHM = {
    "TrainingSpecification": {
        "TrainingImage": "image",
        "SupportedTrainingInstanceTypes": [TYPE],
        "TrainingChannels": [{"Name": "train", "SupportedContentTypes": ["a/b"], "SupportedInputModes": ["File"]}],
    },
    "InferenceSpecification": SERVED,
}
TRACKING = {
    "TargetValue": 5.0,
    "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
}
TRUST = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}]}'
ALLOWS = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'


class World:
    def __init__(self, folder: Path) -> None:
        settings = Settings(folder, endpoint_instances=1000, trainings=1000, label_projects=1000)
        data = DataFolder(settings.data)
        self.store = Store.open(data.database)
        blobs = FolderBlobs(self.store, data.objects, system_clock)
        blobs.buckets.create(ACCOUNT, REGION, BUCKET)
        blobs.put(ACCOUNT, BUCKET, "in/one", b"1", "text/plain")
        self.services = {
            each.model.service_name: each for each in app._wired(settings, data, self.store, blobs).services
        }
        self._number = count()
        self.call("sagemaker", "CreateModel", ModelName="m", PrimaryContainer={"Image": "image"})
        self.call("sagemaker", "CreateEndpointConfig", EndpointConfigName="c", ProductionVariants=[VARIANT])
        self.call("sagemaker", "CreateEndpoint", EndpointName="e", EndpointConfigName="c")
        self.call("sagemaker", "CreateAlgorithm", AlgorithmName="a", **ALGORITHM)
        self.call("application-autoscaling", "RegisterScalableTarget", **SCALED, MinCapacity=1, MaxCapacity=2)
        self.call("iam", "CreateRole", RoleName="r", AssumeRolePolicyDocument=TRUST)
        self.scope = SCOPE
        self.model_arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model/m"
        with self.store.write() as connection:
            logs.append(connection, SCOPE, "/g", "s", [(1, "line")])

    def close(self) -> None:
        self.store.close()

    def call(self, service: str, operation: str, **members: Any) -> dict[str, Any]:
        return self.given(service, operation, members)

    def given(self, service: str, operation: str, members: dict[str, Any]) -> dict[str, Any]:
        """As the gateway would, but for the service model's own constraints."""
        principal = Principal(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT, "AKIA")
        context = RequestContext(ACCOUNT, REGION, principal, "id", system_clock(), "http://127.0.0.1")
        found = self.services[service].operations[operation].handler(context, members)
        if inspect.iscoroutine(found):
            found = asyncio.run(found) if service == "rekognition" else _ended(found)
        return dict(found or {})

    def input_of(self, service: str, operation: str) -> Shape:
        return self.services[service].model.operation_model(operation).input_shape

    def output_of(self, service: str, operation: str) -> Shape:
        return self.services[service].model.operation_model(operation).output_shape

    def request(self, operation: str, path: str) -> dict[str, Any]:
        """The members of a valid request, of a kind that the member at `path` can be given in, with a new name."""
        kinds = copy.deepcopy(REQUESTS.get(operation, _none)(self, f"n{next(self._number)}"))
        top = path.partition(".")[0].removesuffix("[]")
        members = next((each for each in kinds if top in each), kinds[0])
        for beside, value in BESIDE.get((operation, path), {}).items():
            first, _, rest = beside.partition(".")
            if rest:
                members[first][rest] = value
            else:
                members[first] = value
        return members

    def endpoint(self, name: str) -> str:
        """One that may be updated."""
        self.call("sagemaker", "CreateEndpoint", EndpointName=name, EndpointConfigName="c")
        with self.store.write() as connection:
            found = endpoints.find(connection, SCOPE, name)
            assert found is not None
            assert endpoints.change_status(connection, found.id, EndpointStatus.IN_SERVICE, system_clock())
        return name

    def package(self, name: str) -> str:
        made = self.call("sagemaker", "CreateModelPackage", ModelPackageName=name, InferenceSpecification=SERVED)
        return str(made["ModelPackageArn"])


def _ended(running: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine that waits for nothing returns or raises."""
    try:
        running.send(None)
    except StopIteration as end:
        return end.value
    running.close()
    raise AssertionError("it waits")


def _none(world: World, name: str) -> list[dict[str, Any]]:
    return [{}]


class Body:
    """What the gateway hands on."""

    content_length = 1

    async def read(self, limit: int) -> bytes:
        return b"x"


REQUESTS: dict[str, Requests] = {
    **LABEL_REQUESTS,
    "CreateEndpoint": lambda _, name: [{"EndpointName": name, "EndpointConfigName": "c"}],
    "UpdateEndpoint": lambda world, name: [{"EndpointName": world.endpoint(name), "EndpointConfigName": "c"}],
    "UpdateEndpointWeightsAndCapacities": lambda world, name: [
        {"EndpointName": world.endpoint(name), "DesiredWeightsAndCapacities": [{"VariantName": "v"}]}
    ],
    "CreateEndpointConfig": lambda _, name: [{"EndpointConfigName": name, "ProductionVariants": [VARIANT]}],
    "CreateModel": lambda _, name: [
        {"ModelName": name, "PrimaryContainer": {"Image": "image"}},
        {"ModelName": name, "Containers": [{"Image": "image"}]},
    ],
    "CreateModelPackageGroup": lambda _, name: [{"ModelPackageGroupName": name}],
    "CreateModelPackage": lambda _, name: [
        {
            "ModelPackageName": name,
            "InferenceSpecification": SERVED,
            "AdditionalInferenceSpecifications": [{"Name": "second", **SERVED}],
        },
        {
            "ModelPackageName": name,
            "SourceAlgorithmSpecification": {"SourceAlgorithms": [{"AlgorithmName": "a"}]},
        },
    ],
    "UpdateModelPackage": lambda world, name: [
        {
            "ModelPackageArn": world.package(name),
            "InferenceSpecification": SERVED,
            "AdditionalInferenceSpecificationsToAdd": [{"Name": "second", **SERVED}],
        }
    ],
    "CreateAlgorithm": lambda _, name: [{"AlgorithmName": name, **ALGORITHM}],
    "CreateTrainingJob": lambda _, name: [{"TrainingJobName": name, **TRAINING}],
    "CreateTransformJob": lambda _, name: [{"TransformJobName": name, **TRANSFORM}],
    "ListTrainingJobs": lambda _, name: [{}],
    "Search": lambda _, name: [{"Resource": "TrainingJob"}],
    "InvokeEndpoint": lambda _, name: [{"EndpointName": "e", "Body": Body()}],
    "InvokeEndpointAsync": lambda _, name: [{"EndpointName": "e", "Body": Body()}],
    "InvokeEndpointWithResponseStream": lambda _, name: [{"EndpointName": "e", "Body": Body()}],
    "AddTags": lambda world, name: [{"ResourceArn": world.model_arn, "Tags": [{"Key": "a", "Value": "b"}]}],
    "DeleteTags": lambda world, name: [{"ResourceArn": world.model_arn, "TagKeys": ["b"]}],
    "DescribeModelPackage": lambda world, name: [{"ModelPackageName": world.package(name)}],
    "RegisterScalableTarget": lambda _, name: [{**SCALED, "MinCapacity": 1, "MaxCapacity": 2}],
    "PutScalingPolicy": lambda _, name: [
        {
            **SCALED,
            "PolicyName": name,
            "PolicyType": "TargetTrackingScaling",
            "TargetTrackingScalingPolicyConfiguration": TRACKING,
        }
    ],
    "CreateRole": lambda _, name: [{"RoleName": name, "AssumeRolePolicyDocument": TRUST}],
    "AttachRolePolicy": lambda _, name: [{"RoleName": "r", "PolicyArn": "arn:aws:iam::aws:policy/Any"}],
    "DetachRolePolicy": lambda _, name: [{"RoleName": "r", "PolicyArn": "arn:aws:iam::aws:policy/Other"}],
    "ListAttachedRolePolicies": lambda _, name: [{"RoleName": "r"}],
    "ListRolePolicies": lambda _, name: [{"RoleName": "r"}],
    "PutRolePolicy": lambda _, name: [{"RoleName": "r", "PolicyName": name, "PolicyDocument": ALLOWS}],
    "DeleteRolePolicy": lambda _, name: [{"RoleName": "r", "PolicyName": name}],
    "GetRolePolicy": lambda _, name: [{"RoleName": "r", "PolicyName": name}],
    "PutRetentionPolicy": lambda _, name: [{"logGroupName": "/g", "retentionInDays": 7}],
    "DescribeLogStreams": lambda _, name: [{"logGroupName": "/g"}],
    "FilterLogEvents": lambda _, name: [{"logGroupName": "/g"}],
    "GetLogEvents": lambda _, name: [{"logGroupName": "/g", "logStreamName": "s"}],
    "DeleteScalingPolicy": lambda _, name: [{**SCALED, "PolicyName": name}],
    "DeregisterScalableTarget": lambda _, name: [{**SCALED, "ResourceId": "endpoint/none/variant/none"}],
    "DescribeScalableTargets": lambda _, name: [{"ServiceNamespace": "sagemaker"}],
    "DescribeScalingActivities": lambda _, name: [{"ServiceNamespace": "sagemaker"}],
    "DescribeScalingPolicies": lambda _, name: [{"ServiceNamespace": "sagemaker"}],
}
_MANY = {"Mode": "MultiModel", "ModelDataUrl": f"s3://{BUCKET}/many/"}
BESIDE: dict[tuple[str, str], dict[str, Any]] = {
    ("CreateModel", "PrimaryContainer.MultiModelConfig.ModelCacheSetting"): {
        f"PrimaryContainer.{name}": value for name, value in _MANY.items()
    },
    ("CreateModel", "Containers[].MultiModelConfig.ModelCacheSetting"): {"Containers": [{"Image": "image", **_MANY}]},
    ("UpdateEndpoint", "ExcludeRetainedVariantProperties[].VariantPropertyType"): {"RetainAllVariantProperties": True},
    ("Search", "SearchExpression.Operator"): {"SearchExpression": {"Filters": [{"Name": "TrainingJobName"}]}},
}
"""What goes with a member, so that it says something."""
