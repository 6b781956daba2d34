"""Projects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from relook.aws.errors import ServiceError
from relook.aws.operation import Members, RequestContext, arn_of, operation
from relook.core.clock import as_datetime
from relook.core.names import SERVICE, project_arn
from relook.services.lookoutvision.errors import ResourceType, conflict, validation
from relook.services.lookoutvision.lookups import require_project, scope_of
from relook.services.lookoutvision.pages import paged
from relook.services.lookoutvision.replays import Call
from relook.store import lookoutvision_datasets as datasets
from relook.store import lookoutvision_projects as projects
from relook.store.engine import Store
from relook.store.lookoutvision_datasets import Dataset
from relook.store.lookoutvision_projects import Project

_PROJECT = arn_of(SERVICE, "project/{ProjectName}")


class Projects:
    """CreateProject, DescribeProject, ListProjects, DeleteProject."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @operation("CreateProject", resource=_PROJECT)
    def create(self, context: RequestContext, members: Members) -> Members:
        name = members["ProjectName"]
        call = Call.of(context, "CreateProject", name, members)
        with self._store.write() as connection:
            first = call.replay(connection, _conflict(name), lambda made: projects.exists_id(connection, made))
            if first is not None:
                return first
            if projects.find(connection, scope_of(context), name) is not None:
                raise _conflict(name)(f"Project {name} already exists; choose another name, or use it as it is")
            project = projects.create(connection, scope_of(context), name, context.now)
            return call.remember(connection, {"ProjectMetadata": _metadata(project)}, project.id)

    @operation("DescribeProject", resource=_PROJECT)
    def describe(self, context: RequestContext, members: Members) -> Members:
        with self._store.read() as connection:
            project = require_project(connection, scope_of(context), members["ProjectName"])
            children = datasets.of_project(connection, project.id)
        return {"ProjectDescription": {**_metadata(project), "Datasets": [dataset_metadata(one) for one in children]}}

    @operation("ListProjects")
    def list(self, context: RequestContext, members: Members) -> Members:
        """In the order of creation."""
        with self._store.read() as connection:
            found, token = paged(
                context,
                members,
                ("ListProjects",),
                lambda after, limit: projects.page(connection, scope_of(context), after=after, limit=limit),
                lambda project: project.id,
            )
        return {"Projects": [_metadata(project) for project in found], **token}

    @operation("DeleteProject", resource=_PROJECT)
    def delete(self, context: RequestContext, members: Members) -> Members:
        name = members["ProjectName"]
        call = Call.of(context, "DeleteProject", name, members)
        with self._store.write() as connection:
            if (first := call.replay(connection, validation)) is not None:
                return first
            project = require_project(connection, scope_of(context), name)
            if projects.has_children(connection, project.id):
                raise _conflict(name)(f"Project {name} still has datasets or models; delete them first")
            projects.remove(connection, project.id)
            return call.remember(connection, {"ProjectArn": project_arn(project.scope, name)}, project.id)


def dataset_metadata(dataset: Dataset) -> dict[str, Any]:
    """DatasetMetadata: StatusMessage is always there, since clients index it."""
    return {
        "DatasetType": dataset.type.value,
        "CreationTimestamp": as_datetime(dataset.created),
        "Status": dataset.status.value,
        "StatusMessage": dataset.message,
    }


def _metadata(project: Project) -> dict[str, Any]:
    return {
        "ProjectArn": project_arn(project.scope, project.name),
        "ProjectName": project.name,
        "CreationTimestamp": as_datetime(project.created),
    }


def _conflict(name: str) -> Callable[[str], ServiceError]:
    return lambda message: conflict(ResourceType.PROJECT, name, message)
