"""What a model package says: taken from a request, completed from its algorithm, changed by UpdateModelPackage."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from relook.aws.operation import Members, RequestContext
from relook.services.sagemaker.algorithms import find_algorithm
from relook.services.sagemaker.containers import packaged
from relook.services.sagemaker.errors import validation
from relook.services.sagemaker.refusing import refuse, refuse_keys

_SPECIFICATION, _FURTHER = "InferenceSpecification", "AdditionalInferenceSpecifications"
_DESCRIPTIVE = (
    "ModelPackageRegistrationType",
    "SourceUri",
    "ModelCard",
    "ModelLifeCycle",
    "CustomerMetadataProperties",
)
"""Metadata that UpdateModelPackage can change, too."""
_ECHOED = (
    *_DESCRIPTIVE,
    "ModelPackageDescription",
    "SourceAlgorithmSpecification",
    "CertifyForMarketplace",
    "MetadataProperties",
    "ModelMetrics",
    "Domain",
    "Task",
    "SamplePayloadUrl",
    "DriftCheckBaselines",
    "SkipModelValidation",
    _FURTHER,
)
_UNOFFERED = {
    "ValidationSpecification": "run a transform job with the model instead",
    "CertifyForMarketplace": "there is no marketplace here; set it to false",
    "ManagedStorageType": "model packages lie in this server's own store; leave it out",
}


def digest_of(members: Members) -> str:
    """A hash of a request but for its token, by which a repeated call is known."""
    rest = {name: value for name, value in members.items() if name != "ClientToken"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def content_of(connection: Connection, context: RequestContext, members: Members) -> dict[str, Any]:
    """What DescribeModelPackage will say beside names, dates and status; ValidationException for what cannot be."""
    refuse(members, _UNOFFERED)
    refuse_keys(members.get("SecurityConfig") or {}, "SecurityConfig")
    content = {name: members[name] for name in _ECHOED if members.get(name) is not None}
    content[_SPECIFICATION] = _specification(connection, context, members)
    _check_specification(content[_SPECIFICATION], _SPECIFICATION)
    _check_further(content.get(_FURTHER) or ())
    return content


def changed(content: Mapping[str, Any], members: Members) -> dict[str, Any]:
    """`content` after an UpdateModelPackage. To add what is there already changes nothing: a call can be repeated."""
    new = dict(content)
    for name in (*_DESCRIPTIVE, "ApprovalDescription", _SPECIFICATION):
        if members.get(name) is not None:
            new[name] = members[name]
    _check_specification(new[_SPECIFICATION], _SPECIFICATION)
    new["CustomerMetadataProperties"] = _metadata(content, members) or None
    present: list[Any] = list(content.get(_FURTHER) or ())
    present += [each for each in members.get(f"{_FURTHER}ToAdd") or () if each not in present]
    _check_further(present)
    new[_FURTHER] = present or None
    return {name: value for name, value in new.items() if value is not None}


def _specification(connection: Connection, context: RequestContext, members: Members) -> Members:
    given: Members | None = members.get(_SPECIFICATION)
    source = members.get("SourceAlgorithmSpecification")
    if (given is None) == (source is None):
        wrong = "Both" if given is not None else "Neither"
        raise validation(f"{wrong} of {_SPECIFICATION} and SourceAlgorithmSpecification are given; give one of them")
    if given is not None or source is None:
        return given or {}
    return _from_algorithm(connection, context, source["SourceAlgorithms"][0])


def _from_algorithm(connection: Connection, context: RequestContext, source: Members) -> Members:
    path = "SourceAlgorithmSpecification.SourceAlgorithms.1"
    refuse(source, {"ModelDataETag": "leave it out; the object is read when it is needed"}, path)
    algorithm = find_algorithm(connection, context, source["AlgorithmName"])
    specification = algorithm.content.get(_SPECIFICATION)
    if specification is None:
        raise validation(
            f"{path}: Algorithm {algorithm.arn} has no {_SPECIFICATION}; name one that makes models to serve"
        )
    data = {name: source[name] for name in ("ModelDataUrl", "ModelDataSource") if source.get(name)}
    first, *rest = specification["Containers"]
    return {**specification, "Containers": [{**first, **data}, *rest]}


def _check_specification(specification: Members, path: str) -> None:
    for index, container in enumerate(specification["Containers"], 1):
        packaged(container, f"{path}.Containers.{index}")


def _check_further(specifications: Sequence[Members]) -> None:
    names = [each["Name"] for each in specifications]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise validation(f"{_FURTHER} has the name {twice} twice; each needs its own")
    for index, each in enumerate(specifications, 1):
        _check_specification(each, f"{_FURTHER}.{index}")


def _metadata(content: Mapping[str, Any], members: Members) -> dict[str, str]:
    merged = {**(content.get("CustomerMetadataProperties") or {}), **(members.get("CustomerMetadataProperties") or {})}
    gone = set(members.get("CustomerMetadataPropertiesToRemove") or ())
    return {name: value for name, value in merged.items() if name not in gone}
