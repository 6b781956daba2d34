"""Endpoints on real rows and objects, with a running controller over processes that answer HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from process_starter import ProcessStarter

from relook.aws.errors import ServiceError
from relook.aws.operation import RequestContext
from relook.blobs.folder import FolderBlobs
from relook.core.clock import Clock, system_clock
from relook.core.identity import Principal
from relook.core.names import Scope
from relook.core.serving import ContainerDefinition, ModelDefinition
from relook.services.sagemaker.async_dispatch import AsyncDispatcher
from relook.services.sagemaker.async_invocations import AsyncInvocations
from relook.services.sagemaker.capture import Capturer
from relook.services.sagemaker.endpoints import Endpoints, drop_endpoint_tags
from relook.services.sagemaker.hosting import Hosting
from relook.services.sagemaker.invocations import Invocations
from relook.services.sagemaker.launches import HostingOptions
from relook.services.sagemaker.routing import InvocationLimits, Router
from relook.store import sagemaker_documents as documents
from relook.store.engine import Store
from relook.store.sagemaker_documents import DocumentKind

ACCOUNT, REGION = "000000000000", "us-east-1"
SCOPE = Scope(ACCOUNT, REGION)
BUCKET = "results"


class Body:
    """What the gateway hands on."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.content_length: int | None = len(data)
        self.trailers: dict[str, str] = {}

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._data

    async def read(self, limit: int) -> bytes:
        return self._data


class Lines:
    """A log sink that keeps everything: (group, stream, line)."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, str]] = []

    def sink(self, scope: Scope, group: str, stream: str) -> Callable[[str], None]:
        return lambda line: self.lines.append((group, stream, line))


class Stage:
    def __init__(
        self, store: Store, folder: Path, *, instances: int = 8, clock: Clock = system_clock, **options: Any
    ) -> None:
        self.store = store
        self.clock = clock
        self.blobs = FolderBlobs(store, folder / "objects", system_clock)
        self.starter = ProcessStarter()
        self.logs = Lines()
        self.hosting = Hosting(store, options=HostingOptions(**options), clock=clock, forget=drop_endpoint_tags)
        self.endpoints = Endpoints(store, self.blobs, self.hosting, instances=instances)
        self.router = Router(self.hosting)
        self.capturer = Capturer(self.blobs)
        self.limits = InvocationLimits(body_bytes=1000, seconds=200.0, patience=200.0)
        self.invocations = Invocations(self.router, self.capturer, self.limits)
        self.dispatcher = AsyncDispatcher(store, self.blobs, self.hosting, self.router)
        self.asynchronous = AsyncInvocations(store, self.blobs, self.router, self.dispatcher.wake)

    def context(self) -> RequestContext:
        principal = Principal(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT, "AKIA")
        return RequestContext(ACCOUNT, REGION, principal, "id", self.clock(), "http://127.0.0.1")

    def model(self, name: str, **environment: str) -> None:
        container = ContainerDefinition(image="test", environment={"WHO": name, **environment})
        definition = ModelDefinition(name, (container,))
        self._document(DocumentKind.MODEL, name, {"described": {}, "definition": definition.dump()})

    def config(self, name: str, *variants: dict[str, Any], **members: Any) -> None:
        made = [{"InitialInstanceCount": 1, "InstanceType": "ml.m5.large", **each} for each in variants]
        self._document(
            DocumentKind.ENDPOINT_CONFIG,
            name,
            {"EndpointConfigName": name, "ProductionVariants": made, **members},
        )

    def simple(self, name: str, count: int = 1, **environment: str) -> None:
        """A model and a configuration with one variant, both of this name."""
        self.model(name, **environment)
        self.config(name, variant(name, InitialInstanceCount=count))

    def _document(self, kind: DocumentKind, name: str, content: dict[str, Any]) -> None:
        with self.store.write() as connection:
            documents.create(connection, SCOPE, kind, name, content, system_clock())

    def drop(self, kind: DocumentKind, name: str) -> None:
        with self.store.write() as connection:
            found = documents.find(connection, SCOPE, kind, name)
            assert found is not None
            documents.remove(connection, found.id)

    async def create(self, name: str, config: str | None = None) -> dict[str, Any]:
        members = {"EndpointName": name, "EndpointConfigName": config or name}
        return dict(await asyncio.to_thread(self.endpoints.create, self.context(), members))

    async def update(self, name: str, config: str, **members: Any) -> None:
        members = {"EndpointName": name, "EndpointConfigName": config, **members}
        await asyncio.to_thread(self.endpoints.update, self.context(), members)

    async def resize(self, name: str, *wanted: dict[str, Any]) -> None:
        members = {"EndpointName": name, "DesiredWeightsAndCapacities": list(wanted)}
        await asyncio.to_thread(self.endpoints.update_weights_and_capacities, self.context(), members)

    async def delete(self, name: str) -> None:
        await asyncio.to_thread(self.endpoints.delete, self.context(), {"EndpointName": name})

    async def describe(self, name: str) -> dict[str, Any]:
        return dict(await asyncio.to_thread(self.endpoints.describe, self.context(), {"EndpointName": name}))

    async def becomes(self, name: str, status: str) -> dict[str, Any]:
        while (found := await self.describe(name))["EndpointStatus"] != status:
            await asyncio.sleep(0.005)
        return found

    async def gone(self, name: str) -> str:
        """What DescribeEndpoint says once there is no such endpoint."""
        while True:
            try:
                await self.describe(name)
            except ServiceError as error:
                return error.message

    async def serving(self, name: str, count: int = 1, **environment: str) -> None:
        self.simple(name, count, **environment)
        await self.create(name)
        await self.becomes(name, "InService")

    async def invoke(self, name: str, body: bytes, **members: Any) -> dict[str, Any]:
        members = {"EndpointName": name, "Body": Body(body), **members}
        return dict(await self.invocations.invoke(self.context(), members))

    async def ask(self, name: str, body: bytes, **members: Any) -> bytes:
        return bytes((await self.invoke(name, body, **members))["Body"])


def variant(model: str, **members: Any) -> dict[str, Any]:
    return {"VariantName": "AllTraffic", "ModelName": model, **members}


async def until(true: Callable[[], bool]) -> None:
    """Let the others work; pytest's own time limit ends a wait that never comes true."""
    while not true():
        await asyncio.sleep(0.002)


Scenario = Callable[[Stage], Awaitable[None]]


def play(folder: Path, scenario: Scenario, **options: Any) -> None:
    """One life of a server: a second call on the same folder is what a restart sees."""

    async def run() -> None:
        store = Store.open(folder / "rows.sqlite3")
        stage = Stage(store, folder, **options)
        try:
            await stage.hosting.start(stage.starter, stage.logs)
            stage.dispatcher.start()
            stage.capturer.start(stage.logs)
            await scenario(stage)
        finally:
            await stage.dispatcher.close()
            await stage.capturer.close()
            await stage.hosting.close()
            store.close()
        assert stage.starter.running == []

    asyncio.run(run())
