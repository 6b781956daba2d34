"""One container of an instance: started, pinged, watched, asked, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass

from relook import processes
from relook.containers.api import STOP_SECONDS, Container, ContainerError, ContainerSpec, Driver
from relook.containers.serving.api import (
    AnswerTooLarge,
    ContainerGone,
    LogSink,
    ServingError,
    StartFailed,
    Unreachable,
)
from relook.containers.serving.client import Answer, Client
from relook.containers.serving.client import Parts as ClientParts
from relook.containers.serving.connection import ConnectFailed, Head, HttpError, Lost, Request, TooLarge
from relook.core.clipping import clip

_log = logging.getLogger(__name__)
_LAST_LINES = 10
_LINE_LENGTH = 300
_PING = Request("GET", "/ping")
_PING_ANSWER = 64 * 1024
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.5
"""Seconds between pings of a container that starts: often at first, so that small models are up at once."""


@dataclass(frozen=True, slots=True)
class Health:
    """How containers are watched, in seconds. `missed` pings in a row make one that runs unhealthy.

    A container that takes one request at a time cannot answer /ping meanwhile: a ping unanswered while it works is not
    missed until `busy` seconds have passed since its last answer.
    """

    ping_timeout: float = 2.0
    ping_every: float = 10.0
    missed: int = 3
    busy: float = 90.0
    stop_grace: float = STOP_SECONDS


class Parts(AsyncIterator[bytes]):
    """A container's answer as it arrives; ContainerGone or AnswerTooLarge where it breaks off."""

    def __init__(self, parts: ClientParts, translate: Callable[[HttpError], ServingError]) -> None:
        self._parts = parts
        self._translate = translate

    async def __anext__(self) -> bytes:
        try:
            return await self._parts.__anext__()
        except HttpError as error:
            raise self._translate(error) from error

    async def aclose(self) -> None:
        """The rest is not wanted."""
        await self._parts.aclose()


class Running:
    """Used on one event loop; what blocks goes to `executor`."""

    def __init__(self, label: str, port: int, health: Health, executor: Executor, log: LogSink) -> None:
        self.label = label
        self._port = port
        self._health = health
        self._executor = executor
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._last: deque[str] = deque(maxlen=_LAST_LINES)
        self._container: Container | None = None
        self._client = Client(self._connect, executor)
        self._exited: asyncio.Future[str] = self._loop.create_future()
        self._watch: asyncio.Task[None] | None = None
        self._stopping: asyncio.Future[int] | None = None
        self._in_flight = 0
        self._heard = 0.0
        self.reason = ""
        """Why it is not healthy any more."""

    @property
    def healthy(self) -> bool:
        return self._container is not None and not self.reason

    async def start(self, driver: Driver, spec: ContainerSpec) -> None:
        """Returns once its process runs. StartFailed."""
        beginning = _Beginning(driver, spec, self._line)
        started = self._loop.run_in_executor(self._executor, beginning.run)
        started.add_done_callback(lambda done: done.cancelled() or done.exception())  # asked for below, or by nobody
        try:
            container = await asyncio.shield(started)
        except asyncio.CancelledError:
            container = beginning.give_up()
            if container is not None:
                self._adopt(container)
            raise
        except ContainerError as error:
            raise StartFailed(f"The {self.label} container could not be started: {error}") from error
        if container is not None:
            self._adopt(container)

    def _adopt(self, container: Container) -> None:
        self._container = container
        threading.Thread(target=self._wait, args=(container,), name=f"wait {container.name}", daemon=True).start()

    async def ready(self, timeout: float) -> None:
        """Returns once /ping is answered with 200, and watches it from then on. StartFailed."""
        end = self._loop.time() + timeout
        pause, last = _FIRST_PAUSE, ""
        while self._loop.time() < end:
            wrong = await self._ping(min(self._health.ping_timeout, end - self._loop.time()))
            if not wrong:
                self._heard = self._loop.time()
                self._watch = self._loop.create_task(self._watching())
                return
            if not last or self._loop.time() < end:  # one that the end cuts off tells less than the one before
                last = wrong
            await asyncio.wait([self._exited], timeout=min(pause, max(0.0, end - self._loop.time())))
            if self._exited.done():
                raise StartFailed(await self._why(f"{self._exited.result()} before it answered /ping"))
            pause = min(_LONGEST_PAUSE, pause * 1.5)
        last = last or "it was not asked"
        raise StartFailed(await self._why(f"did not pass the ping health check within {timeout:g} s: {last}"))

    async def ask(self, request: Request, largest: int, deadline: float) -> Answer:
        """ContainerGone, AnswerTooLarge."""
        self._in_flight += 1
        try:
            with self._told():
                answer = await self._client.ask(request, largest, deadline)
        finally:
            self._in_flight -= 1
        self._heard = self._loop.time()
        return answer

    async def stream(
        self, request: Request, largest: int, deadline: float, on_end: Callable[[], None]
    ) -> tuple[Head, Parts]:
        """The same, part by part. Where this returns, `on_end` is called once: when no more will come."""
        self._in_flight += 1
        try:
            with self._told():
                head, parts = await self._client.stream(request, largest, deadline)
        except BaseException:
            self._in_flight -= 1
            raise

        def end() -> None:
            self._in_flight -= 1
            self._heard = self._loop.time()
            on_end()

        parts.when_ended(end)
        return head, Parts(parts, self._translated)

    async def stop(self) -> None:
        """End it; safe to call twice, and after a failed start."""
        self._give_up(self.reason or "was stopped")
        if self._watch is not None:
            self._watch.cancel()
        if self._container is None:
            return
        if self._stopping is None:
            grace = self._health.stop_grace
            self._stopping = self._loop.run_in_executor(self._executor, self._container.stop, grace)
        try:
            await asyncio.shield(self._stopping)
        except ContainerError:
            _log.exception("the %s container %s could not be stopped", self.label, self._container.name)
            return
        await asyncio.shield(self._exited)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Failures of the connection in the words of the seam."""
        try:
            yield
        except HttpError as error:
            raise self._translated(error) from error
        except ValueError as error:
            raise ServingError(f"The request cannot be sent to the {self.label} container: {error}") from error

    def _translated(self, error: HttpError) -> ServingError:
        if isinstance(error, TooLarge):
            return AnswerTooLarge(f"The {self.label} container answered too much: {error}")
        kind = Unreachable if isinstance(error, ConnectFailed) else ContainerGone
        return kind(f"The {self.label} container gave no answer: {self.reason or error}")

    # Being told of its end.

    def _line(self, line: str) -> None:
        self._last.append(clip(line, _LINE_LENGTH))
        self._log(self.label, line)

    def _connect(self, seconds: float) -> socket.socket:
        assert self._container is not None
        return self._container.connect(self._port, seconds)

    def _wait(self, container: Container) -> None:
        try:
            ended = _ended(container.wait())
        except Exception as error:  # an end that nobody is told of would be waited for without end
            _log.exception("the %s container %s cannot be watched any more", self.label, container.name)
            ended = f"cannot be watched any more: {error}"
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            self._loop.call_soon_threadsafe(self._on_exit, ended)

    def _on_exit(self, ended: str) -> None:
        self._exited.set_result(ended)
        self._give_up(ended)

    def _give_up(self, reason: str) -> None:
        self.reason = self.reason or reason
        self._client.close(Lost(self.reason))

    async def _why(self, what: str) -> str:
        """Words for a failed start; stops the container first, so that its last words are there."""
        await self.stop()
        said = "\n".join(self._last)
        return f"The {self.label} container {what}. " + (f"It said last:\n{said}" if said else "It said nothing.")

    # Watching.

    async def _ping(self, timeout: float) -> str:
        """What is wrong; nothing for a container in health."""
        try:
            answer = await self._client.ask(_PING, _PING_ANSWER, self._loop.time() + timeout)
        except HttpError as error:
            return f"/ping: {error}"
        if answer.head.status != 200:
            return f"/ping is answered with {answer.head.status}"
        self._heard = self._loop.time()
        return ""

    async def _watching(self) -> None:
        missed = 0
        while missed < self._health.missed:
            await asyncio.sleep(self._health.ping_every)
            wrong = await self._ping(self._health.ping_timeout)
            at_work = self._in_flight and self._loop.time() - self._heard < self._health.busy
            missed = missed + 1 if wrong and not at_work else 0
        self._give_up(f"is unhealthy: {wrong}")


class _Beginning:
    """A start on another thread that may not be wanted any more when it is done."""

    def __init__(self, driver: Driver, spec: ContainerSpec, log: Callable[[str], None]) -> None:
        self._driver, self._spec, self._log = driver, spec, log
        self._guard = threading.Lock()
        self._unwanted = False
        self._started: Container | None = None

    def run(self) -> Container | None:
        """Blocks. None where it was given up meanwhile."""
        container = self._driver.start(self._spec, self._log)
        with self._guard:
            if not self._unwanted:
                self._started = container
                return container
        container.stop(0)
        return None

    def give_up(self) -> Container | None:
        """What has been started already, for the caller to stop; what is started later is stopped by `run`."""
        with self._guard:
            self._unwanted = True
            return self._started


def _ended(status: int | None) -> str:
    """Words for an exit status as Container.wait gives it."""
    assert status is not None  # without a timeout it waits for the end
    return processes.describe_exit(status if status <= 128 else 128 - status)
