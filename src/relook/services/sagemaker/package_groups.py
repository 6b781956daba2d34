"""Model package groups: CreateModelPackageGroup, DescribeModelPackageGroup, ListModelPackageGroups and Delete."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from relook.aws.operation import Members, RequestContext, operation
from relook.core.clock import as_datetime
from relook.services.sagemaker.errors import conflict, does_not_exist, exists_already
from relook.services.sagemaker.lists import listed
from relook.services.sagemaker.names import Kind, ResourceName, arn_of, named, resource, scope_of
from relook.services.sagemaker.refusing import refuse
from relook.services.sagemaker.tags import create_tags, drop_tags
from relook.store import sagemaker_packages as rows
from relook.store.engine import Store
from relook.store.sagemaker_packages import Group
from relook.store.tables.sagemaker_models import package_groups

_GROUP = resource(Kind.MODEL_PACKAGE_GROUP, "ModelPackageGroupName")
_STATUS = "Completed"
"""A group is there as soon as it is created."""


class PackageGroups:
    tagged_kind = Kind.MODEL_PACKAGE_GROUP

    def __init__(self, store: Store) -> None:
        self._store = store

    @operation("CreateModelPackageGroup", resource=_GROUP)
    def create(self, context: RequestContext, members: Members) -> Members:
        name, scope = members["ModelPackageGroupName"], scope_of(context)
        refuse(members, {"ManagedConfiguration": "model packages lie in this server's own store; leave it out"})
        arn = arn_of(scope, Kind.MODEL_PACKAGE_GROUP, name)
        with self._store.write() as connection:
            if rows.find_group(connection, scope, name) is not None:
                raise exists_already("ModelPackageGroup", arn)
            rows.create_group(connection, scope, name, members.get("ModelPackageGroupDescription"), context.now)
            create_tags(connection, arn, members)
        return {"ModelPackageGroupArn": arn}

    @operation("DescribeModelPackageGroup", resource=_GROUP)
    def describe(self, context: RequestContext, members: Members) -> Members:
        with self._store.read() as connection:
            found = find_group(connection, context, members["ModelPackageGroupName"])
        return {**_summary(found), "CreatedBy": {}}

    @operation("ListModelPackageGroups")
    def list(self, context: RequestContext, members: Members) -> Members:
        shared = {"CrossAccountFilterOption": "groups of other accounts cannot be seen here; leave it out"}
        refuse(members if members.get("CrossAccountFilterOption") == "CrossAccount" else {}, shared)
        with self._store.read() as connection:
            found, token = listed(connection, context, members, package_groups, ascending=True)
        return {"ModelPackageGroupSummaryList": [_summary(rows.group(row)) for row in found], **token}

    @operation("DeleteModelPackageGroup", resource=_GROUP)
    def delete(self, context: RequestContext, members: Members) -> Members | None:
        with self._store.write() as connection:
            found = find_group(connection, context, members["ModelPackageGroupName"])
            arn = arn_of(found.scope, Kind.MODEL_PACKAGE_GROUP, found.name)
            if rows.has_packages(connection, found.id):
                raise conflict(f"Model Package Group {arn} still has model packages; delete them first")
            rows.remove_group(connection, found.id)
            drop_tags(connection, arn)
        return None

    def holds(self, connection: Connection, name: ResourceName) -> bool:
        return rows.find_group(connection, name.scope, name.key) is not None


def find_group(connection: Connection, context: RequestContext, given: str) -> Group:
    """By name or ARN; ValidationException when it is not there."""
    name = named(context, Kind.MODEL_PACKAGE_GROUP, given)
    found = rows.find_group(connection, name.scope, name.key) if name.scope == scope_of(context) else None
    if found is None:
        raise does_not_exist("Model Package Group", str(name))
    return found


def _summary(found: Group) -> dict[str, Any]:
    return {
        "ModelPackageGroupName": found.name,
        "ModelPackageGroupArn": arn_of(found.scope, Kind.MODEL_PACKAGE_GROUP, found.name),
        "ModelPackageGroupDescription": found.description,
        "CreationTime": as_datetime(found.created),
        "ModelPackageGroupStatus": _STATUS,
    }
