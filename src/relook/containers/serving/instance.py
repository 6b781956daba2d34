"""An instance: every container of a model, started in order, asked one after the other or by name, stopped together."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from concurrent.futures import Executor, ThreadPoolExecutor

from relook.containers.api import Driver, Mount
from relook.containers.serving.api import (
    ExecutionParameters,
    Invocation,
    Launch,
    LogSink,
    NoSuchContainer,
    NoSuchModel,
    Reply,
    StartFailed,
    StreamedReply,
)
from relook.containers.serving.client import Answer
from relook.containers.serving.fetching import fetch
from relook.containers.serving.launching import MODELS, label, mount, port, specify
from relook.containers.serving.modeldata import Lease, ModelFolder
from relook.containers.serving.multimodel import Models, MultiModel
from relook.containers.serving.running import Health, Running
from relook.containers.serving.stage import Stage
from relook.core.serving import ContainerDefinition, ContainerMode, ModelData

_THREADS = 64
"""For what blocks: starts, stops of up to 30 seconds, connects, unpacking. They are made as they are needed."""
_PARAMETERS_SECONDS = 10.0


class InstanceStarter:
    """Starts instances with `driver`, their model data in `folder`. Implements `Starter`; for one event loop."""

    def __init__(self, driver: Driver, folder: ModelFolder, health: Health | None = None) -> None:
        self._driver = driver
        self._folder = folder
        self._health = health or Health()
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="containers")

    async def start(self, launch: Launch, log: LogSink) -> ModelInstance:
        """Returns once every container answers /ping. StartFailed, and a cancel, leave nothing running."""
        instance = ModelInstance(launch, self._executor)
        try:
            await instance.begin(self._driver, self._folder, self._health, log)
        except BaseException:
            await instance.stop()
            raise
        return instance

    def close(self) -> None:
        """To be called when every instance has been stopped; blocks until what was given up has ended too."""
        self._executor.shutdown(cancel_futures=True)


class ModelInstance:
    """Implements `Instance`; made by InstanceStarter."""

    def __init__(self, launch: Launch, executor: Executor) -> None:
        self._launch = launch
        self._executor = executor
        self._loop = asyncio.get_running_loop()
        self._stages: list[Stage] = []
        self._leases: list[Lease] = []
        self._stopped: asyncio.Task[None] | None = None
        self._in_flight = 0

    @property
    def healthy(self) -> bool:
        return self._stopped is None and all(stage.running.healthy for stage in self._stages)

    @property
    def reason(self) -> str:
        """Which container is not healthy and why; "" while all are."""
        sick = next((stage for stage in self._stages if stage.running.reason), None)
        return f"The {sick.label} container {sick.running.reason}" if sick else ""

    @property
    def in_flight(self) -> int:
        return self._in_flight

    async def invoke(self, invocation: Invocation) -> Reply:
        """Raises ServingError, never for what a container itself answered."""
        self._in_flight += 1
        try:
            deadline = self._loop.time() + invocation.timeout
            *first, last = self._route(invocation)
            passed = await self._pass(first, invocation, deadline)
            if isinstance(passed, Reply):
                return passed
            return last.reply(await last.ask(passed, deadline))
        finally:
            self._in_flight -= 1

    async def invoke_streamed(self, invocation: Invocation) -> StreamedReply:
        """The same, the last container's answer part by part."""
        self._in_flight += 1
        try:
            deadline = self._loop.time() + invocation.timeout
            *first, last = self._route(invocation)
            passed = await self._pass(first, invocation, deadline)
            if isinstance(passed, Reply):
                streamed = _whole(passed)
            else:
                streamed = await self._stream(last, passed, deadline)
        finally:
            self._in_flight -= 1
        return streamed

    async def execution_parameters(self) -> ExecutionParameters:
        """What the first container says. ContainerGone."""
        return await self._stages[0].execution_parameters(self._loop.time() + _PARAMETERS_SECONDS)

    async def stop(self) -> None:
        """End every container; what is in flight fails with ContainerGone. Safe to call twice."""
        if self._stopped is None:
            self._stopped = self._loop.create_task(self._stop())
        await asyncio.shield(self._stopped)

    # Its beginning and its end.

    async def begin(self, driver: Driver, folder: ModelFolder, health: Health, log: LogSink) -> None:
        """Fetch, start and wait for /ping. StartFailed; then, as after a cancel, `stop` it."""
        containers = self._launch.model.containers
        mounts = [await self._mounts(folder, each) for each in containers]
        for number, (definition, mounted) in enumerate(zip(containers, mounts, strict=True), 1):
            name = label(len(containers), number, definition)
            running = Running(name, port(number), health, self._executor, log)
            self._stages.append(Stage(running, self._models(folder, definition, mounted, running)))
            await running.start(driver, specify(self._launch, number, definition, mounted))
        await asyncio.gather(*(stage.running.ready(self._launch.startup_timeout) for stage in self._stages))

    async def _mounts(self, folder: ModelFolder, definition: ContainerDefinition) -> tuple[Mount, ...]:
        mounts = []
        if definition.mode is ContainerMode.MULTI_MODEL:
            self._leases.append(await self._loop.run_in_executor(self._executor, folder.scratch))
            mounts.append(Mount(self._leases[-1].path, MODELS))
        elif definition.data is not None:
            mounts.append(mount(None, (await self._fetch(folder, definition.data)).path))
        for channel, data in definition.extra.items():
            mounts.append(mount(channel, (await self._fetch(folder, data)).path))
        return tuple(mounts)

    async def _fetch(self, folder: ModelFolder, data: ModelData) -> Lease:
        launch = self._launch
        lease = await fetch(folder, self._executor, launch.account, data, launch.download_timeout)
        self._leases.append(lease)
        return lease

    def _models(
        self, folder: ModelFolder, definition: ContainerDefinition, mounts: tuple[Mount, ...], running: Running
    ) -> MultiModel | None:
        if definition.mode is not ContainerMode.MULTI_MODEL:
            return None
        if definition.data is None:
            raise StartFailed(f"The {running.label} container is to serve several models, but has no model data")
        models = Models(folder, mounts[0].source, definition.data, definition.cached)
        return MultiModel(running, models, self._launch, self._executor)

    async def _stop(self) -> None:
        try:
            await asyncio.gather(*(stage.stop() for stage in self._stages))
        finally:
            for lease in self._leases:
                await self._loop.run_in_executor(self._executor, lease.release)

    # The way of an invocation.

    def _route(self, invocation: Invocation) -> list[Stage]:
        """The containers to be asked, in order."""
        if invocation.target_model and not any(stage.models for stage in self._stages):
            raise NoSuchModel("TargetModel is only for endpoints whose model has the mode MultiModel")
        wanted = invocation.target_container
        if not self._launch.model.direct:
            if wanted:
                raise NoSuchContainer("TargetContainerHostname is only for models with InferenceExecutionConfig Direct")
            return self._stages
        names = ", ".join(stage.label for stage in self._stages)
        if not wanted:
            raise NoSuchContainer(f"TargetContainerHostname is required, one of {names}: the model's mode is Direct")
        found = [stage for stage in self._stages if stage.label == wanted]
        if not found:
            raise NoSuchContainer(f"no container has the hostname {wanted!r}: the model has {names}")
        return found

    async def _pass(self, stages: list[Stage], invocation: Invocation, deadline: float) -> Invocation | Reply:
        """Through all of `stages`: what is to be asked next, or the answer that was no success."""
        for stage in stages:
            answer = await stage.ask(dataclasses.replace(invocation, accept=None), deadline)
            if not answer.head.success:
                return stage.reply(answer)
            kind = answer.head.headers.get("content-type")
            invocation = dataclasses.replace(invocation, body=answer.body, content_type=kind)
        return invocation

    async def _stream(self, stage: Stage, invocation: Invocation, deadline: float) -> StreamedReply:
        answer = await stage.stream(invocation, deadline, self._streamed)
        if isinstance(answer, Answer):
            return _whole(stage.reply(answer))
        self._in_flight += 1  # until `_streamed`
        head, parts = answer
        if not head.success:
            return _whole(stage.reply(Answer(head, b"".join([part async for part in parts]))))
        reply = stage.reply(Answer(head, b""))
        return StreamedReply(reply.status, parts, reply.content_type, reply.custom_attributes, reply.container)

    def _streamed(self) -> None:
        self._in_flight -= 1


def _whole(reply: Reply) -> StreamedReply:
    parts = _once(reply.body)
    return StreamedReply(reply.status, parts, reply.content_type, reply.custom_attributes, reply.container)


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body
