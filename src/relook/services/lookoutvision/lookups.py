"""Finding what a request names, or refusing because it is not there."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection

from relook.aws.operation import RequestContext
from relook.core.datasets import DatasetType
from relook.core.names import LATEST, ModelName, Scope, project_arn
from relook.core.states import ModelStatus
from relook.core.wording import either
from relook.services.lookoutvision.errors import ResourceType, conflict, not_found
from relook.store import lookoutvision_datasets as datasets
from relook.store import lookoutvision_models as models
from relook.store import lookoutvision_projects as projects
from relook.store.lookoutvision_datasets import Dataset
from relook.store.lookoutvision_models import Model
from relook.store.lookoutvision_projects import Project


def scope_of(context: RequestContext) -> Scope:
    return Scope(context.account, context.region)


def require_project(connection: Connection, scope: Scope, name: str) -> Project:
    project = projects.find(connection, scope, name)
    if project is None:
        raise not_found(
            ResourceType.PROJECT,
            name,
            f"Project {name} does not exist in {scope.region} for account {scope.account}; CreateProject makes it",
        )
    return project


def require_dataset(connection: Connection, project: Project, kind: DatasetType) -> Dataset:
    dataset = datasets.find(connection, project.id, kind)
    if dataset is None:
        raise not_found(
            ResourceType.DATASET,
            dataset_id(project.name, kind),
            f"Project {project.name} has no {kind} dataset; create it with CreateDataset",
        )
    return dataset


def require_model(connection: Connection, scope: Scope, project: str, version: str) -> Model:
    """`version` is a number, or "latest": the highest that is trained, the highest of all while none is."""
    require_project(connection, scope, project)
    if version == LATEST:
        model = models.latest(connection, scope, project)
    else:
        model = models.find(connection, ModelName(scope, project, int(version)))
    if model is None:
        raise not_found(
            ResourceType.MODEL,
            model_id(project, version),
            f"Project {project} has no model of version {version}; ListModels tells the versions there are",
        )
    return model


def require_status(model: Model, allowed: Collection[ModelStatus], doing: str) -> None:
    """ConflictException unless the model's status is one of `allowed`."""
    if model.status not in allowed:
        name = model_id(model.name.project, model.name.version)
        raise conflict(
            ResourceType.MODEL,
            name,
            f"Model {name} is {model.status}; {doing} needs {either(allowed)}",
        )


def dataset_id(project: str, kind: DatasetType) -> str:
    return f"{project}/{kind}"


def dataset_subject(scope: Scope, project: str, kind: DatasetType) -> str:
    """What a job on a dataset is filed under: datasets have no ARN, so their project's and their type."""
    return f"{project_arn(scope, project)}/{kind}"


def model_id(project: str, version: int | str) -> str:
    return f"{project}/{version}"
