"""Project policies."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import Connection

from relook.aws.operation import Members, RequestContext, operation
from relook.core.clock import as_datetime
from relook.core.custom_labels import policies as rules
from relook.core.policy_documents import PolicyError
from relook.services.rekognition.errors import (
    already_exists,
    invalid_revision,
    malformed_policy,
    not_found,
    quota_exceeded,
)
from relook.services.rekognition.limits import Limits
from relook.services.rekognition.lookups import arn_in, require_project
from relook.services.rekognition.pages import paged
from relook.store import rekognition_policies as policies
from relook.store.engine import Store
from relook.store.rekognition_policies import Policy
from relook.store.rekognition_projects import Project

_PAGE = 5


class Policies:
    """PutProjectPolicy, ListProjectPolicies, DeleteProjectPolicy."""

    def __init__(self, store: Store, limits: Limits) -> None:
        self._store = store
        self._limits = limits

    @operation("PutProjectPolicy", resource=arn_in("ProjectArn"))
    def put(self, context: RequestContext, members: Members) -> Members:
        """Without a revision it makes a policy; with the one it has, it takes that one's place."""
        name, document = members["PolicyName"], members["PolicyDocument"]
        try:
            rules.check(document)
        except PolicyError as error:
            raise malformed_policy(str(error)) from None
        revision = uuid.uuid4().hex
        with self._store.write() as connection:
            project = require_project(connection, context, members["ProjectArn"])
            present = policies.find(connection, project.id, name)
            if present is None:
                self._check_new(connection, project, members)
                policies.create(connection, project.id, name, revision, document, context.now)
            elif "PolicyRevisionId" not in members:
                message = (
                    f"Project {project.name.project} has a policy {name}; to replace it, give its PolicyRevisionId"
                )
                raise already_exists(message)
            else:
                _check_revision(present, members)
                policies.revise(connection, present.id, revision, document, context.now)
        return {"PolicyRevisionId": revision}

    @operation("ListProjectPolicies", resource=arn_in("ProjectArn"))
    def list(self, context: RequestContext, members: Members) -> Members:
        """In the order they were made."""
        with self._store.read() as connection:
            project = require_project(connection, context, members["ProjectArn"])
            found, token = paged(
                context,
                members,
                ("ListProjectPolicies", project.id),
                lambda after, limit: policies.page(connection, project.id, after=after, limit=limit),
                lambda policy: policy.id,
                default=_PAGE,
            )
        return {"ProjectPolicies": [_described(project, policy) for policy in found], **token}

    @operation("DeleteProjectPolicy", resource=arn_in("ProjectArn"))
    def delete(self, context: RequestContext, members: Members) -> Members:
        with self._store.write() as connection:
            project = require_project(connection, context, members["ProjectArn"])
            present = policies.find(connection, project.id, members["PolicyName"])
            if present is None:
                raise not_found(f"Project {project.name.project} has no policy {members['PolicyName']}")
            _check_revision(present, members)
            policies.remove(connection, present.id)
        return {}

    def _check_new(self, connection: Connection, project: Project, members: Members) -> None:
        if "PolicyRevisionId" in members:
            message = (
                f"Project {project.name.project} has no policy {members['PolicyName']}; leave PolicyRevisionId out"
            )
            raise invalid_revision(f"{message} to make it")
        if policies.count(connection, project.id) >= self._limits.policies:
            most = self._limits.policies
            message = (
                f"Project {project.name.project} has {most} policies, which is the most; delete one first, or raise"
            )
            raise quota_exceeded(f"{message} the setting label_policies")


def _check_revision(present: Policy, members: Members) -> None:
    """Revisions are hexadecimal numbers: case does not matter."""
    given = members.get("PolicyRevisionId")
    if given is not None and given.lower() != present.revision:
        raise invalid_revision(
            f"Policy {present.name} has another revision than {given}; ListProjectPolicies tells the current one"
        )


def _described(project: Project, policy: Policy) -> dict[str, Any]:
    return {
        "ProjectArn": str(project.name),
        "PolicyName": policy.name,
        "PolicyRevisionId": policy.revision,
        "PolicyDocument": policy.document,
        "CreationTimestamp": as_datetime(policy.created),
        "LastUpdatedTimestamp": as_datetime(policy.updated),
    }
