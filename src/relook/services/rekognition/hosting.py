"""Starting and stopping model versions."""

from __future__ import annotations

from sqlalchemy import Connection

from relook.aws.operation import Members, RequestContext, operation
from relook.core.custom_labels.states import (
    VERSION_HOSTED,
    VERSION_MESSAGES,
    VERSION_NEVER_STARTABLE,
    VERSION_STARTABLE,
    VERSION_STOPPABLE,
    VersionStatus,
)
from relook.core.wording import either
from relook.services.rekognition import errors
from relook.services.rekognition.hosting_control import Hosting
from relook.services.rekognition.limits import Limits
from relook.services.rekognition.lookups import arn_in, require_version
from relook.store import rekognition_versions as versions
from relook.store.engine import Store
from relook.store.rekognition_versions import Version


class HostingOperations:
    """StartProjectVersion, StopProjectVersion: they write what is wanted; the controller brings it about."""

    def __init__(self, store: Store, hosting: Hosting, limits: Limits) -> None:
        self._store = store
        self._hosting = hosting
        self._limits = limits

    @operation("StartProjectVersion", resource=arn_in("ProjectVersionArn"))
    def start(self, context: RequestContext, members: Members) -> Members:
        with self._store.write() as connection:
            version = require_version(connection, context, members["ProjectVersionArn"])
            _require_startable(version)
            lowest, highest = self._units(members)
            self._require_room(connection, version)
            self._change(connection, version, VersionStatus.STARTING, min_units=lowest, max_units=highest)
        self._hosting.notify()
        return {"Status": VersionStatus.STARTING.value}

    @operation("StopProjectVersion", resource=arn_in("ProjectVersionArn"))
    def stop(self, context: RequestContext, members: Members) -> Members:
        with self._store.write() as connection:
            version = require_version(connection, context, members["ProjectVersionArn"])
            if version.status not in VERSION_STOPPABLE:
                raise errors.in_use(f"{version.name} is {version.status}; a stop needs {either(VERSION_STOPPABLE)}")
            self._change(connection, version, VersionStatus.STOPPING)
        self._hosting.withdraw(version.name)
        self._hosting.notify()
        return {"Status": VersionStatus.STOPPING.value}

    def _change(self, connection: Connection, version: Version, new: VersionStatus, **units: int | None) -> None:
        versions.change_status(connection, version.id, new, VERSION_MESSAGES[new], **units)

    def _units(self, members: Members) -> tuple[int, int | None]:
        lowest, highest = members["MinInferenceUnits"], members.get("MaxInferenceUnits")
        if highest is not None and highest < lowest:
            raise errors.invalid(f"MaxInferenceUnits {highest} is less than MinInferenceUnits {lowest}")
        wanted = max(lowest, highest or 0)
        if wanted > self._limits.inference_units:
            raise errors.limit_exceeded(
                f"{wanted} inference units were asked for; the most per model is {self._limits.inference_units}; "
                "the setting inference_units raises it"
            )
        return lowest, highest

    def _require_room(self, connection: Connection, version: Version) -> None:
        """LimitExceededException where as many models run as may. One that is stopping still holds its units."""
        running = versions.count_in_status(connection, version.name.scope, VERSION_HOSTED)
        if running >= self._limits.running:
            raise errors.limit_exceeded(
                f"{running} models run, start or stop in {version.name.scope.region}; the most is "
                f"{self._limits.running}: stop one with StopProjectVersion, or raise the setting label_running"
            )


def _require_startable(version: Version) -> None:
    if version.status in VERSION_NEVER_STARTABLE:
        raise errors.invalid(f"{version.name} is {version.status}: there is no model to start")
    if version.status not in VERSION_STARTABLE:
        raise errors.in_use(f"{version.name} is {version.status}; a start needs {either(VERSION_STARTABLE)}")
