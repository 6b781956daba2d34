"""Finding what a request names, or refusing because it is not there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection

from relook.aws.operation import Members, RequestContext, ResourceOf
from relook.core.custom_labels.names import parse_dataset, parse_project, parse_version
from relook.core.names import Scope
from relook.services.rekognition.errors import invalid, not_found
from relook.store import rekognition_datasets as datasets
from relook.store import rekognition_projects as projects
from relook.store import rekognition_versions as versions
from relook.store.rekognition_datasets import Dataset
from relook.store.rekognition_projects import Project
from relook.store.rekognition_versions import Version

T = TypeVar("T")


def scope_of(context: RequestContext) -> Scope:
    return Scope(context.account, context.region)


def arn_in(member: str) -> ResourceOf:
    """For `operation`: the resource is the ARN in this member."""

    def resource(context: RequestContext, members: Members) -> str:
        return str(members[member])

    return resource


def require_project(connection: Connection, context: RequestContext, arn: str) -> Project:
    """InvalidParameterException, ResourceNotFoundException."""
    name = parsed(parse_project, arn)
    found = projects.find(connection, name) if name.scope == scope_of(context) else None
    if found is None:
        raise not_found(f"Project {arn} {_absent(context)}; DescribeProjects tells the ARNs there are")
    return found


def require_dataset(connection: Connection, context: RequestContext, arn: str) -> Dataset:
    """InvalidParameterException, ResourceNotFoundException."""
    name = parsed(parse_dataset, arn)
    found = datasets.find(connection, name) if name.scope == scope_of(context) else None
    if found is None:
        raise not_found(f"Dataset {arn} {_absent(context)}; DescribeProjects tells the ARNs of a project's datasets")
    return found


def require_version(connection: Connection, context: RequestContext, arn: str) -> Version:
    """InvalidParameterException, ResourceNotFoundException."""
    name = parsed(parse_version, arn)
    found = versions.find(connection, name) if name.scope == scope_of(context) else None
    if found is None:
        raise not_found(f"Project version {arn} {_absent(context)}; DescribeProjectVersions tells the ARNs there are")
    return found


def parsed(parse: Callable[[str], T], arn: str) -> T:
    """What an ARN names; InvalidParameterException."""
    try:
        return parse(arn)
    except ValueError as error:
        raise invalid(str(error)) from None


def _absent(context: RequestContext) -> str:
    return f"does not exist in {context.region} for account {context.account}"
