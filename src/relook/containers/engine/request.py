"""A ContainerSpec in the Engine API's words."""

from __future__ import annotations

from typing import Any

from docker.api.client import APIClient
from docker.types import DeviceRequest, LogConfig, Mount

from relook.containers.api import PORT, ContainerSpec, Limits

LABEL = "relook.container"
"""Carries our name for it. Only containers with this label are ever reaped."""
BIND_TO_PORT = "SAGEMAKER_BIND_TO_PORT"
_HOST = "127.0.0.1"


def serving_port(spec: ContainerSpec) -> int:
    """The one port that is published where there is a network."""
    told = spec.environment.get(BIND_TO_PORT, "")
    return int(told) if told.isdigit() else PORT


def creation(client: APIClient, spec: ContainerSpec) -> dict[str, Any]:
    """Arguments of `create_container`."""
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
        # The image's own health check would run beside ours, and Podman needs systemd for it.
        "healthcheck": {"test": ["NONE"]},
        # The library would put the proxies of ~/.docker/config.json, passwords and all, into the environment.
        "use_config_proxy": False,
    }


def _host(spec: ContainerSpec) -> dict[str, Any]:
    mounts = [Mount(each.target, str(each.source), type="bind", read_only=each.read_only) for each in spec.mounts]
    return {
        "network_mode": "none" if spec.isolated else "bridge",
        "port_bindings": None if spec.isolated else {serving_port(spec): (_HOST, None)},
        # Without a network nobody else would tell the container its own name.
        "extra_hosts": {spec.hostname: _HOST} if spec.isolated and spec.hostname else None,
        "mounts": mounts,
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
