"""Roles: CreateRole, GetRole, ListRoles, DeleteRole."""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection

from relook.aws.operation import Members, RequestContext, operation
from relook.core.clock import as_datetime
from relook.core.identity import Arn
from relook.core.tags import TagError, tag_map
from relook.services.iam.documents import check_trust
from relook.services.iam.errors import delete_conflict, exists_already, invalid_input, no_such_role
from relook.services.iam.paging import paged
from relook.store import iam_roles as rows
from relook.store.engine import Store
from relook.store.iam_roles import Role

_SESSION_SECONDS = 3600
_ID_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def role_arn(account: str, path: str, name: str) -> str:
    """A role has no region."""
    return str(Arn("iam", "", account, f"role{path}{name}"))


def role_resource(context: RequestContext, members: Members) -> str:
    """The ARN that policies speak of; the path is known to CreateRole alone, and stands for itself elsewhere."""
    return role_arn(context.account, members.get("Path", "/"), members["RoleName"])


def required(connection: Connection, context: RequestContext, name: str) -> Role:
    """NoSuchEntity when there is none of this name."""
    found = rows.find(connection, context.account, name)
    if found is None:
        raise no_such_role(name)
    return found


class Roles:
    def __init__(self, store: Store) -> None:
        self._store = store

    @operation("CreateRole", resource=role_resource)
    def create(self, context: RequestContext, members: Members) -> Members:
        check_trust(members["AssumeRolePolicyDocument"])
        if members.get("PermissionsBoundary"):
            raise invalid_input("PermissionsBoundary is not offered by this server: roles grant nothing yet")
        role = Role(
            account=context.account,
            name=members["RoleName"],
            path=members.get("Path", "/"),
            unique_id="AROA" + "".join(secrets.choice(_ID_LETTERS) for _ in range(17)),
            created=context.now,
            trust=members["AssumeRolePolicyDocument"],
            description=members.get("Description"),
            session_seconds=members.get("MaxSessionDuration", _SESSION_SECONDS),
            tags=_tags(members),
        )
        with self._store.write() as connection:
            if rows.find(connection, context.account, role.name) is not None:
                raise exists_already(role.name)
            rows.create(connection, role)
        return {"Role": _told(role)}

    @operation("GetRole", resource=role_resource)
    def get(self, context: RequestContext, members: Members) -> Members:
        with self._store.read() as connection:
            role = required(connection, context, members["RoleName"])
        # RoleLastUsed stays empty: nobody assumes a role yet.
        return {"Role": _told(role, session=True) | {"RoleLastUsed": {}}}

    @operation("ListRoles")
    def list(self, context: RequestContext, members: Members) -> Members:
        """By name; without their tags, as IAM has it."""
        path = members.get("PathPrefix", "/")
        with self._store.read() as connection:
            found, more = paged(
                members,
                (context.account, "roles", path),
                lambda role: role.name,
                lambda after, limit: rows.page(connection, context.account, path=path, after=after, limit=limit),
            )
        return {"Roles": [_told(role, session=True, tags=False) for role in found], **more}

    @operation("DeleteRole", resource=role_resource)
    def delete(self, context: RequestContext, members: Members) -> Members:
        with self._store.write() as connection:
            role = required(connection, context, members["RoleName"])
            if rows.policies(connection, role, own=False):
                raise delete_conflict("Cannot delete entity, must detach all policies first.")
            if rows.policies(connection, role, own=True):
                raise delete_conflict("Cannot delete entity, must delete policies first.")
            rows.remove(connection, role)
        return {}


def _tags(members: Members) -> dict[str, str]:
    given = [(tag["Key"], tag["Value"]) for tag in members.get("Tags") or ()]
    if len({key.lower() for key, _ in given}) != len(given):
        raise invalid_input("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    try:
        return tag_map(given)
    except TagError as error:
        raise invalid_input(str(error)) from None


def _told(role: Role, *, session: bool = False, tags: bool = True) -> dict[str, Any]:
    found = {
        "Path": role.path,
        "RoleName": role.name,
        "RoleId": role.unique_id,
        "Arn": role_arn(role.account, role.path, role.name),
        "CreateDate": as_datetime(role.created),
        "AssumeRolePolicyDocument": quote(role.trust, safe=""),
        "Description": role.description,
    }
    if session:
        found["MaxSessionDuration"] = role.session_seconds
    if tags and role.tags:
        found["Tags"] = [{"Key": key, "Value": value} for key, value in role.tags.items()]
    return found
