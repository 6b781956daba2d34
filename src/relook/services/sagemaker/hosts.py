"""All of hosting as one part of the server: controller, invocations, queue and capture, started and ended in order."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from pathlib import Path

from relook.blobs.folder import FolderBlobs
from relook.containers.api import ContainerError, Driver
from relook.containers.serving.instance import InstanceStarter
from relook.containers.serving.modeldata import ModelFolder
from relook.services.sagemaker.async_dispatch import AsyncDispatcher
from relook.services.sagemaker.async_invocations import AsyncInvocations
from relook.services.sagemaker.capture import Capturer
from relook.services.sagemaker.endpoints import Endpoints, drop_endpoint_tags
from relook.services.sagemaker.hosting import Hosting
from relook.services.sagemaker.invocations import Invocations
from relook.services.sagemaker.launches import HostingOptions
from relook.services.sagemaker.routing import InvocationLimits, Router
from relook.services.sagemaker.scaling import VariantScaling
from relook.store.engine import Store
from relook.store.log_writer import LogWriter

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HostsOptions:
    """`instances` is the most of all endpoints together; `capture_seconds` how long captured data wait at most."""

    instances: int = 64
    hosting: HostingOptions = field(default_factory=HostingOptions)
    invocations: InvocationLimits = field(default_factory=InvocationLimits)
    capture_seconds: float = 10.0


class Hosts:
    """Nothing of it runs before `start`; `nouns` and `runtime` are the operations it offers."""

    def __init__(
        self, store: Store, blobs: FolderBlobs, driver: Driver, folder: Path, options: HostsOptions | None = None
    ) -> None:
        """`folder` is for unpacked model data."""
        chosen = options or HostsOptions()
        self._store = store
        self._blobs = blobs
        self._driver = driver
        self._folder = folder
        self._prefix = chosen.hosting.prefix
        self.hosting = Hosting(store, options=chosen.hosting, forget=drop_endpoint_tags)
        self.endpoints = Endpoints(store, blobs, self.hosting, instances=chosen.instances)
        self.scaling = VariantScaling(store, self.endpoints, self.hosting)
        router = Router(self.hosting)
        self._capturer = Capturer(blobs, seconds=chosen.capture_seconds)
        self._dispatcher = AsyncDispatcher(store, blobs, self.hosting, router)
        self.nouns = (self.endpoints,)
        self.runtime = (
            Invocations(router, self._capturer, chosen.invocations),
            AsyncInvocations(store, blobs, router, self._dispatcher.wake),
        )
        self._models: ModelFolder | None = None
        self._starter: InstanceStarter | None = None
        self._logs: LogWriter | None = None

    async def start(self) -> None:
        """Clear away what an earlier server has left, and bring the endpoints back."""
        try:
            await asyncio.to_thread(self._driver.reap, self._prefix)
        except ContainerError:
            _log.exception("what an earlier server has left could not be cleared away")
        self._models = await asyncio.to_thread(ModelFolder, self._folder, self._blobs)
        self._starter = InstanceStarter(self._driver, self._models)
        self._logs = LogWriter(self._store)
        await self.hosting.start(self._starter, self._logs)
        self._dispatcher.start()
        self._capturer.start(self._logs)

    async def close(self) -> None:
        """End every container. Safe after a start that failed halfway."""
        await self._dispatcher.close()
        await self._capturer.close()
        await self.hosting.close()
        if self._starter is not None:
            await asyncio.to_thread(self._starter.close)
        if self._logs is not None:
            await asyncio.to_thread(self._logs.close)
        if self._models is not None:
            await asyncio.to_thread(self._models.close)
