"""The policies of roles: those attached, and the roles' own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import quote

from relook.aws.operation import Members, RequestContext, operation
from relook.services.iam.documents import check_permissions
from relook.services.iam.errors import invalid_input, no_such_entity
from relook.services.iam.paging import paged
from relook.services.iam.roles import required, role_resource
from relook.store import iam_roles as rows
from relook.store.engine import Store

_MANAGED = re.compile(r"arn:aws:iam::aws:policy(?P<path>/(?:[\w+=,.@-]+/)*)(?P<name>[\w+=,.@-]{1,128})")
"""Policies that AWS manages. Customers' own cannot be made here, so there are none."""


class RolePolicies:
    def __init__(self, store: Store) -> None:
        self._store = store

    @operation("AttachRolePolicy", resource=role_resource)
    def attach(self, context: RequestContext, members: Members) -> Members:
        """Any name is taken for a policy that AWS manages: they are not known here, and grant nothing."""
        arn = members["PolicyArn"]
        if not arn.startswith("arn:"):
            raise invalid_input(f"ARN {arn} is not valid.")
        with self._store.write() as connection:
            role = required(connection, context, members["RoleName"])
            if not _MANAGED.fullmatch(arn):
                raise no_such_entity(f"Policy {arn} does not exist or is not attachable.")
            rows.set_policy(connection, role, arn, None)
        return {}

    @operation("DetachRolePolicy", resource=role_resource)
    def detach(self, context: RequestContext, members: Members) -> Members:
        with self._store.write() as connection:
            role = required(connection, context, members["RoleName"])
            if members["PolicyArn"] not in rows.policies(connection, role, own=False):
                raise no_such_entity(f"Policy {members['PolicyArn']} was not found.")
            rows.drop_policy(connection, role, members["PolicyArn"])
        return {}

    @operation("ListAttachedRolePolicies", resource=role_resource)
    def attached(self, context: RequestContext, members: Members) -> Members:
        path = members.get("PathPrefix", "/")
        with self._store.read() as connection:
            role = required(connection, context, members["RoleName"])
            arns = [arn for arn in rows.policies(connection, role, own=False) if _parts(arn)["path"].startswith(path)]
        found, more = paged(members, (role.id, "attached", path), str, lambda after, limit: _next(arns, after, limit))
        policies = [{"PolicyName": _parts(arn)["name"], "PolicyArn": arn} for arn in found]
        return {"AttachedPolicies": policies, **more}

    @operation("PutRolePolicy", resource=role_resource)
    def put(self, context: RequestContext, members: Members) -> Members:
        check_permissions(members["PolicyDocument"])
        with self._store.write() as connection:
            role = required(connection, context, members["RoleName"])
            rows.set_policy(connection, role, members["PolicyName"], members["PolicyDocument"])
        return {}

    @operation("GetRolePolicy", resource=role_resource)
    def get(self, context: RequestContext, members: Members) -> Members:
        name = members["PolicyName"]
        with self._store.read() as connection:
            role = required(connection, context, members["RoleName"])
            document = rows.policies(connection, role, own=True).get(name)
        if document is None:
            raise no_such_entity(f"The role policy with name {name} cannot be found.")
        return {"RoleName": role.name, "PolicyName": name, "PolicyDocument": quote(document, safe="")}

    @operation("ListRolePolicies", resource=role_resource)
    def own(self, context: RequestContext, members: Members) -> Members:
        with self._store.read() as connection:
            role = required(connection, context, members["RoleName"])
            names = list(rows.policies(connection, role, own=True))
        found, more = paged(members, (role.id, "own"), str, lambda after, limit: _next(names, after, limit))
        return {"PolicyNames": list(found), **more}

    @operation("DeleteRolePolicy", resource=role_resource)
    def delete(self, context: RequestContext, members: Members) -> Members:
        name = members["PolicyName"]
        with self._store.write() as connection:
            role = required(connection, context, members["RoleName"])
            if not rows.drop_policy(connection, role, name):
                raise no_such_entity(f"The role policy with name {name} cannot be found.")
        return {}


def _parts(arn: str) -> re.Match[str]:
    found = _MANAGED.fullmatch(arn)
    assert found is not None, arn
    return found


def _next(names: Sequence[str], after: str, limit: int) -> list[str]:
    return [name for name in names if name > after][:limit]
