"""Every constraint on the requests of Lookout for Vision, broken one at a time, from the client's own description."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lookout_stage import BUCKET, model_arn

_LOCATION = {"Bucket": BUCKET, "Prefix": "out"}
_PLATFORM = {"Os": "LINUX", "Arch": "X86_64", "Accelerator": "NVIDIA"}
_GREENGRASS = {
    "CompilerOptions": "{}  ",
    "TargetDevice": "jetson_xavier",
    "TargetPlatform": _PLATFORM,
    "S3OutputLocation": _LOCATION,
    "ComponentName": "component",
    "ComponentVersion": "1.0.0",
    "ComponentDescription": "text",
    "Tags": [{"Key": "a", "Value": "b"}],
}
# A member of each name, whose every constraint holds.
_VALUES: Mapping[str, Any] = {
    "ProjectName": "absent",
    "ModelVersion": "1",
    "DatasetType": "train",
    "ClientToken": "token",
    "NextToken": "AAAA",
    "MaxResults": 10,
    "DatasetSource": {"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Key": "key", "VersionId": "v"}}},
    "Changes": b"{}",
    "OutputConfig": {"S3Location": _LOCATION},
    "Description": "text",
    "KmsKeyId": "key",
    "Tags": [{"Key": "a", "Value": "b"}],
    "TagKeys": ["a"],
    "ResourceArn": model_arn("absent"),
    "MinInferenceUnits": 1,
    "MaxInferenceUnits": 2,
    "Labeled": True,
    "AnomalyClass": "normal",
    "BeforeCreationDate": "2020-01-01T00:00:00Z",
    "AfterCreationDate": "2020-01-01T00:00:00Z",
    "SourceRefContains": "x",
    "JobName": "job",
    "Configuration": {"Greengrass": _GREENGRASS},
    "Body": b"junk",
    "ContentType": "image/png",
}
# Strings of a permitted length that break the pattern of these shapes. `.*` holds for any text without a line break.
_AGAINST_PATTERN = {
    "ProjectName": "-name",
    "ModelVersion": "01",
    "ModelVersionNoLatest": "latest",
    "DatasetType": "both",
    "ClientToken": "a_b",
    "PaginationToken": "a_b-",
    "AnomalyClassFilter": "broken",
    "QueryString": "  ",
    "S3BucketName": "bucket/key",
    "S3ObjectKey": "/key",
    "S3KeyPrefix": "a b",
    "ModelDescriptionMessage": "two words",
    "KmsKeyId": "-key",
    "TagKey": "a*",
    "TagValue": "a*",
    "ModelPackagingJobName": "a_b",
    "ModelPackagingJobDescription": "a/b",
    "ComponentName": "a b",
    "ComponentVersion": "1.0",
    "ComponentDescription": "a/b",
    "CompilerOptions": "{\n}",
    "S3ObjectVersion": "a\nb",
}
_LETTERS = {"ComponentVersion": "1", "S3ObjectKey": "k", "S3KeyPrefix": "k", "ModelVersion": "1"}
# Nothing sends these: a header with a line break, a path whose part is empty, a list of nothing in a query string.
UNSENDABLE = {("DetectAnomalies", "contentType", "pattern")}


@dataclass(frozen=True, slots=True)
class Violation:
    """Members that break one constraint; `path` and `words` are what the answer must name."""

    operation: str
    members: Mapping[str, Any]
    path: str
    rule: str
    words: str

    def __str__(self) -> str:
        return f"{self.operation}-{self.path}-{self.rule}"


def valid_members(model: Any) -> dict[str, Any]:
    """Every member of an operation's input, none of which breaks a rule."""
    return {name: copy.deepcopy(_VALUES[name]) for name in model.input_shape.members}


def violations(service: Any) -> Iterator[Violation]:
    """All of a service model's, required members in the body included; those in the path always are."""
    for name in service.operation_names:
        operation = service.operation_model(name)
        members = valid_members(operation)
        for path, rule, words, broken in _broken(operation.input_shape, members, ()):
            if (name, path, rule) not in UNSENDABLE and not _in_path(operation, path, rule):
                yield Violation(name, broken, path, rule, words)


def _in_path(operation: Any, path: str, rule: str) -> bool:
    """An empty or absent part of the path is another path."""
    shapes = operation.input_shape.members
    inside = {name[:1].lower() + name[1:] for name in shapes if shapes[name].serialization.get("location") == "uri"}
    return path in inside and rule in ("min", "required")


def _broken(shape: Any, value: Any, trail: tuple[str, ...]) -> Iterator[tuple[str, str, str, Any]]:
    """(path, rule, words, a copy of `value` that breaks the rule)."""
    path = ".".join(trail)
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            yield from _member_broken(shape, value, name, member, (*trail, name[:1].lower() + name[1:]))
    elif shape.type_name == "list":
        if shape.metadata.get("max"):
            many = [f"k{number}" for number in range(shape.metadata["max"] + 1)]
            items = many if shape.member.type_name == "string" else [{"Key": key, "Value": ""} for key in many]
            yield path, "max", f"less than or equal to {shape.metadata['max']}", items
        for item_path, rule, words, item in _broken(shape.member, value[0], (*trail, "1", "member")):
            yield item_path, rule, words, [item]
    else:
        for rule, words, broken in _scalar_broken(shape):
            yield path, rule, words, broken


def _member_broken(
    shape: Any, value: Mapping[str, Any], name: str, member: Any, trail: tuple[str, ...]
) -> Iterator[tuple[str, str, str, Any]]:
    if name in shape.required_members and name != shape.serialization.get("payload"):
        rest = {key: item for key, item in value.items() if key != name}
        yield ".".join(trail), "required", "Member must not be null", rest
    if name == shape.serialization.get("payload"):
        return
    for path, rule, words, broken in _broken(member, value[name], trail):
        yield path, rule, words, {**value, name: broken}


def _scalar_broken(shape: Any) -> Iterator[tuple[str, str, Any]]:
    rules = shape.metadata
    kind = shape.type_name
    if kind in ("integer", "long"):
        if "min" in rules:
            yield "min", f"greater than or equal to {rules['min']}", rules["min"] - 1
        if "max" in rules:
            yield "max", f"less than or equal to {rules['max']}", rules["max"] + 1
    elif kind == "string":
        yield from _string_broken(shape)
    elif kind == "blob" and "max" in rules:
        # The longest blob is tried by a test of its own: it does not fit into a body of ordinary length.
        yield "min", f"greater than or equal to {rules['min']}", b""


def _string_broken(shape: Any) -> Iterator[tuple[str, str, Any]]:
    rules, letter = shape.metadata, _LETTERS.get(shape.name, "a")
    if rules.get("min"):
        yield "min", f"greater than or equal to {rules['min']}", letter * (rules["min"] - 1)
    if "max" in rules:
        yield "max", f"less than or equal to {rules['max']}", letter * (rules["max"] + 1)
    if "enum" in rules:
        yield "enum", "Member must satisfy enum value set", "NONE"
    if "pattern" in rules:
        yield "pattern", "Member must satisfy regular expression pattern", _AGAINST_PATTERN.get(shape.name, "a\nb")
