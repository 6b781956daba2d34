"""A SageMaker model as it is to be run: kept whole by endpoints and jobs, since the model itself may be deleted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class ContainerMode(StrEnum):
    SINGLE_MODEL = "SingleModel"
    MULTI_MODEL = "MultiModel"


@dataclass(frozen=True, slots=True)
class ModelData:
    """Where model files come from: one gzipped tar (`prefix` false, `gzip` true), one object, or all under a prefix."""

    uri: str
    prefix: bool = False
    gzip: bool = True


@dataclass(frozen=True, slots=True)
class ContainerDefinition:
    """One container of a model, every indirection resolved: a model package has become its image and model data.

    `cached` says whether a multi-model container may keep models loaded. `extra` are AdditionalModelDataSources by
    channel name.
    """

    image: str
    hostname: str | None = None
    mode: ContainerMode = ContainerMode.SINGLE_MODEL
    data: ModelData | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    cached: bool = True
    extra: Mapping[str, ModelData] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelDefinition:
    """`direct`: the caller names one container (TargetContainerHostname); else the answer of each goes to the next."""

    name: str
    containers: tuple[ContainerDefinition, ...]
    direct: bool = False
    isolated: bool = False

    def dump(self) -> dict[str, Any]:
        """JSON values, for a row."""
        return {
            "name": self.name,
            "direct": self.direct,
            "isolated": self.isolated,
            "containers": [_dump(each) for each in self.containers],
        }

    @classmethod
    def restore(cls, value: Mapping[str, Any]) -> ModelDefinition:
        """What `dump` gave."""
        containers = tuple(_restore(each) for each in value["containers"])
        return cls(value["name"], containers, value["direct"], value["isolated"])


def _dump(container: ContainerDefinition) -> dict[str, Any]:
    return {
        "image": container.image,
        "hostname": container.hostname,
        "mode": container.mode.value,
        "data": _data(container.data),
        "environment": dict(container.environment),
        "cached": container.cached,
        "extra": {name: _data(each) for name, each in container.extra.items()},
    }


def _data(data: ModelData | None) -> dict[str, Any] | None:
    return None if data is None else {"uri": data.uri, "prefix": data.prefix, "gzip": data.gzip}


def _restore(value: Mapping[str, Any]) -> ContainerDefinition:
    return ContainerDefinition(
        image=value["image"],
        hostname=value["hostname"],
        mode=ContainerMode(value["mode"]),
        data=ModelData(**value["data"]) if value["data"] else None,
        environment=value["environment"],
        cached=value["cached"],
        extra={name: ModelData(**each) for name, each in value["extra"].items()},
    )
