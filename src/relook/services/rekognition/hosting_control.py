"""Custom Labels' versions for the controller of hosting: it alone ends STARTING and STOPPING."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from relook.core.custom_labels.names import VersionName
from relook.core.custom_labels.states import VERSION_MESSAGES, VersionStatus
from relook.fleet.api import Fleet, FleetError
from relook.fleet.hosting import Controller, HostedRow, Outcome, Wish
from relook.store import rekognition_versions as versions
from relook.store.engine import Store
from relook.store.rekognition_versions import Version
from relook.vision.labelled import LabelPrediction

_WISHES = {
    VersionStatus.STARTING: Wish.START,
    VersionStatus.RUNNING: Wish.SERVE,
    VersionStatus.STOPPING: Wish.STOP,
}
_OUTCOMES = {
    Outcome.RUNNING: VersionStatus.RUNNING,
    Outcome.STOPPED: VersionStatus.STOPPED,
    Outcome.FAILED: VersionStatus.FAILED,
}

Address = tuple[str, str, str]


class VersionRows:
    """See `fleet.hosting.HostingRows`."""

    def __init__(self, store: Store, artifacts: Path) -> None:
        self._store = store
        self._artifacts = artifacts

    def active(self) -> Sequence[HostedRow]:
        with self._store.read() as connection:
            found = versions.in_status(connection, _WISHES)
        return [self._row(version) for version in found]

    def settle(self, row_id: int, outcome: Outcome, reason: str) -> bool:
        status = _OUTCOMES[outcome]
        units = {} if outcome is Outcome.RUNNING else {"min_units": None, "max_units": None}
        with self._store.write() as connection:
            before = versions.get(connection, row_id)
            ran = before is not None and before.status is VersionStatus.RUNNING
            failed = f"{'The model stopped running.' if ran else 'The model could not be started.'} {reason}"
            message = VERSION_MESSAGES.get(status) or failed
            return versions.change_status(connection, row_id, status, message, **units)

    def _row(self, version: Version) -> HostedRow:
        lowest = version.min_units or 1
        return HostedRow(
            id=version.id,
            name=str(version.name),
            address=_address(version.name),
            artifact=self._artifacts / (version.artifact or ""),
            min_units=lowest,
            max_units=version.max_units or lowest,
            wish=_WISHES[version.status],
        )


class Hosting(Controller):
    """The controller of versions, spoken to in Custom Labels' names."""

    def __init__(self, store: Store, fleet: Fleet, artifacts: Path) -> None:
        super().__init__(fleet, VersionRows(store, artifacts), "rekognition-hosting")

    def serving(self, account: str, region: str, arn: str) -> bool:
        """Whether the version runs and is this account's, by memory alone; False says nothing for certain."""
        return self.serving_at((account, region, arn)) is not None

    def withdraw(self, name: VersionName) -> None:
        """Send no more requests to a version. Callable from any thread."""
        self.withdraw_at(_address(name))

    async def detect(self, arn: str, image: bytes, min_confidence: float | None) -> LabelPrediction:
        """One image through the version, with what `custom_labels` will tell of; raises FleetError."""
        prediction = await self.predict(arn, image, min_confidence)
        if not isinstance(prediction, LabelPrediction):
            raise FleetError("its artifact is not that of a classifier or detector")
        return prediction


def _address(name: VersionName) -> Address:
    return (name.scope.account, name.scope.region, str(name))
