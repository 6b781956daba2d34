"""Lookout's models for the controller of hosting: it alone ends STARTING_ and STOPPING_HOSTING."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from relook.core.names import ModelName
from relook.core.states import ModelStatus
from relook.fleet.api import Fleet, FleetError
from relook.fleet.hosting import Controller, HostedRow, Outcome, Wish
from relook.services.lookoutvision import messages
from relook.store import lookoutvision_models as models
from relook.store.engine import Store
from relook.store.lookoutvision_models import Model
from relook.vision.samples import Prediction

_WISHES = {
    ModelStatus.STARTING_HOSTING: Wish.START,
    ModelStatus.HOSTED: Wish.SERVE,
    ModelStatus.SYSTEM_UPDATING: Wish.SERVE,
    ModelStatus.STOPPING_HOSTING: Wish.STOP,
}
_OUTCOMES = {
    Outcome.RUNNING: (ModelStatus.HOSTED, messages.MODEL_HOSTED),
    Outcome.STOPPED: (ModelStatus.TRAINED, messages.MODEL_TRAINED),
    Outcome.FAILED: (ModelStatus.HOSTING_FAILED, messages.MODEL_HOSTING_FAILED),
}

Address = tuple[str, str, str, str]


class ModelRows:
    """See `fleet.hosting.HostingRows`."""

    def __init__(self, store: Store, artifacts: Path) -> None:
        self._store = store
        self._artifacts = artifacts

    def active(self) -> Sequence[HostedRow]:
        with self._store.read() as connection:
            found = models.in_status(connection, _WISHES)
        return [self._row(model) for model in found]

    def settle(self, row_id: int, outcome: Outcome, reason: str) -> bool:
        status, message = _OUTCOMES[outcome]
        units = {} if outcome is Outcome.RUNNING else {"min_units": None, "max_units": None}
        with self._store.write() as connection:
            before = models.get(connection, row_id)
            if outcome is Outcome.FAILED and before is not None and before.status is ModelStatus.HOSTED:
                message = messages.MODEL_HOSTING_ENDED
            told = f"{message} {reason}" if reason else message
            return models.change_status(connection, row_id, status, told, **units)

    def _row(self, model: Model) -> HostedRow:
        lowest = model.min_units or 1
        return HostedRow(
            id=model.id,
            name=str(model.name),
            address=_address(model.name),
            artifact=self._artifacts / (model.artifact or ""),
            min_units=lowest,
            max_units=model.max_units or lowest,
            wish=_WISHES[model.status],
        )


class Hosting(Controller):
    """The controller of Lookout's models, spoken to in Lookout's names."""

    def __init__(self, store: Store, fleet: Fleet, artifacts: Path) -> None:
        super().__init__(fleet, ModelRows(store, artifacts), "lookoutvision-hosting")

    def serving(self, account: str, region: str, project: str, version: str) -> str | None:
        """The ARN to give to `predict` if this model is hosted, by memory alone; None says nothing for certain."""
        return self.serving_at((account, region, project, version))

    def withdraw(self, name: ModelName) -> None:
        """Send no more requests to a model. Callable from any thread."""
        self.withdraw_at(_address(name))

    async def detect(self, arn: str, image: bytes) -> Prediction:
        """One image through the model; raises FleetError."""
        prediction = await self.predict(arn, image)
        if not isinstance(prediction, Prediction):
            raise FleetError("its artifact is not that of an anomaly model")
        return prediction


def _address(name: ModelName) -> Address:
    return (name.scope.account, name.scope.region, name.project, str(name.version))
