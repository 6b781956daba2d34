"""Algorithms: those that were created here, and the public one for defect detection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from relook.aws.operation import Members, RequestContext, operation
from relook.core.clock import as_datetime
from relook.services.sagemaker import public_algorithm
from relook.services.sagemaker.containers import packaged
from relook.services.sagemaker.errors import does_not_exist, exists_already, validation
from relook.services.sagemaker.lists import listed
from relook.services.sagemaker.names import Kind, ResourceName, arn_of, named, resource, scope_of
from relook.services.sagemaker.refusing import refuse
from relook.services.sagemaker.tags import create_tags, drop_tags
from relook.store import sagemaker_documents as documents
from relook.store.engine import Store
from relook.store.sagemaker_documents import DocumentKind, of_kind
from relook.store.tables.sagemaker_models import documents as table

_ALGORITHM = resource(Kind.ALGORITHM, "AlgorithmName")
_ECHOED = ("AlgorithmDescription", "TrainingSpecification", "InferenceSpecification", "CertifyForMarketplace")
_UNOFFERED = {
    "ValidationSpecification": "run a training job with the algorithm instead",
    "CertifyForMarketplace": "there is no marketplace here; set it to false",
}
_COMPLETED = "Completed"
"""An algorithm is usable as soon as it is there: nothing is validated by running it."""


@dataclass(frozen=True, slots=True)
class Algorithm:
    """`content` has TrainingSpecification, mostly InferenceSpecification; `created` in milliseconds since the epoch.

    The public one has `builtin` set, a ProductId in `content`, and the ARN it was asked for by.
    """

    name: str
    arn: str
    created: int
    content: Mapping[str, Any]
    builtin: bool = False


class Algorithms:
    tagged_kind = Kind.ALGORITHM

    def __init__(self, store: Store) -> None:
        self._store = store

    @operation("CreateAlgorithm", resource=_ALGORITHM)
    def create(self, context: RequestContext, members: Members) -> Members:
        name, scope = members["AlgorithmName"], scope_of(context)
        arn = arn_of(scope, Kind.ALGORITHM, name)
        _check(members)
        content = {each: members[each] for each in _ECHOED if members.get(each) is not None}
        with self._store.write() as connection:
            if documents.find(connection, scope, DocumentKind.ALGORITHM, name) is not None:
                raise exists_already("Algorithm", arn)
            documents.create(connection, scope, DocumentKind.ALGORITHM, name, content, context.now)
            create_tags(connection, arn, members)
        return {"AlgorithmArn": arn}

    @operation("DescribeAlgorithm", resource=_ALGORITHM)
    def describe(self, context: RequestContext, members: Members) -> Members:
        with self._store.read() as connection:
            found = find_algorithm(connection, context, members["AlgorithmName"])
        details: dict[str, Any] = {"ValidationStatuses": [], "ImageScanStatuses": []}
        return {**found.content, **_summary(found), "AlgorithmStatusDetails": details}

    @operation("ListAlgorithms")
    def list(self, context: RequestContext, members: Members) -> Members:
        """Those of this account: the public one belongs to another."""
        with self._store.read() as connection:
            rows, token = listed(connection, context, members, table, of_kind(DocumentKind.ALGORITHM), ascending=True)
        return {"AlgorithmSummaryList": [_summary(_algorithm(documents.document(row))) for row in rows], **token}

    @operation("DeleteAlgorithm", resource=_ALGORITHM)
    def delete(self, context: RequestContext, members: Members) -> Members | None:
        scope, name = scope_of(context), members["AlgorithmName"]
        arn = arn_of(scope, Kind.ALGORITHM, name)
        with self._store.write() as connection:
            found = documents.find(connection, scope, DocumentKind.ALGORITHM, name)
            if found is None:
                raise does_not_exist("Algorithm", arn)
            documents.remove(connection, found.id)
            drop_tags(connection, arn)
        return None

    def holds(self, connection: Connection, name: ResourceName) -> bool:
        return documents.find(connection, name.scope, DocumentKind.ALGORITHM, name.key) is not None


def find_algorithm(connection: Connection, context: RequestContext, given: str) -> Algorithm:
    """By name or ARN; the ARN of the public algorithm in whatever account means ours. Else ValidationException."""
    name = named(context, Kind.ALGORITHM, given)
    if name.scope == scope_of(context):
        found = documents.find(connection, name.scope, DocumentKind.ALGORITHM, name.key)
        if found is not None:
            return _algorithm(found)
    if public_algorithm.is_meant(name.key):
        arn = given if given.startswith("arn:") else str(name)
        content, created = public_algorithm.content(), public_algorithm.CREATED
        return Algorithm(given.rpartition("/")[2], arn, created, content, builtin=True)
    raise does_not_exist("Algorithm", str(name))


def _check(members: Members) -> None:
    refuse(members, _UNOFFERED)
    training = members["TrainingSpecification"]
    refuse(training, {"AdditionalS3DataSource": "give the files as a channel"}, "TrainingSpecification")
    for what in ("TrainingChannels", "SupportedHyperParameters"):
        names = [each["Name"] for each in training.get(what) or ()]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise validation(f"TrainingSpecification.{what} has the name {twice} twice; each needs its own")
    for index, container in enumerate((members.get("InferenceSpecification") or {}).get("Containers") or (), 1):
        packaged(container, f"InferenceSpecification.Containers.{index}")


def _algorithm(found: documents.Document) -> Algorithm:
    return Algorithm(found.name, arn_of(found.scope, Kind.ALGORITHM, found.name), found.created, found.content)


def _summary(found: Algorithm) -> dict[str, Any]:
    return {
        "AlgorithmName": found.name,
        "AlgorithmArn": found.arn,
        "AlgorithmDescription": found.content.get("AlgorithmDescription"),
        "CreationTime": as_datetime(found.created),
        "AlgorithmStatus": _COMPLETED,
    }
