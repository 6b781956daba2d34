"""Projects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from relook.aws.operation import Members, RequestContext, arn_of, operation
from relook.core.clock import as_datetime
from relook.core.custom_labels.names import SERVICE
from relook.core.custom_labels.states import ProjectStatus
from relook.services.rekognition.errors import in_use, invalid, limit_exceeded
from relook.services.rekognition.limits import Limits
from relook.services.rekognition.lookups import arn_in, require_project, scope_of
from relook.services.rekognition.pages import paged
from relook.services.rekognition.tags import tag_new
from relook.store import rekognition_datasets as datasets
from relook.store import rekognition_projects as projects
from relook.store.engine import Store
from relook.store.rekognition_datasets import Dataset
from relook.store.rekognition_projects import Project
from relook.store.rekognition_tags import Kind, Tagged

FEATURE = "CUSTOM_LABELS"


class Projects:
    """CreateProject, DescribeProjects, DeleteProject."""

    def __init__(self, store: Store, limits: Limits) -> None:
        self._store = store
        self._limits = limits

    @operation("CreateProject", resource=arn_of(SERVICE, "project/{ProjectName}/*"))
    def create(self, context: RequestContext, members: Members) -> Members:
        name, scope = members["ProjectName"], scope_of(context)
        if members.get("Feature", FEATURE) != FEATURE:
            raise invalid(f"Feature {members['Feature']} is not offered here; {FEATURE} is")
        if "AutoUpdate" in members:
            raise invalid(f"AutoUpdate is for adapters; a project of feature {FEATURE} has none: leave it out")
        with self._store.write() as connection:
            if projects.named(connection, scope, name) is not None:
                raise in_use(f"Project {name} already exists; choose another name, or use it as it is")
            if projects.count(connection, scope) >= self._limits.projects:
                message = f"There are {self._limits.projects} projects, which is the most; delete one first"
                raise limit_exceeded(f"{message}, or raise the setting label_projects")
            project = projects.create(connection, scope, name, context.now)
            tag_new(connection, Tagged(Kind.PROJECT, project.id), members, self._limits)
        return {"ProjectArn": str(project.name)}

    @operation("DescribeProjects")
    def describe(self, context: RequestContext, members: Members) -> Members:
        """The newest first. Names that no project has are left out."""
        offered = FEATURE in members.get("Features", [FEATURE])
        names = sorted(set(members["ProjectNames"])) if "ProjectNames" in members else None
        asked = names if offered else []  # of other features there are none
        with self._store.read() as connection:
            found, token = paged(
                context,
                members,
                ("DescribeProjects", *(names or ())),
                lambda after, limit: projects.page(connection, scope_of(context), asked, before=after, limit=limit),
                lambda project: project.id,
            )
            children = datasets.of_projects(connection, [project.id for project in found])
        return {"ProjectDescriptions": [_described(one, children.get(one.id, [])) for one in found], **token}

    @operation("DeleteProject", resource=arn_in("ProjectArn"))
    def delete(self, context: RequestContext, members: Members) -> Members:
        """Gone when this returns, with its policies."""
        with self._store.write() as connection:
            project = require_project(connection, context, members["ProjectArn"])
            if projects.has_children(connection, project.id):
                name = project.name.project
                raise in_use(f"Project {name} still has model versions or datasets; delete them first")
            projects.remove(connection, project.id)
        return {"Status": ProjectStatus.DELETING.value}


def _described(project: Project, children: Sequence[Dataset]) -> dict[str, Any]:
    return {
        "ProjectArn": str(project.name),
        "CreationTimestamp": as_datetime(project.name.created),
        "Status": ProjectStatus.CREATED.value,
        "Datasets": [_dataset_metadata(dataset) for dataset in children],
        "Feature": FEATURE,
    }


def _dataset_metadata(dataset: Dataset) -> dict[str, Any]:
    return {
        "CreationTimestamp": as_datetime(dataset.name.created),
        "DatasetType": dataset.name.kind.value,
        "DatasetArn": str(dataset.name),
        **dataset_state(dataset),
    }


def dataset_state(dataset: Dataset) -> dict[str, str]:
    """Clients index all three."""
    return {
        "Status": dataset.status.value,
        "StatusMessage": dataset.message,
        "StatusMessageCode": dataset.code.value,
    }
