"""Model packages, of their own or as versions in a group: Create, Describe, List, Update, Delete."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection

from relook.aws.operation import Members, RequestContext, operation
from relook.core.clock import as_datetime
from relook.core.names import Scope
from relook.services.sagemaker.errors import conflict, does_not_exist, exists_already, validation
from relook.services.sagemaker.lists import listed
from relook.services.sagemaker.names import Kind, ResourceName, arn_of, named, resource, scope_of
from relook.services.sagemaker.package_contents import changed, content_of, digest_of
from relook.services.sagemaker.package_groups import find_group
from relook.services.sagemaker.tags import create_tags, drop_tags
from relook.store import sagemaker_packages as rows
from relook.store.engine import Store
from relook.store.sagemaker_packages import NewPackage, Package
from relook.store.tables.sagemaker_models import packages as table

_PACKAGE = resource(Kind.MODEL_PACKAGE, "ModelPackageName")
_BY_ARN = resource(Kind.MODEL_PACKAGE, "ModelPackageArn")
_COMPLETED = "Completed"
"""A package is usable as soon as it is there: nothing is validated by running it."""
_PENDING = "PendingManualApproval"


class Packages:
    tagged_kind = Kind.MODEL_PACKAGE

    def __init__(self, store: Store) -> None:
        self._store = store

    @operation("CreateModelPackage", resource=_PACKAGE)
    def create(self, context: RequestContext, members: Members) -> Members:
        name, group = members.get("ModelPackageName"), members.get("ModelPackageGroupName")
        if bool(name) == bool(group):
            wrong = "Both ModelPackageName and ModelPackageGroupName are" if name else "Neither of the two names is"
            raise validation(f"{wrong} given; give ModelPackageName, or ModelPackageGroupName for a versioned package")
        scope, digest, token = scope_of(context), digest_of(members), members.get("ClientToken")
        with self._store.write() as connection:
            if token is not None and (first := rows.made_by(connection, scope, token)) is not None:
                return _replayed(first, digest, token)
            content = content_of(connection, context, members)
            approval = members.get("ModelApprovalStatus") or (_PENDING if group else None)
            if group:
                found = find_group(connection, context, group)
                new = NewPackage(found.name, approval, token, digest, content)
                made = rows.create(connection, scope, new, found.id, context.now)
            else:
                made = _create_named(
                    connection, scope, NewPackage(str(name), approval, token, digest, content), context
                )
            arn = arn_of(scope, Kind.MODEL_PACKAGE, made)
            create_tags(connection, arn, members)
        return {"ModelPackageArn": arn}

    @operation("DescribeModelPackage", resource=_PACKAGE)
    def describe(self, context: RequestContext, members: Members) -> Members:
        with self._store.read() as connection:
            found = find_package(connection, context, members["ModelPackageName"])
        content = dict(found.content)
        if members.get("IncludedData") == "MetadataOnly":
            content.pop("ModelCard", None)
        return {
            **content,
            **_summary(found),
            "ModelPackageName": found.name,
            "ModelPackageStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []},
            "LastModifiedTime": as_datetime(found.modified),
        }

    @operation("ListModelPackages")
    def list(self, context: RequestContext, members: Members) -> Members:
        """Without a group or a type only packages that are no versions, as the original."""
        with self._store.read() as connection:
            where = _filters(connection, context, members)
            found, token = listed(connection, context, members, table, *where, ascending=True)
        return {"ModelPackageSummaryList": [_summary(rows.package(row)) for row in found], **token}

    @operation("UpdateModelPackage", resource=_BY_ARN)
    def update(self, context: RequestContext, members: Members) -> Members:
        with self._store.write() as connection:
            found = find_package(connection, context, members["ModelPackageArn"])
            approval = members.get("ModelApprovalStatus") or found.approval
            content = changed(found.content, members)
            rows.change(connection, found.id, approval=approval, content=content, now=context.now)
        return {"ModelPackageArn": _arn(found)}

    @operation("DeleteModelPackage", resource=_PACKAGE)
    def delete(self, context: RequestContext, members: Members) -> Members | None:
        with self._store.write() as connection:
            found = find_package(connection, context, members["ModelPackageName"])
            rows.remove(connection, found.id)
            drop_tags(connection, _arn(found))
        return None

    def holds(self, connection: Connection, name: ResourceName) -> bool:
        return rows.find(connection, name.scope, name.key) is not None


def find_package(connection: Connection, context: RequestContext, given: str) -> Package:
    """By name, group/version or ARN; ValidationException when it is not there."""
    name = _named(context, given)
    found = rows.find(connection, name.scope, name.key) if name.scope == scope_of(context) else None
    if found is None:
        raise does_not_exist("Model Package", str(name))
    return found


def specification_of(package: Package, name: str | None) -> Members:
    """The inference specification of that name, or the main one, for a model; a version must be approved for that."""
    if package.version is not None and package.approval != "Approved":
        raise validation(
            f"Model Package {_arn(package)} is {package.approval}; set ModelApprovalStatus to Approved to use it"
        )
    if name is None:
        main: Members = package.content["InferenceSpecification"]
        return main
    further = package.content.get("AdditionalInferenceSpecifications") or ()
    found: Members | None = next((each for each in further if each["Name"] == name), None)
    if found is None:
        raise validation(f"Model Package {_arn(package)} has no inference specification {name}; name one that it has")
    return found


def _create_named(connection: Connection, scope: Scope, new: NewPackage, context: RequestContext) -> str:
    if rows.find(connection, scope, new.name) is not None:
        raise exists_already("ModelPackage", arn_of(scope, Kind.MODEL_PACKAGE, new.name))
    return rows.create(connection, scope, new, None, context.now)


def _replayed(first: Package, digest: str, token: str) -> Members:
    if first.digest != digest:
        raise conflict(
            f"ClientToken {token} was used for another CreateModelPackage; use a new one for another request"
        )
    return {"ModelPackageArn": _arn(first)}


def _named(context: RequestContext, given: str) -> ResourceName:
    return named(context, Kind.MODEL_PACKAGE, given)


def _filters(connection: Connection, context: RequestContext, members: Members) -> list[ColumnElement[bool]]:
    columns, group = table.c, members.get("ModelPackageGroupName")
    kind = members.get("ModelPackageType") or ("Both" if group else "Unversioned")
    where: list[ColumnElement[bool]] = []
    if kind != "Both":
        where.append(columns.version > 0 if kind == "Versioned" else columns.version == 0)
    if group:
        where.append(columns.group_id == find_group(connection, context, group).id)
    if members.get("ModelApprovalStatus"):
        where.append(columns.approval == members["ModelApprovalStatus"])
    return where


def _arn(found: Package) -> str:
    return arn_of(found.scope, Kind.MODEL_PACKAGE, found.full_name)


def _summary(found: Package) -> dict[str, Any]:
    name = "ModelPackageName" if found.version is None else "ModelPackageGroupName"
    return {
        name: found.name,
        "ModelPackageVersion": found.version,
        "ModelPackageArn": _arn(found),
        "ModelPackageDescription": found.content.get("ModelPackageDescription"),
        "CreationTime": as_datetime(found.created),
        "ModelPackageStatus": _COMPLETED,
        "ModelApprovalStatus": found.approval,
        "ModelLifeCycle": found.content.get("ModelLifeCycle"),
        "ModelPackageRegistrationType": found.content.get("ModelPackageRegistrationType"),
    }
