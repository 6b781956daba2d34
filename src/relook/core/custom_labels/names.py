"""How Custom Labels names its resources: every ARN ends in the time of creation, in milliseconds since the epoch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from relook.core.identity import PARTITION, Arn
from relook.core.names import Scope

SERVICE = "rekognition"
_NAME = r"[a-zA-Z0-9_.\-]{1,255}"
_PROJECT = re.compile(rf"project/(?P<project>{_NAME})/(?P<created>[0-9]+)")
_VERSION = re.compile(rf"project/(?P<project>{_NAME})/version/(?P<version>{_NAME})/(?P<created>[0-9]+)")
_DATASET = re.compile(rf"project/(?P<project>{_NAME})/dataset/(?P<kind>train|test)/(?P<created>[0-9]+)")
_MOST_DIGITS = 15


class DatasetType(StrEnum):
    """As the API writes it; ARNs have it in lower case."""

    TRAIN = "TRAIN"
    TEST = "TEST"


@dataclass(frozen=True, slots=True)
class ProjectName:
    """One project, in full. `created` is in milliseconds since the epoch."""

    scope: Scope
    project: str
    created: int

    def __str__(self) -> str:
        return _arn(self.scope, f"project/{self.project}/{self.created}")


@dataclass(frozen=True, slots=True)
class VersionName:
    """One model version, in full. `created` is the version's; the ARN does not tell the project's."""

    scope: Scope
    project: str
    version: str
    created: int

    def __str__(self) -> str:
        return _arn(self.scope, f"project/{self.project}/version/{self.version}/{self.created}")


@dataclass(frozen=True, slots=True)
class DatasetName:
    """One dataset, in full. `created` is the dataset's; the ARN does not tell the project's."""

    scope: Scope
    project: str
    kind: DatasetType
    created: int

    def __str__(self) -> str:
        return _arn(self.scope, f"project/{self.project}/dataset/{self.kind.lower()}/{self.created}")


ResourceName = ProjectName | VersionName | DatasetName


def parse_project(text: str) -> ProjectName:
    """The project an ARN names. ValueError says what such an ARN looks like.

    `created` is 0 where the ARN ends in a number that no resource of this server has, whatever its length.
    """
    scope, found = _matched(text, _PROJECT, "a project", "project/project-name/number")
    return ProjectName(scope, found["project"], _created(found))


def parse_version(text: str) -> VersionName:
    """The model version an ARN names; as `parse_project`."""
    scope, found = _matched(text, _VERSION, "a model version", "project/project-name/version/version-name/number")
    return VersionName(scope, found["project"], found["version"], _created(found))


def parse_dataset(text: str) -> DatasetName:
    """The dataset an ARN names; as `parse_project`."""
    scope, found = _matched(text, _DATASET, "a dataset", "project/project-name/dataset/train|test/number")
    return DatasetName(scope, found["project"], DatasetType(found["kind"].upper()), _created(found))


def parse_resource(text: str) -> ResourceName:
    """What an ARN names, of all that may have tags. ValueError when it is none of the three."""
    for parse in (parse_project, parse_version, parse_dataset):
        try:
            return parse(text)
        except ValueError:
            continue
    raise ValueError(f"{text!r} is not the ARN of a project, of a model version or of a dataset")


def _arn(scope: Scope, resource: str) -> str:
    return str(Arn(SERVICE, scope.region, scope.account, resource))


def _matched(text: str, pattern: re.Pattern[str], what: str, form: str) -> tuple[Scope, re.Match[str]]:
    try:
        arn = Arn.parse(text)
    except ValueError:
        arn = None
    found = pattern.fullmatch(arn.resource) if arn is not None else None
    if arn is None or found is None or arn.service != SERVICE or arn.partition != PARTITION:
        raise ValueError(f"{text!r} is not the ARN of {what}: expected arn:{PARTITION}:{SERVICE}:region:account:{form}")
    return Scope(arn.account, arn.region), found


def _created(found: re.Match[str]) -> int:
    digits = found["created"]
    return int(digits) if len(digits) <= _MOST_DIGITS and not digits.startswith("0") else 0
