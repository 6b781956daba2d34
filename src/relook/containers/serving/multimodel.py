"""A container that serves several models: each loaded when it is first asked for, the least recently used unloaded.

Models go by an id that tells nothing of their name. What a model needs on disk is linked into a folder that the
container sees from its start, and removed after the unloading.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import shutil
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path

from relook.containers.serving.api import Launch, ModelNotReady, NoSuchModel, ServingError, StartFailed
from relook.containers.serving.client import Answer
from relook.containers.serving.connection import Request
from relook.containers.serving.fetching import fetch
from relook.containers.serving.launching import MODELS
from relook.containers.serving.modeldata import Lease, ModelFolder, link_tree
from relook.containers.serving.running import Running
from relook.containers.serving.sources import ModelDataMissing
from relook.core.serving import ModelData

_log = logging.getLogger(__name__)
_ANSWER = 2**20
_UNLOAD_SECONDS = 60.0
_UNKNOWN, _LOADED_ALREADY, _NO_ROOM = 404, 409, 507


class Refused(Exception):
    """The container would not load the model; `answer` is what it said."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"status {answer.head.status}")
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Models:
    """Where models come from, and `visible`, what the container sees as /opt/ml/models.

    `cached` says whether a model stays loaded after its answer.
    """

    folder: ModelFolder
    visible: Path
    data: ModelData
    cached: bool


@dataclass(slots=True, eq=False)
class _Model:
    """One that is loaded, or is being loaded by `load`; `users` are the invocations that hold it."""

    id: str
    load: asyncio.Task[None]
    users: int = 0
    posting: bool = False
    """Whether the container is at work on the loading, so that room may come of it."""
    unused: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def loaded(self) -> bool:
        return self.load.done() and not self.load.cancelled() and self.load.exception() is None


class MultiModel:
    """Used on one event loop."""

    def __init__(self, running: Running, models: Models, launch: Launch, executor: Executor) -> None:
        self._running = running
        self._from = models
        self._launch = launch
        self._executor = executor
        self._loop = asyncio.get_running_loop()
        self._models: OrderedDict[str, _Model] = OrderedDict()  # the least recently used first
        self._leaving: dict[str, asyncio.Task[None]] = {}
        self._leases: dict[str, Lease] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()

    async def take(self, target: str, deadline: float) -> tuple[str, Callable[[], None]]:
        """Where to post for the model of that name, loaded by now, and what to call after the answer.

        Refused, NoSuchModel, ModelNotReady, StartFailed (its data are unusable), ContainerGone. A load goes on when
        nobody waits for it any more.
        """
        uri = _address(self._from.data.uri, target)
        id = hashlib.sha256(uri.encode()).hexdigest()[:32]
        model = self._models.get(id)
        if model is None:
            model = self._models[id] = _Model(id, self._task(self._load(id, uri)))
            model.load.add_done_callback(lambda done: self._forget(model, done))
        self._models.move_to_end(id)
        model.users += 1
        model.unused.clear()
        try:
            await asyncio.wait([model.load], timeout=max(0.0, deadline - self._loop.time()))
            if not model.load.done():
                raise ModelNotReady(f"the model {target!r} is still being loaded: ask again")
            if model.load.cancelled():
                raise ServingError("the endpoint's instance is being stopped")
            model.load.result()
        except ModelDataMissing as error:
            self._release(model)
            raise NoSuchModel(f"TargetModel {target!r}: {error}") from error
        except BaseException:
            self._release(model)
            raise
        return f"/models/{id}/invoke", lambda: self._release(model)

    async def close(self) -> None:
        """Give up what is being loaded, and give back all data. The container has been stopped."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for lease in self._leases.values():
            await self._loop.run_in_executor(self._executor, lease.release)
        self._leases.clear()

    def _task(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._end)
        return task

    def _end(self, task: asyncio.Task[None]) -> None:
        """Who waits for it gets its error as well; but nobody need be waiting."""
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            _log.warning("the %s container: a model could not be loaded or unloaded: %s", self._running.label, error)

    def _release(self, model: _Model) -> None:
        model.users -= 1
        if model.users:
            return
        model.unused.set()
        if not self._from.cached and model.loaded and self._models.get(model.id) is model:
            self._unload(model)

    def _forget(self, model: _Model, done: asyncio.Task[None]) -> None:
        """Of a load that failed nothing stays, so that the next to ask tries anew."""
        if done.cancelled() or done.exception() is not None:
            del self._models[model.id]
        elif not self._from.cached and not model.users:
            self._unload(model)
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _in_thread(self, call: Callable[..., None], *arguments: object) -> None:
        """Work on files, which a cancel does not leave behind: whoever cancels may remove the files next."""
        work = self._loop.run_in_executor(self._executor, call, *arguments)
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            await asyncio.wait([work])
            raise

    # Loading.

    async def _load(self, id: str, uri: str) -> None:
        if id in self._leaving:
            await asyncio.wait([self._leaving[id]])
        data = ModelData(uri, prefix=uri.endswith("/"), gzip=self._from.data.gzip and not uri.endswith("/"))
        seconds = self._launch.download_timeout
        lease = await fetch(self._from.folder, self._executor, self._launch.account, data, seconds)
        self._leases[id] = lease
        try:
            await self._in_thread(self._show, id, lease)
            await self._post(id)
        except BaseException as error:
            await self._clear(id)
            if isinstance(error, OSError):
                raise StartFailed(f"the model data at {uri} cannot be written to disk: {error}") from error
            raise

    def _show(self, id: str, lease: Lease) -> None:
        place = self._from.visible / id
        place.mkdir()
        place.chmod(0o755)
        link_tree(lease.path, place / "model")

    def _hide(self, id: str) -> None:
        if (place := self._from.visible / id).exists():
            shutil.rmtree(place)

    async def _post(self, id: str) -> None:
        """Have the container load it, unloading others while it has no room."""
        body = json.dumps({"model_name": id, "url": f"{MODELS}/{id}/model"}).encode()
        request = Request("POST", "/models", (("Content-Type", "application/json"),), body)
        deadline = self._loop.time() + self._launch.startup_timeout
        while True:
            self._models[id].posting = True
            try:
                answer = await self._running.ask(request, _ANSWER, deadline)
            finally:
                self._models[id].posting = False
                self._wake()
            if answer.head.success or answer.head.status == _LOADED_ALREADY:
                return
            if answer.head.status != _NO_ROOM or not await self._make_room(id, deadline):
                raise Refused(answer)

    async def _make_room(self, id: str, deadline: float) -> bool:
        """Whether anything of others was unloaded, or may have made room by itself, before the deadline."""
        others = [model for model in self._models.values() if model.id != id]
        loaded = [model for model in others if model.loaded]
        if loaded:
            self._unload(next((model for model in loaded if not model.users), loaded[0]))
        waiting = [*self._leaving.values()]
        if not waiting and not any(model.posting for model in others):
            return False
        changed = self._loop.create_task(self._changed.wait())
        await asyncio.wait([*waiting, changed], timeout=deadline - self._loop.time(), return_when="FIRST_COMPLETED")
        changed.cancel()
        return self._loop.time() < deadline

    # Unloading.

    def _unload(self, model: _Model) -> None:
        """From now on nobody gets it; it goes when its last invocation is answered."""
        del self._models[model.id]
        task = self._leaving[model.id] = self._task(self._depart(model))
        task.add_done_callback(lambda _: self._leaving.pop(model.id))

    async def _depart(self, model: _Model) -> None:
        if model.users:
            await model.unused.wait()
        try:
            deadline = self._loop.time() + _UNLOAD_SECONDS
            answer = await self._running.ask(Request("DELETE", f"/models/{model.id}"), _ANSWER, deadline)
            if not answer.head.success and answer.head.status != _UNKNOWN:
                _log.warning("the %s container answers %s to an unload", self._running.label, answer.head.status)
        finally:
            await self._clear(model.id)
            self._wake()

    async def _clear(self, id: str) -> None:
        """Take its files away; also in the middle of a cancel, when `close` does the rest."""
        lease = self._leases[id]
        await self._in_thread(self._hide, id)
        await self._in_thread(lease.release)
        del self._leases[id]


def _address(prefix: str, target: str) -> str:
    """The object of a TargetModel under the model's prefix. NoSuchModel for what is no plain path."""
    name = target.removeprefix("/")
    if any(part in ("", ".", "..") for part in name.removesuffix("/").split("/")):
        raise NoSuchModel(f"TargetModel {target!r} is no path under {prefix}")
    return f"{prefix.removesuffix('/')}/{name}"
