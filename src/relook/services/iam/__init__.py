"""AWS IAM (API version 2010-05-08): roles as records. What they grant is not looked at yet: nothing assumes a role."""

from __future__ import annotations

from relook.aws.models import botocore_model
from relook.aws.operation import Service
from relook.services.iam.role_policies import RolePolicies
from relook.services.iam.roles import Roles
from relook.store.engine import Store


def service(store: Store) -> Service:
    """Clients may sign for any region; an account has the same roles in all."""
    return Service(botocore_model("iam"), [Roles(store), RolePolicies(store)])
