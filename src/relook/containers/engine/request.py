"""A ContainerSpec in the Engine API's words."""

from __future__ import annotations

from typing import Any

from docker.api.client import APIClient
from docker.types import DeviceRequest, LogConfig, Mount

from relook.containers.api import PORT, CannotRun, ContainerSpec, EngineFailed, Limits
from relook.containers.api import Mount as OurMount

LABEL = "relook.container"
"""Carries our name for it. Only containers with this label are ever reaped."""
BIND_TO_PORT = "SAGEMAKER_BIND_TO_PORT"
_HOST = "127.0.0.1"


def serving_port(spec: ContainerSpec) -> int:
    """The one port that is published where there is a network."""
    told = spec.environment.get(BIND_TO_PORT, "")
    return int(told) if told.isdigit() else PORT


def creation(client: APIClient, spec: ContainerSpec, checks: bool) -> dict[str, Any]:
    """Arguments of `create_container`. `checks`: the image brings a health check of its own, to be left out."""
    return {
        "image": spec.image,
        "name": spec.name,
        "command": list(spec.command) or None,
        "entrypoint": None if spec.entrypoint is None else list(spec.entrypoint),
        "environment": dict(spec.environment),
        "hostname": spec.hostname,
        "labels": {LABEL: spec.name},
        "ports": None if spec.isolated else [serving_port(spec)],
        "host_config": client.create_host_config(**_host(spec), **_limits(spec.limits)),
        # It would run beside ours, and Podman needs systemd for it.
        "healthcheck": {"test": ["NONE"]} if checks else None,
        # The library would put the proxies of ~/.docker/config.json, passwords and all, into the environment.
        "use_config_proxy": False,
    }


def _mount(mount: OurMount) -> Mount:
    for path in (str(mount.source), mount.target):
        if "," in path:  # Podman puts them into a list with commas between: the rest would be taken for options
            raise CannotRun(f"{path} cannot be mounted into a container: its name has a comma")
    if not mount.source.exists():  # an engine may make an empty folder of that name, and say nothing
        raise EngineFailed(f"{mount.source} cannot be mounted into a container: there is no such folder")
    return Mount(mount.target, str(mount.source), type="bind", read_only=mount.read_only)


def _host(spec: ContainerSpec) -> dict[str, Any]:
    return {
        "network_mode": "none" if spec.isolated else "bridge",
        "port_bindings": None if spec.isolated else {serving_port(spec): (_HOST, None)},
        # Without a network nobody else would tell the container its own name.
        "extra_hosts": {spec.hostname: _HOST} if spec.isolated and spec.hostname else None,
        "mounts": [_mount(each) for each in spec.mounts],
        "security_opt": ["no-new-privileges"],
        "cap_drop": ["MKNOD", "NET_RAW"],
        # Output is read as it comes and kept by us: the engine would keep all of it a second time, without bound.
        "log_config": LogConfig(type="none"),
        "device_requests": [DeviceRequest(count=-1, capabilities=[["gpu"]])] if spec.gpu else None,
    }


def _limits(limits: Limits) -> dict[str, Any]:
    return {
        "mem_limit": limits.memory_bytes,
        "memswap_limit": limits.memory_bytes,  # both together: so no swap
        "nano_cpus": None if limits.cpus is None else int(limits.cpus * 1e9),
        "pids_limit": limits.processes,
    }
