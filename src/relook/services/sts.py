"""STS: who am I."""

from __future__ import annotations

from relook.aws.models import botocore_model
from relook.aws.operation import Members, RequestContext, Service, operation


class Identity:
    @operation("GetCallerIdentity")
    def get_caller_identity(self, context: RequestContext, members: Members) -> Members:
        """The account, ARN and id of whoever signed the request."""
        principal = context.principal
        return {"UserId": principal.user_id, "Account": principal.account, "Arn": principal.arn}


def service() -> Service:
    """STS with the one operation that makes sense without policies; the gateway refuses the others by name."""
    return Service(botocore_model("sts"), [Identity()])
