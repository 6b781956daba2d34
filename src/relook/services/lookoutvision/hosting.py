"""Starting and stopping models."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection

from relook.aws.errors import ServiceError
from relook.aws.operation import Members, RequestContext, arn_of, operation
from relook.core.names import SERVICE
from relook.core.states import MODEL_STARTABLE, MODEL_STOPPABLE, ModelStatus
from relook.services.lookoutvision import messages
from relook.services.lookoutvision.errors import Quota, ResourceType, conflict, quota_exceeded, validation
from relook.services.lookoutvision.hosting_control import Hosting
from relook.services.lookoutvision.limits import Limits
from relook.services.lookoutvision.lookups import model_id, require_model, require_status, scope_of
from relook.services.lookoutvision.replays import Call
from relook.store import lookoutvision_models as models
from relook.store.engine import Store
from relook.store.lookoutvision_models import Model

_MODEL = arn_of(SERVICE, "model/{ProjectName}/{ModelVersion}")
# The results of an earlier call that a repeated token may still report; elsewhere the call is done anew.
_STARTED = frozenset({ModelStatus.STARTING_HOSTING, ModelStatus.HOSTED, ModelStatus.SYSTEM_UPDATING})
_STOPPED = frozenset({ModelStatus.STOPPING_HOSTING, ModelStatus.TRAINED})


class HostingOperations:
    """StartModel, StopModel: they write what is wanted; the controller brings it about."""

    def __init__(self, store: Store, hosting: Hosting, limits: Limits) -> None:
        self._store = store
        self._hosting = hosting
        self._limits = limits

    @operation("StartModel", resource=_MODEL)
    def start(self, context: RequestContext, members: Members) -> Members:
        with self._store.write() as connection:
            model = _require(connection, context, members)
            call = _call(context, "StartModel", model, members)
            first = call.replay(
                connection, _mismatch(model), lambda made: made == model.id and model.status in _STARTED
            )
            if first is not None:
                return first
            require_status(model, MODEL_STARTABLE, "StartModel")
            lowest, highest = self._units(model, members)
            status = ModelStatus.STARTING_HOSTING
            models.change_status(
                connection, model.id, status, messages.MODEL_STARTING, min_units=lowest, max_units=highest
            )
            result = call.remember(connection, {"Status": status.value}, model.id)
        self._hosting.notify()
        return result

    @operation("StopModel", resource=_MODEL)
    def stop(self, context: RequestContext, members: Members) -> Members:
        with self._store.write() as connection:
            model = _require(connection, context, members)
            call = _call(context, "StopModel", model, members)
            first = call.replay(
                connection, _mismatch(model), lambda made: made == model.id and model.status in _STOPPED
            )
            if first is not None:
                return first
            require_status(model, MODEL_STOPPABLE, "StopModel")
            status = ModelStatus.STOPPING_HOSTING
            models.change_status(connection, model.id, status, messages.MODEL_STOPPING)
            result = call.remember(connection, {"Status": status.value}, model.id)
        self._hosting.withdraw(model.name)
        self._hosting.notify()
        return result

    def _units(self, model: Model, members: Members) -> tuple[int, int | None]:
        lowest, highest = members["MinInferenceUnits"], members.get("MaxInferenceUnits")
        if highest is not None and highest < lowest:
            raise validation(f"MaxInferenceUnits {highest} is less than MinInferenceUnits {lowest}")
        wanted = max(lowest, highest or 0)
        if wanted > self._limits.inference_units:
            name = model_id(model.name.project, model.name.version)
            message = (
                f"{wanted} inference units were asked for; the most per model is {self._limits.inference_units}; "
                "the setting inference_units raises it"
            )
            raise quota_exceeded(Quota.INFERENCE_UNITS, ResourceType.MODEL, name, message)
        return lowest, highest


def _require(connection: Connection, context: RequestContext, members: Members) -> Model:
    return require_model(connection, scope_of(context), members["ProjectName"], members["ModelVersion"])


def _call(context: RequestContext, operation_name: str, model: Model, members: Members) -> Call:
    return Call.of(context, operation_name, model_id(model.name.project, model.name.version), members)


def _mismatch(model: Model) -> Callable[[str], ServiceError]:
    name = model_id(model.name.project, model.name.version)
    return lambda message: conflict(ResourceType.MODEL, name, message)
