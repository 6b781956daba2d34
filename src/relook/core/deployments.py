"""What an endpoint runs: a copy of its configuration and models, since both may be deleted while it serves."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from relook.core.serving import ModelDefinition


class Routing(StrEnum):
    LEAST_OUTSTANDING = "LEAST_OUTSTANDING_REQUESTS"
    RANDOM = "RANDOM"


class VariantProperty(StrEnum):
    """What an update may keep of the variants that are there."""

    COUNT = "DesiredInstanceCount"
    WEIGHT = "DesiredWeight"
    CAPTURE = "DataCaptureConfig"


class CapturePart(StrEnum):
    INPUT = "Input"
    OUTPUT = "Output"


@dataclass(frozen=True, slots=True)
class Variant:
    """One production variant. `fleet` names its running instances: a new one means new containers.

    `startup` and `download` in seconds, None where the configuration leaves them to us.
    """

    name: str
    fleet: str
    model: ModelDefinition
    weight: float = 1.0
    count: int = 1
    instance_type: str | None = None
    routing: Routing = Routing.LEAST_OUTSTANDING
    startup: int | None = None
    download: int | None = None


@dataclass(frozen=True, slots=True)
class Capture:
    """Data capture: `percentage` 0..100 of the invocations; content types whose data is kept as text."""

    enabled: bool
    percentage: int
    destination: str
    parts: tuple[CapturePart, ...]
    csv: tuple[str, ...] = ()
    json: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AsyncInference:
    """Where answers and failures go (s3:// prefixes), and how many requests an instance works on at once."""

    output: str | None = None
    failure: str | None = None
    concurrency: int | None = None


@dataclass(frozen=True, slots=True)
class Deployment:
    """`config` is the name of the configuration it was made from, at `resolved` milliseconds since the epoch."""

    config: str
    resolved: int
    variants: tuple[Variant, ...]
    capture: Capture | None = None
    asynchronous: AsyncInference | None = None

    @property
    def instances(self) -> int:
        return sum(variant.count for variant in self.variants)

    def variant(self, name: str) -> Variant | None:
        return next((variant for variant in self.variants if variant.name == name), None)

    def dump(self) -> dict[str, Any]:
        """JSON values, for a row."""
        return asdict(self) | {"variants": [_dump(variant) for variant in self.variants]}

    @classmethod
    def restore(cls, value: Mapping[str, Any]) -> Deployment:
        """What `dump` gave."""
        capture, asynchronous = value["capture"], value["asynchronous"]
        return cls(
            config=value["config"],
            resolved=value["resolved"],
            variants=tuple(_restore(each) for each in value["variants"]),
            capture=_capture(capture) if capture else None,
            asynchronous=AsyncInference(**asynchronous) if asynchronous else None,
        )


def retaining(new: Deployment, old: Deployment, excluded: Collection[VariantProperty]) -> Deployment:
    """`new` with the counts and weights that variants of the same name have now, and the present data capture."""
    kept = [_kept(variant, old.variant(variant.name), excluded) for variant in new.variants]
    capture = new.capture if VariantProperty.CAPTURE in excluded else old.capture
    return replace(new, variants=tuple(kept), capture=capture)


def _kept(new: Variant, old: Variant | None, excluded: Collection[VariantProperty]) -> Variant:
    if old is None:
        return new
    count = new.count if VariantProperty.COUNT in excluded else old.count
    weight = new.weight if VariantProperty.WEIGHT in excluded else old.weight
    return replace(new, count=count, weight=weight)


def resized(deployment: Deployment, weights: Mapping[str, float], counts: Mapping[str, int]) -> Deployment:
    """The same instances with other weights and counts, by variant name."""
    return replace(
        deployment,
        variants=tuple(
            replace(each, weight=weights.get(each.name, each.weight), count=counts.get(each.name, each.count))
            for each in deployment.variants
        ),
    )


def _dump(variant: Variant) -> dict[str, Any]:
    return asdict(variant) | {"model": variant.model.dump()}


def _restore(value: Mapping[str, Any]) -> Variant:
    model, routing = ModelDefinition.restore(value["model"]), Routing(value["routing"])
    return Variant(**{**value, "model": model, "routing": routing})


def _capture(value: Mapping[str, Any]) -> Capture:
    lists = {"csv": tuple(value["csv"]), "json": tuple(value["json"])}
    return Capture(**{**value, **lists, "parts": tuple(CapturePart(each) for each in value["parts"])})
