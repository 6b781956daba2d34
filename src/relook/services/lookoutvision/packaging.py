"""Packaging for edge devices: refused by name until it is there."""

from __future__ import annotations

from relook.aws.errors import ServiceError
from relook.aws.operation import Members, RequestContext, arn_of, operation
from relook.core.names import SERVICE
from relook.services.lookoutvision.errors import validation


class Packaging:
    """StartModelPackagingJob, DescribeModelPackagingJob, ListModelPackagingJobs."""

    @operation("StartModelPackagingJob", resource=arn_of(SERVICE, "model/{ProjectName}/{ModelVersion}"), offered=False)
    def start(self, context: RequestContext, members: Members) -> Members:
        raise _refused("StartModelPackagingJob")

    @operation("DescribeModelPackagingJob", offered=False)
    def describe(self, context: RequestContext, members: Members) -> Members:
        raise _refused("DescribeModelPackagingJob")

    @operation("ListModelPackagingJobs", offered=False)
    def list(self, context: RequestContext, members: Members) -> Members:
        raise _refused("ListModelPackagingJobs")


def _refused(name: str) -> ServiceError:
    return validation(f"{name} is not supported yet: this server cannot package models for edge devices")
