"""Endpoints that take requests, as invocations see them: by memory alone."""

from __future__ import annotations

from dataclasses import dataclass

from relook.core.deployments import AsyncInference, Capture, Variant
from relook.core.names import Scope
from relook.services.sagemaker.fleets import Fleet
from relook.services.sagemaker.invocation_counts import InvocationCounts


@dataclass(frozen=True, slots=True)
class LiveVariant:
    """A variant that takes requests."""

    variant: Variant
    fleet: Fleet
    counts: InvocationCounts


@dataclass(frozen=True, slots=True)
class Live:
    """An endpoint that takes requests, as it is at this moment."""

    id: int
    scope: Scope
    name: str
    variants: tuple[LiveVariant, ...]
    capture: Capture | None
    asynchronous: AsyncInference | None

    @property
    def weights(self) -> list[float]:
        return [each.variant.weight for each in self.variants]

    def variant(self, name: str) -> LiveVariant | None:
        return next((each for each in self.variants if each.variant.name == name), None)
