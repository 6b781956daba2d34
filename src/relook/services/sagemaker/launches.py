"""Starting one instance of a variant: its name, its logs, its limits of time."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Protocol

from relook.containers.serving.api import Instance, Launch, Starter
from relook.core.deployments import Variant
from relook.core.names import Scope

GROUP = "/aws/sagemaker/Endpoints/"
_STARTS_AT_ONCE = 4
"""Containers that load their models at one time: more only slow each other down."""
_TURN_SECONDS = 20.0


class Logs(Protocol):
    """`store.log_writer.LogWriter`."""

    def sink(self, scope: Scope, group: str, stream: str) -> Callable[[str], None]: ...


@dataclass(frozen=True, slots=True)
class HostingOptions:
    """`prefix` begins each container's name. `idle_seconds` without a request stop a variant's instances; 0 never."""

    prefix: str = "relook-endpoint-"
    idle_seconds: float = 0.0
    look_seconds: float = 5.0
    gpu: bool = False


class Launcher:
    """Starts instances with `starter`, a few at a time; what they write goes to `logs`."""

    def __init__(self, starter: Starter, logs: Logs, options: HostingOptions) -> None:
        self._starter = starter
        self._logs = logs
        self._options = options
        self._starts = asyncio.Semaphore(_STARTS_AT_ONCE)

    async def start(self, scope: Scope, endpoint: str, variant: Variant) -> Instance:
        """Returns once it answers. Raises StartFailed."""
        ident = f"i-{secrets.token_hex(8)}"
        sink = self._logs.sink(scope, GROUP + endpoint, f"{variant.name}/{ident}")
        several = len(variant.model.containers) > 1

        def log(container: str, line: str) -> None:
            sink(f"[{container}] {line}" if several else line)

        launch = Launch(
            name=f"{self._options.prefix}{ident}",
            account=scope.account,
            model=variant.model,
            gpu=self._options.gpu and _accelerated(variant.instance_type),
        )
        if variant.startup is not None:
            launch = replace(launch, startup_timeout=float(variant.startup))
        if variant.download is not None:
            launch = replace(launch, download_timeout=float(variant.download))
        async with self._turn():
            return await self._starter.start(launch, log)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """One of a few that start at one time. Who takes long lets the next one begin: it may never be done."""
        await self._starts.acquire()
        early = asyncio.get_running_loop().call_later(_TURN_SECONDS, self._starts.release)
        try:
            yield
        finally:
            if early.when() > asyncio.get_running_loop().time():
                early.cancel()
                self._starts.release()


def _accelerated(instance_type: str | None) -> bool:
    return (instance_type or "").startswith(("ml.g", "ml.p"))
