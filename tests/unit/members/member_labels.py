"""Requests for the operations of Rekognition Custom Labels, and what has to be there for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from relook.core.clock import system_clock
from relook.core.custom_labels.names import parse_project
from relook.core.custom_labels.states import VersionStatus
from relook.store import rekognition_projects as projects
from relook.store import rekognition_versions as versions

if TYPE_CHECKING:
    from member_world import World

BUCKET = "data"
OUTPUT = {"S3Bucket": BUCKET}
MANIFEST = {"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Name": "in/one"}}}
POLICY = """{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Resource": "*",
    "Action": "rekognition:CopyProjectVersion"}]}"""
_TRAINED = versions.Outcome("folder", "single-label", {}, 1.0, 1, 1)

Requests = Callable[["World", str], list[dict[str, Any]]]


def _called(world: World, operation: str, **members: Any) -> str:
    """The one ARN of the answer."""
    (arn,) = world.call("rekognition", operation, **members).values()
    return str(arn)


def _project(world: World, name: str) -> str:
    return _called(world, "CreateProject", ProjectName=f"of-{name}")


def _dataset(world: World, name: str, project: str | None = None, kind: str = "TRAIN") -> str:
    return _called(world, "CreateDataset", ProjectArn=project or _project(world, name), DatasetType=kind)


def _version(world: World, name: str, *statuses: VersionStatus) -> str:
    """A trained one that nothing has trained, in the last of these statuses."""
    project = parse_project(_project(world, name))
    with world.store.write() as connection:
        found = projects.find(connection, project)
        assert found is not None
        training, output = VersionStatus.TRAINING_IN_PROGRESS, versions.Output(BUCKET, "")
        new = versions.NewVersion(found.id, "v", training, "", output, seed=1, auto_split=True)
        made = versions.create(connection, new, system_clock())
        done = VersionStatus.TRAINING_COMPLETED
        assert versions.finished(connection, made.id, done, "", _TRAINED, versions.Files())
        assert all(versions.change_status(connection, made.id, status, "") for status in statuses)
    return str(made.name)


def _copied(world: World, name: str) -> list[dict[str, Any]]:
    source = _version(world, name)
    (found,) = world.call("rekognition", "DescribeProjects", ProjectNames=[f"of-{name}"])["ProjectDescriptions"]
    return [
        {
            "SourceProjectArn": found["ProjectArn"],
            "SourceProjectVersionArn": source,
            "DestinationProjectArn": found["ProjectArn"],
            "VersionName": name,
            "OutputConfig": dict(OUTPUT),
        }
    ]


def _both(world: World, name: str) -> list[dict[str, Any]]:
    project = _project(world, name)
    return [{"Datasets": [{"Arn": _dataset(world, name, project, kind)} for kind in ("TRAIN", "TEST")]}]


def _with_policy(world: World, name: str) -> list[dict[str, Any]]:
    members = {"ProjectArn": _project(world, name), "PolicyName": name}
    world.call("rekognition", "PutProjectPolicy", **members, PolicyDocument=POLICY)
    return [members]


def _detected(world: World, name: str) -> list[dict[str, Any]]:
    arn = _version(world, name, VersionStatus.STARTING, VersionStatus.RUNNING)
    return [
        {"ProjectVersionArn": arn, "Image": image}
        for image in ({"S3Object": {"Bucket": BUCKET, "Name": "in/one"}}, {"Bytes": b"x"})
    ]


LABEL_REQUESTS: Mapping[str, Requests] = {
    "CopyProjectVersion": _copied,
    "CreateDataset": lambda world, name: [
        {"ProjectArn": _project(world, name), "DatasetType": "TRAIN", "DatasetSource": MANIFEST}
    ],
    "CreateProject": lambda _, name: [{"ProjectName": name}],
    "CreateProjectVersion": lambda world, name: [
        {
            "ProjectArn": _project(world, name),
            "VersionName": name,
            "OutputConfig": dict(OUTPUT),
            "TrainingData": {"Assets": [MANIFEST]},
            "TestingData": {"Assets": [MANIFEST]},
        }
    ],
    "DeleteDataset": lambda world, name: [{"DatasetArn": _dataset(world, name)}],
    "DeleteProject": lambda world, name: [{"ProjectArn": _project(world, name)}],
    "DeleteProjectPolicy": _with_policy,
    "DeleteProjectVersion": lambda world, name: [{"ProjectVersionArn": _version(world, name)}],
    "DescribeDataset": lambda world, name: [{"DatasetArn": _dataset(world, name)}],
    "DescribeProjectVersions": lambda world, name: [{"ProjectArn": _project(world, name)}],
    "DetectCustomLabels": _detected,
    "DistributeDatasetEntries": _both,
    "ListDatasetEntries": lambda world, name: [{"DatasetArn": _dataset(world, name)}],
    "ListDatasetLabels": lambda world, name: [{"DatasetArn": _dataset(world, name)}],
    "ListProjectPolicies": lambda world, name: [{"ProjectArn": _project(world, name)}],
    "ListTagsForResource": lambda world, name: [{"ResourceArn": _project(world, name)}],
    "PutProjectPolicy": lambda world, name: [
        {"ProjectArn": _project(world, name), "PolicyName": name, "PolicyDocument": POLICY}
    ],
    "StartProjectVersion": lambda world, name: [{"ProjectVersionArn": _version(world, name), "MinInferenceUnits": 1}],
    "StopProjectVersion": lambda world, name: [{"ProjectVersionArn": _version(world, name, VersionStatus.STARTING)}],
    "TagResource": lambda world, name: [{"ResourceArn": _project(world, name), "Tags": {"a": "b"}}],
    "UntagResource": lambda world, name: [{"ResourceArn": _project(world, name), "TagKeys": ["a"]}],
    "UpdateDatasetEntries": lambda world, name: [
        {"DatasetArn": _dataset(world, name), "Changes": {"GroundTruth": b"{}"}}
    ],
}
