"""Hosted models as pools of unit processes.

FleetError
 +-- NotDeployed        nothing of that name runs here
 +-- Overloaded         every unit is busy and the queue is full
 +-- UnitLost           the unit died twice over the same request
 +-- BadInput           the image cannot be used; the message says why
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from relook.vision.samples import ImageFault
from relook.vision.serving import AnyPrediction


class FleetError(Exception):
    """A request to a hosted model could not be answered."""


class NotDeployed(FleetError):
    """No model of this name is deployed."""


class Overloaded(FleetError):
    """Every inference unit is busy and the queue is full; try again shortly or raise MaxInferenceUnits."""


class UnitLost(FleetError):
    """The inference unit died over this request, and so did the one that retried it."""


class BadInput(FleetError):
    """The image cannot be used; `fault` is the rule it breaks."""

    def __init__(self, message: str, fault: ImageFault = ImageFault.UNREADABLE) -> None:
        super().__init__(message)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Deployment:
    """A model to host: `name` is unique (its ARN), `artifact` its folder, `min_units` <= `max_units` processes."""

    name: str
    artifact: Path
    min_units: int
    max_units: int


class Fleet(Protocol):
    """All pools of this server; every method is called on the event loop."""

    def deploy(
        self,
        deployment: Deployment,
        on_ready: Callable[[], None],
        on_failed: Callable[[str], None],
    ) -> None:
        """Start the pool. `on_ready` once `min_units` answer; `on_failed(reason)` if they cannot be brought up."""
        ...

    async def undeploy(self, name: str) -> None:
        """Stop taking requests, finish those in flight, end the processes. Unknown names are fine."""
        ...

    def units(self, name: str) -> int:
        """How many units of the pool answer now; 0 for an unknown name."""
        ...

    async def predict(self, name: str, image: bytes, min_confidence: float | None = None) -> AnyPrediction:
        """One image through one unit; raises FleetError. Waits for a unit that is still starting.

        Of a classifier's or detector's prediction comes what `vision.label_answer.told` leaves for `min_confidence`; an
        anomaly model's has nothing that it bears on.
        """
        ...

    async def close(self) -> None:
        """End every process."""
        ...
