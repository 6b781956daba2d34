"""CreateTrainingJob: what its members may say, and what is kept of them."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from relook.aws.operation import Members, RequestContext
from relook.blobs.errors import BlobError
from relook.blobs.folder import FolderBlobs
from relook.containers.training.objects import any_below, nothing_there
from relook.core.batch import BadInput
from relook.core.batch.names import Place
from relook.core.training import TrainingInputError
from relook.core.training.channels import Channel, channels
from relook.core.training.hyperparameters import complete
from relook.core.training.metrics import Metrics
from relook.services.sagemaker.algorithms import find_algorithm
from relook.services.sagemaker.destinations import check_bucket
from relook.services.sagemaker.errors import validation
from relook.services.sagemaker.refusing import refuse, refuse_keys

CHECKPOINTS = "/opt/ml/checkpoints"
TENSORBOARD = "/opt/ml/output/tensorboard"
_RESERVED = ("/opt/ml/input", "/opt/ml/model", "/opt/ml/output/data", "/opt/ml/output/failure")
_ROOTS = {"/", "/opt", "/opt/ml", "/opt/ml/output"}
_SYSTEM = ("/proc", "/sys", "/dev", "/etc", "/usr", "/bin", "/sbin", "/lib", "/lib64")

_UNOFFERED = {
    "VpcConfig": "set EnableNetworkIsolation to true for a training without any network, or leave it out",
    "ServerlessJobConfig": "name a TrainingImage or an AlgorithmName instead",
    "MlflowConfig": "leave it out",
    "ModelPackageConfig": "call CreateModelPackage with the artifacts of the finished job",
}
_UNOFFERED_RESOURCES = {
    "KeepAlivePeriodInSeconds": "warm pools have nothing to keep warm here; leave it out",
    "InstanceGroups": "one machine trains; give InstanceType and InstanceCount 1",
    "TrainingPlanArn": "leave it out",
    "InstancePlacementConfig": "leave it out",
    "InstancePreferences": "give InstanceType instead",
    "SelectedInstanceType": "give InstanceType instead",
    "SelectedInstanceCount": "give InstanceCount instead",
}
_NOT_ENABLED = (
    ("RemoteDebugConfig", "EnableRemoteDebug"),
    ("InfraCheckConfig", "EnableInfraCheck"),
    ("SessionChainingConfig", "EnableSessionTagChaining"),
)
_UNOFFERED_SOURCES = {
    "FileSystemDataSource": "put the files into a bucket and give S3DataSource",
    "DatasetSource": "put the files into a bucket and give S3DataSource",
}
_UNOFFERED_IN_S3 = {
    "InstanceGroupNames": "one machine trains; leave it out",
    "ModelAccessConfig": "leave it out",
    "HubAccessConfig": "leave it out",
}
_NO_CONTAINER = dict.fromkeys(
    ("ContainerEntrypoint", "ContainerArguments"), "this algorithm runs in no container; leave it out"
)
_DEFAULT_RUNTIME = 86_400


def check(blobs: FolderBlobs, context: RequestContext, members: Members) -> None:
    """Everything that can be told without the rows of SageMaker. ValidationException."""
    _check_offered(members)
    _check_stopping(members)
    _check_paths(members)
    try:
        given = channels(members.get("InputDataConfig") or (), members["AlgorithmSpecification"]["TrainingInputMode"])
        Metrics(members["AlgorithmSpecification"].get("MetricDefinitions") or ())
        _check_data(blobs, context.account, given)
    except TrainingInputError as error:
        raise validation(str(error)) from None
    for where in ("OutputDataConfig", "CheckpointConfig", "TensorBoardOutputConfig"):
        if where in members:
            given = members[where]
            check_bucket(blobs, context.account, where, given.get("S3OutputPath") or given["S3Uri"])


def define(
    connection: Connection, context: RequestContext, members: Members
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """What to keep of the members, defaults filled in, and what the algorithm's name stands for."""
    definition = {name: value for name, value in members.items() if name != "Tags" and value is not None}
    resources = dict(members["ResourceConfig"])
    definition["ResourceConfig"] = {"InstanceCount": 1, "VolumeSizeInGB": 1} | resources
    stopping = {"MaxRuntimeInSeconds": _DEFAULT_RUNTIME}
    definition["StoppingCondition"] = stopping | dict(members.get("StoppingCondition") or {})
    algorithm = _algorithm(connection, context, members)
    if algorithm is not None:
        try:
            specified = algorithm["specification"].get("SupportedHyperParameters") or ()
            definition["HyperParameters"] = complete(members.get("HyperParameters") or {}, specified)
        except TrainingInputError as error:
            raise validation(str(error)) from None
        _check_algorithm(members, algorithm)
    return definition, algorithm


def _check_offered(members: Members) -> None:
    specification = members.get("AlgorithmSpecification")
    refuse(members, _UNOFFERED)
    if not specification:
        raise validation("AlgorithmSpecification is missing; give TrainingImage or AlgorithmName in it")
    if bool(specification.get("TrainingImage")) == bool(specification.get("AlgorithmName")):
        raise validation("AlgorithmSpecification takes either TrainingImage or AlgorithmName, and needs one of them")
    _check_image(specification.get("TrainingImageConfig") or {}, "AlgorithmSpecification.TrainingImageConfig")
    resources = members.get("ResourceConfig")
    if not resources or not resources.get("InstanceType"):
        raise validation("ResourceConfig.InstanceType is missing; give any name of one, such as ml.m5.large")
    refuse(resources, _UNOFFERED_RESOURCES, "ResourceConfig")
    refuse_keys(resources, "ResourceConfig", "VolumeKmsKeyId")
    refuse_keys(members["OutputDataConfig"], "OutputDataConfig")
    if resources.get("InstanceCount", 1) != 1:
        raise validation("ResourceConfig.InstanceCount has to be 1: training on several machines is not offered here")
    for name, switch in _NOT_ENABLED:
        refuse(members.get(name) or {}, {switch: "leave it out"}, name)
    for index, channel in enumerate(members.get("InputDataConfig") or (), 1):
        refuse(channel["DataSource"], _UNOFFERED_SOURCES, f"InputDataConfig.{index}.DataSource")
        source = channel["DataSource"].get("S3DataSource") or {}
        refuse(source, _UNOFFERED_IN_S3, f"InputDataConfig.{index}.DataSource.S3DataSource")


def _check_image(image: Members, path: str) -> None:
    registry = "images come from the engine's own registries, signed in there; leave it out"
    refuse(image, {"TrainingRepositoryAuthConfig": registry}, path)
    if image.get("TrainingRepositoryAccessMode") == "Vpc":
        refuse(image, {"TrainingRepositoryAccessMode": "set it to Platform"}, path)


def _check_stopping(members: Members) -> None:
    stopping = members.get("StoppingCondition") or {}
    waiting = "a job waits its turn, however long that takes; leave it out, and stop the job by StopTrainingJob"
    refuse(stopping, {"MaxPendingTimeInSeconds": waiting}, "StoppingCondition")
    spot, wait = members.get("EnableManagedSpotTraining"), stopping.get("MaxWaitTimeInSeconds")
    runtime = stopping.get("MaxRuntimeInSeconds", _DEFAULT_RUNTIME)
    if spot and wait is None:
        raise validation("StoppingCondition.MaxWaitTimeInSeconds is needed with EnableManagedSpotTraining")
    if wait is not None and not spot:
        raise validation("StoppingCondition.MaxWaitTimeInSeconds needs EnableManagedSpotTraining; leave it out")
    if wait is not None and wait < runtime:
        raise validation("StoppingCondition.MaxWaitTimeInSeconds is less than MaxRuntimeInSeconds; raise it")


def _check_paths(members: Members) -> None:
    for name, usual in (("CheckpointConfig", CHECKPOINTS), ("TensorBoardOutputConfig", TENSORBOARD)):
        path = local_path(members, name, usual)
        if path is None:
            continue
        taken = any(path == one or path.startswith(one + "/") for one in (*_RESERVED, *_SYSTEM))
        if not path.startswith("/") or posixpath.normpath(path) != path or taken or path in _ROOTS:
            raise validation(f"{name}.LocalPath {path} cannot be used: give a folder of its own, such as {usual}")


def local_path(definition: Mapping[str, Any], name: str, usual: str) -> str | None:
    """The folder of CheckpointConfig or TensorBoardOutputConfig inside the container; None where there is none."""
    given = definition.get(name)
    return None if given is None else (given.get("LocalPath") or usual)


def place_of(uri: str) -> Place:
    """An output location, without slashes at its end; ValidationException."""
    try:
        place = Place.parse(uri)
    except BadInput as error:
        raise validation(str(error)) from None
    return Place(place.bucket, place.prefix.rstrip("/"))


def _check_data(blobs: FolderBlobs, account: str, given: list[Channel]) -> None:
    for channel in given:
        try:
            found = any_below(blobs, account, channel.place)
        except BlobError as error:
            raise validation(f"{nothing_there(channel.place)} {error}") from None
        if not found:
            raise validation(str(nothing_there(channel.place)))


def _algorithm(connection: Connection, context: RequestContext, members: Members) -> dict[str, Any] | None:
    name = members["AlgorithmSpecification"].get("AlgorithmName")
    if not name:
        return None
    found = find_algorithm(connection, context, name)
    specification = found.content["TrainingSpecification"]
    return {"arn": found.arn, "builtin": found.builtin, "specification": specification}


def _check_algorithm(members: Members, algorithm: Mapping[str, Any]) -> None:
    specification: Mapping[str, Any] = algorithm["specification"]
    if algorithm["builtin"]:
        refuse(members["AlgorithmSpecification"], _NO_CONTAINER, "AlgorithmSpecification")
    wanted = members["ResourceConfig"]["InstanceType"]
    if wanted not in specification["SupportedTrainingInstanceTypes"]:
        allowed = ", ".join(specification["SupportedTrainingInstanceTypes"])
        raise validation(f"ResourceConfig.InstanceType {wanted} is none of the algorithm's: {allowed}")
    given = {one["ChannelName"]: one for one in members.get("InputDataConfig") or ()}
    known = {one["Name"]: one for one in specification["TrainingChannels"]}
    if unknown := [name for name in given if name not in known]:
        raise validation(f"the algorithm has no channel {', '.join(unknown)}; there are: {', '.join(known)}")
    for name, channel in known.items():
        if channel.get("IsRequired") and name not in given:
            raise validation(f"the algorithm needs the channel {name}")
        mode = given.get(name, {}).get("InputMode") or members["AlgorithmSpecification"]["TrainingInputMode"]
        if name in given and mode not in channel["SupportedInputModes"]:
            allowed = ", ".join(channel["SupportedInputModes"])
            raise validation(f"channel {name}: the algorithm takes the input mode {allowed}, not {mode}")
