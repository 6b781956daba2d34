"""Models: CreateModel, DescribeModel, ListModels, DeleteModel."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from relook.aws.operation import Members, RequestContext, operation
from relook.core.clock import as_datetime
from relook.core.names import Scope
from relook.core.serving import ModelDefinition
from relook.services.sagemaker.definitions import define
from relook.services.sagemaker.errors import already_existing, could_not_find
from relook.services.sagemaker.lists import listed
from relook.services.sagemaker.names import Kind, ResourceName, arn_of, resource, scope_of
from relook.services.sagemaker.tags import create_tags, drop_tags
from relook.store import sagemaker_documents as documents
from relook.store.engine import Store
from relook.store.sagemaker_documents import Document, DocumentKind, of_kind
from relook.store.tables.sagemaker_models import documents as table

_MODEL = resource(Kind.MODEL, "ModelName")
_ECHOED = ("ModelName", "PrimaryContainer", "Containers", "InferenceExecutionConfig", "ExecutionRoleArn")


class Models:
    """What a model means is settled when it is created: a model package may go afterwards."""

    tagged_kind = Kind.MODEL

    def __init__(self, store: Store) -> None:
        self._store = store

    @operation("CreateModel", resource=_MODEL)
    def create(self, context: RequestContext, members: Members) -> Members:
        name, scope = members["ModelName"], scope_of(context)
        arn = arn_of(scope, Kind.MODEL, name)
        with self._store.write() as connection:
            if documents.find(connection, scope, DocumentKind.MODEL, name) is not None:
                raise already_existing("model", arn)
            definition = define(connection, context, members)
            content = {"described": _described(members), "definition": definition.dump()}
            documents.create(connection, scope, DocumentKind.MODEL, name, content, context.now)
            create_tags(connection, arn, members)
        return {"ModelArn": arn}

    @operation("DescribeModel", resource=_MODEL)
    def describe(self, context: RequestContext, members: Members) -> Members:
        with self._store.read() as connection:
            found = require_model(connection, scope_of(context), members["ModelName"])
        return {**found.content["described"], **_dated(found)}

    @operation("ListModels")
    def list(self, context: RequestContext, members: Members) -> Members:
        with self._store.read() as connection:
            rows, token = listed(connection, context, members, table, of_kind(DocumentKind.MODEL))
        summaries = [{"ModelName": row.name, **_dated(documents.document(row))} for row in rows]
        return {"Models": summaries, **token}

    @operation("DeleteModel", resource=_MODEL)
    def delete(self, context: RequestContext, members: Members) -> Members | None:
        with self._store.write() as connection:
            found = require_model(connection, scope_of(context), members["ModelName"])
            documents.remove(connection, found.id)
            drop_tags(connection, arn_of(found.scope, Kind.MODEL, found.name))
        return None

    def holds(self, connection: Connection, name: ResourceName) -> bool:
        return documents.find(connection, name.scope, DocumentKind.MODEL, name.key) is not None


def require_model(connection: Connection, scope: Scope, name: str) -> Document:
    """ValidationException in the words that clients match on when it is not there."""
    found = documents.find(connection, scope, DocumentKind.MODEL, name)
    if found is None:
        raise could_not_find("model", arn_of(scope, Kind.MODEL, name))
    return found


def resolve(connection: Connection, scope: Scope, name: str) -> ModelDefinition:
    """A model as it is to be run, to be kept whole by whoever runs it; ValidationException when it is not there."""
    return ModelDefinition.restore(require_model(connection, scope, name).content["definition"])


def _described(members: Members) -> dict[str, Any]:
    found = {name: members[name] for name in _ECHOED if members.get(name)}
    if "PrimaryContainer" in found:
        found["PrimaryContainer"] = _container(found["PrimaryContainer"])
    if "Containers" in found:
        found["Containers"] = [_container(each) for each in found["Containers"]]
    return {**found, "EnableNetworkIsolation": bool(members.get("EnableNetworkIsolation"))}


def _container(given: Members) -> dict[str, Any]:
    """Clients read Environment and Mode without looking whether they are there."""
    mode = {} if given.get("ModelPackageName") else {"Mode": "SingleModel"}
    return {"Environment": {}, **mode, **given}


def _dated(found: Document) -> dict[str, Any]:
    return {"ModelArn": arn_of(found.scope, Kind.MODEL, found.name), "CreationTime": as_datetime(found.created)}
