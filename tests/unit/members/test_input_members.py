"""No input member is ignored unseen: `input_members.json` says of each what becomes of it, and is held to that.

`read`: the operation looks at it. `later`: what it leads to does, as a job or a deployment. `echoed`: a record, told
again as it was given. `refused`: by name, in an error. `void`: nothing could follow from it, for the reason that stands
there. What lies below an echoed, a refused or a void one shares its fate. A new operation, or a botocore with new
members, fails here until the file says what becomes of them.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from member_samples import Watched, give, name_of, taken, walk
from member_world import SCALED, World

import relook
from relook.aws.errors import ServiceError

TABLE: dict[str, dict[str, dict[str, Any]]] = json.loads(Path(__file__).with_name("input_members.json").read_text())
SOURCES = {
    "application-autoscaling": ("services/autoscaling",),
    "iam": ("services/iam",),
    "logs": ("services/logs",),
    "rekognition": ("services/rekognition",),
    "sagemaker": ("services/sagemaker", "core", "containers"),
    "sagemaker-runtime": ("services/sagemaker",),
}
_OPERATIONS = [(service, name) for service, operations in TABLE.items() for name in operations]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("members"))
    yield made
    made.close()


def members_that_are(what: str) -> list[Any]:
    return [
        pytest.param(service, operation, path, id=f"{service}.{operation}.{path}")
        for service, operation in _OPERATIONS
        for path in TABLE[service][operation].get(what, ())
    ]


def test_the_table_has_every_member_of_every_operation(world: World) -> None:
    wrong = []
    assert set(TABLE) == set(world.services) - {"lookoutvision", "s3", "sts"}
    for service, operations in TABLE.items():
        offered = world.services[service].operations
        assert set(operations) == {name for name in offered if world.input_of(service, name) is not None}
        for name, fates in operations.items():
            listed = [path for fate in fates.values() for path in fate]
            assert len(listed) == len(set(listed)), f"{service} {name} has a member twice"
            assert all(fates.get("void", {}).values()), f"{service} {name}: no reason"
            closed = [path for fate in ("echoed", "refused", "void") for path in fates.get(fate, ())]
            there = set(walk(world.input_of(service, name), closed))
            wrong += [f"{service} {name} {path}: what becomes of it?" for path in sorted(there - set(listed))]
            wrong += [f"{service} {name} {path}: there is none" for path in sorted(set(listed) - there)]
    assert wrong == []


@pytest.mark.parametrize(("service", "operation", "path"), members_that_are("refused"))
def test_what_is_refused_is_refused_by_name(world: World, service: str, operation: str, path: str) -> None:
    members = world.request(operation, path)
    give(world.input_of(service, operation), members, path)
    with pytest.raises(ServiceError) as caught:
        world.call(service, operation, **members)
    assert caught.value.status == 400
    assert name_of(path) in caught.value.message


@pytest.mark.parametrize("operation", sorted({case.values[1] for case in members_that_are("refused")}))
def test_the_same_without_it_is_taken(world: World, operation: str) -> None:
    """Else an error would be no sign. Nothing runs here: what needs an endpoint gets as far as looking for one."""
    service = next(service for service, name in _OPERATIONS if name == operation)
    for path in TABLE[service][operation]["refused"]:
        members = world.request(operation, path)
        if operation.startswith("Invoke"):
            with pytest.raises(ServiceError, match=r"Endpoint e .*not found"):
                world.call(service, operation, **members)
        else:
            world.call(service, operation, **members)


@pytest.mark.parametrize(("service", "operation", "path"), members_that_are("echoed"))
def test_what_is_echoed_is_told_again(world: World, service: str, operation: str, path: str) -> None:
    members = world.request(operation, path)
    value = give(world.input_of(service, operation), members, path)
    answer = world.call(service, operation, **members)
    if service in TAG_LISTS and path == "Tags":
        (arn,) = (text for name, text in answer.items() if name.endswith("Arn"))
        assert world.call(service, TAG_LISTS[service], ResourceArn=arn)["Tags"] == value
        return
    reader, named, below = READERS[operation](members)
    told = path.replace("SpecificationsToAdd", "Specifications")
    assert f"{below}{told}" in set(walk(world.output_of(service, reader)))
    assert taken(world.call(service, reader, **named), f"{below}{told}") == value


def named_by(reader: str, name: str, given: str | None = None) -> Any:
    return lambda members: (reader, {name: members[given or name]}, "")


def described_version(project: str) -> Any:
    return lambda members: (
        "DescribeProjectVersions",
        {"ProjectArn": members[project], "VersionNames": [members["VersionName"]]},
        "ProjectVersionDescriptions[].",
    )


TAG_LISTS = {"rekognition": "ListTagsForResource", "sagemaker": "ListTags"}
READERS = {
    "CopyProjectVersion": described_version("DestinationProjectArn"),
    "CreateAlgorithm": named_by("DescribeAlgorithm", "AlgorithmName"),
    "CreateEndpointConfig": named_by("DescribeEndpointConfig", "EndpointConfigName"),
    "CreateModel": named_by("DescribeModel", "ModelName"),
    "CreateModelPackage": named_by("DescribeModelPackage", "ModelPackageName"),
    "CreateModelPackageGroup": named_by("DescribeModelPackageGroup", "ModelPackageGroupName"),
    "CreateProjectVersion": described_version("ProjectArn"),
    "CreateRole": lambda members: ("GetRole", {"RoleName": members["RoleName"]}, "Role."),
    "CreateTrainingJob": named_by("DescribeTrainingJob", "TrainingJobName"),
    "CreateTransformJob": named_by("DescribeTransformJob", "TransformJobName"),
    "RegisterScalableTarget": lambda members: (
        "DescribeScalableTargets",
        {"ServiceNamespace": SCALED["ServiceNamespace"]},
        "ScalableTargets[].",
    ),
    "UpdateModelPackage": named_by("DescribeModelPackage", "ModelPackageName", "ModelPackageArn"),
}


@pytest.mark.parametrize(("service", "operation"), [pytest.param(*each, id=".".join(each)) for each in _OPERATIONS])
def test_what_is_read_is_looked_at(world: World, service: str, operation: str) -> None:
    """By the operation itself, whatever comes of it: a sample may well be refused for its value."""
    unread = []
    for path in TABLE[service][operation].get("read", ()):
        members = world.request(operation, path)
        give(world.input_of(service, operation), members, path)
        seen: set[str] = set()
        with suppress(ServiceError):
            world.given(service, operation, Watched(members, seen))
        if path not in seen:
            unread.append(path)
    assert unread == []


@pytest.mark.parametrize("service", sorted(TABLE))
def test_what_is_read_later_is_named_where_it_would_be_read(service: str) -> None:
    """Of that only this is held: the service's code speaks of it. The tests of jobs and endpoints do the rest."""
    texts, patterns = spoken_of(service)
    unread = [
        f"{name} {path}"
        for name, fates in TABLE[service].items()
        for path in fates.get("later", ())
        if not (name_of(path) in texts or any(pattern.fullmatch(name_of(path)) for pattern in patterns))
    ]
    assert unread == []


@cache
def spoken_of(service: str) -> tuple[set[str], list[re.Pattern[str]]]:
    """The texts in the code of a service, and those that are put together in it from a name and something fixed."""
    texts, patterns = set(), []
    root = Path(relook.__file__).parent
    for node in (node for part in SOURCES[service] for file in (root / part).rglob("*.py") for node in nodes_of(file)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            texts.add(node.value)
        elif isinstance(node, ast.JoinedStr):
            fixed = [re.escape(part.value) if isinstance(part, ast.Constant) else r"\w+" for part in node.values]
            if any(len(part) > 4 for part in fixed):
                patterns.append(re.compile("".join(fixed)))
    return texts, patterns


def nodes_of(file: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(file.read_text()))
