"""What a container of a model is to be run as: its mounts, ports and environment."""

from __future__ import annotations

from pathlib import Path

from relook.containers.api import PORT, ContainerSpec, Mount
from relook.containers.serving.api import Launch
from relook.core.serving import ContainerDefinition, ContainerMode

MODEL = "/opt/ml/model"
MODELS = "/opt/ml/models"
EXTRA = "/opt/ml/additional-model-data-sources"
_SAFE_PORTS = 14000
_SAFE_PORTS_EACH = 100
"""Ports that a container of a pipeline may use inside beside its own, none of another's; below the ephemeral ones."""


def label(model_containers: int, number: int, definition: ContainerDefinition) -> str:
    """What errors and logs call a container: its hostname, `primary` where it is the only one, or its number."""
    if definition.hostname:
        return definition.hostname
    return "primary" if model_containers == 1 else f"container-{number}"


def port(number: int) -> int:
    """Where the container of this number (from 1) listens: the usual port for the first."""
    return PORT + number - 1


def mount(channel: str | None, folder: Path) -> Mount:
    """Model data as the container sees it; those of an AdditionalModelDataSource under its channel's name."""
    return Mount(folder, MODEL if channel is None else f"{EXTRA}/{channel}")


def specify(launch: Launch, number: int, definition: ContainerDefinition, mounts: tuple[Mount, ...]) -> ContainerSpec:
    """The container of this number (from 1). What the platform says in the environment stands above the user's."""
    environment = {**definition.environment, **launch.environment}
    if definition.mode is ContainerMode.MULTI_MODEL:
        environment["SAGEMAKER_MULTI_MODEL"] = "true"
    if len(launch.model.containers) > 1:
        first = _SAFE_PORTS + _SAFE_PORTS_EACH * (number - 1)
        environment["SAGEMAKER_BIND_TO_PORT"] = str(port(number))
        environment["SAGEMAKER_SAFE_PORT_RANGE"] = f"{first}-{first + _SAFE_PORTS_EACH - 1}"
    return ContainerSpec(
        name=f"{launch.name}-{number}",
        image=definition.image,
        command=("serve",),
        environment=environment,
        mounts=mounts,
        hostname=definition.hostname,
        isolated=launch.model.isolated,
        gpu=launch.gpu,
        limits=launch.limits,
    )
