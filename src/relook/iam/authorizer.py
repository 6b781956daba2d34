"""May this principal do this?"""

from __future__ import annotations

from typing import Protocol

from relook.core.identity import Arn, Principal


class Authorizer(Protocol):
    def permits(self, principal: Principal, action: str, resource: str) -> bool:
        """Whether `principal` may do `action` (such as lookoutvision:CreateProject) on `resource` (an ARN, or *)."""
        ...


class AdministratorOnly:
    """The administrator of an account may do everything in it, and nobody else anything."""

    def permits(self, principal: Principal, action: str, resource: str) -> bool:
        return principal.arn == str(Arn("iam", "", principal.account, "root"))
