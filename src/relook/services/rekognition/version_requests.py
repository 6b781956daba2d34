"""What CreateProjectVersion and CopyProjectVersion are asked for, and the quotas that both meet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from relook.aws.operation import Members
from relook.core.custom_labels.names import DatasetType
from relook.core.custom_labels.results import FILES, REPORT, output_key, results_name
from relook.core.custom_labels.states import DATASET_COMPLETE, DatasetStatus
from relook.core.locations import MAX_KEY_BYTES
from relook.services.rekognition.errors import in_use, invalid, quota_exceeded
from relook.services.rekognition.limits import Limits
from relook.store import rekognition_datasets as datasets
from relook.store import rekognition_entries as entries
from relook.store import rekognition_versions as versions
from relook.store.rekognition_datasets import Dataset
from relook.store.rekognition_projects import Project
from relook.store.rekognition_versions import Output

Manifest = Mapping[str, str]
"""An S3Object: Bucket, Name and perhaps Version."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What a version is trained on: manifests, or datasets. Without a second one the first is split."""

    training: Manifest | Dataset
    testing: Manifest | Dataset | None

    @property
    def manifests(self) -> tuple[Manifest | None, Manifest | None]:
        """Of each set the manifest, None where it is a dataset or not there."""
        return _manifest(self.training), _manifest(self.testing)

    @property
    def datasets(self) -> list[Dataset]:
        return [source for source in (self.training, self.testing) if isinstance(source, Dataset)]


def output_of(connection: Connection, members: Members, project: Project) -> Output:
    """InvalidParameterException without a bucket, where a result could not be read by S3 for its long key, and where it
    would replace another version's: the keys have neither a region nor anything between the two names but a hyphen."""
    given = members["OutputConfig"]
    if "S3Bucket" not in given:
        raise invalid("OutputConfig needs S3Bucket: the results of the training are written there")
    prefix = given.get("S3KeyPrefix", "")
    names = (project.name.project, members["VersionName"])
    longest = max(len(output_key(prefix, file, *names).encode()) for file in (*FILES, REPORT))
    if longest > MAX_KEY_BYTES:
        raise invalid(
            f"OutputConfig.S3KeyPrefix makes a key of {longest} bytes for one of the results; the most is "
            f"{MAX_KEY_BYTES}: choose a shorter one"
        )
    output = Output(given["S3Bucket"], prefix)
    other = versions.of_same_results(connection, project.name.scope.account, output, results_name(*names))
    if other is not None:
        raise invalid(f"OutputConfig: {other} has its results there under the same names; choose another S3KeyPrefix")
    return output


def refuse_key(members: Members) -> None:
    if "KmsKeyId" in members:
        raise invalid("KmsKeyId is not supported yet; leave it out")


def require_free_name(connection: Connection, project: Project, name: str) -> None:
    """ResourceInUseException."""
    if versions.named(connection, project.id, name) is not None:
        raise in_use(f"Project {project.name.project} already has a version {name}; choose another VersionName")


def require_room(connection: Connection, project: Project, limits: Limits) -> None:
    """ServiceQuotaExceededException."""
    if versions.count(connection, project.id) >= limits.versions:
        message = f"Project {project.name.project} has {limits.versions} versions, which is the most; delete one first"
        raise quota_exceeded(f"{message}, or raise the setting label_versions")


def sources_of(connection: Connection, project: Project, members: Members) -> Sources:
    """The manifests that are given, or the project's datasets. InvalidParameterException, ResourceInUseException."""
    given = _given(members)
    found = datasets.of_project(connection, project.id)
    if given is not None:
        if found:
            raise invalid(
                f"Project {project.name.project} has datasets: they are what its versions are trained on; "
                "leave TrainingData and TestingData out"
            )
        return given
    if DatasetType.TRAIN not in found:
        raise invalid(
            f"Project {project.name.project} has no training dataset: make one with CreateDataset, "
            "or give TrainingData and TestingData"
        )
    for dataset in found.values():
        _require_complete(dataset)
    test = found.get(DatasetType.TEST)
    if test is not None and not entries.count(connection, test.id):
        test = None
    return Sources(found[DatasetType.TRAIN], test)


def _require_complete(dataset: Dataset) -> None:
    if dataset.status is DatasetStatus.CREATE_FAILED:
        raise invalid(f"Dataset {dataset.name} could not be created ({dataset.message}): delete it and make it again")
    if dataset.status not in DATASET_COMPLETE:
        raise in_use(f"Dataset {dataset.name} is {dataset.status}; wait until that has ended")


def _given(members: Members) -> Sources | None:
    if "TrainingData" not in members and "TestingData" not in members:
        return None
    for one, other in (("TrainingData", "TestingData"), ("TestingData", "TrainingData")):
        if one not in members:
            raise invalid(f"{other} is given without {one}: give both, or neither to train on the project's datasets")
    training = _asset(members["TrainingData"], "TrainingData")
    if training is None:
        raise invalid("TrainingData.Assets must have one GroundTruthManifest")
    testing = _asset(members["TestingData"], "TestingData")
    if bool(members["TestingData"].get("AutoCreate")) == (testing is not None):
        raise invalid("TestingData needs either one GroundTruthManifest in Assets, or AutoCreate true")
    return Sources(training, testing)


def _asset(given: Mapping[str, Any], name: str) -> Manifest | None:
    assets = given.get("Assets", [])
    if not assets:
        return None
    s3_object: Manifest = assets[0].get("GroundTruthManifest", {}).get("S3Object", {})
    if len(assets) > 1 or not {"Bucket", "Name"} <= s3_object.keys():
        raise invalid(f"{name}.Assets must have one GroundTruthManifest with the Bucket and Name of its S3Object")
    return dict(s3_object)


def _manifest(source: Manifest | Dataset | None) -> Manifest | None:
    return None if isinstance(source, Dataset) else source
