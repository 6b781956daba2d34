"""Data capture: what endpoints were asked and answered, as JSON lines in S3.

An invocation only leaves its record in memory. One task writes files, each of them whole. While the disk is full
records wait for room; what does not fit in memory meanwhile is dropped and counted in the logs, for no invocation may
wait or fail over its record.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from relook.aws.operation import Members, RequestContext
from relook.blobs.errors import BlobError, NoRoom
from relook.blobs.interface import Blobs
from relook.containers.serving.api import Reply
from relook.core.clock import as_datetime
from relook.core.deployments import Capture, CapturePart
from relook.core.names import Scope
from relook.services.sagemaker.launches import GROUP, Logs
from relook.services.sagemaker.live import Live
from relook.store.engine import StorageFull

_log = logging.getLogger(__name__)
_MOST_BYTES = 64 * 2**20
_FILE_BYTES = 8 * 2**20
_TYPE = "application/x-jsonlines"
Target = tuple[Scope, str, str, str]
"""Account and region, destination, endpoint, variant."""


@dataclass(frozen=True, slots=True)
class _Record:
    """An invocation as it was; `now` in milliseconds."""

    capture: Capture
    now: int
    event: str
    inference_id: str | None
    attributes: str | None
    body: bytes
    content_type: str | None
    reply: Reply

    @property
    def size(self) -> int:
        return 512 + len(self.body) + len(self.reply.body)


@dataclass(slots=True)
class _Batch:
    records: list[_Record] = field(default_factory=list)
    size: int = 0


class Capturer:
    """Takes records on the event loop; writes them every `seconds`, and at `close`."""

    def __init__(
        self,
        blobs: Blobs,
        *,
        seconds: float = 10.0,
        most_bytes: int = _MOST_BYTES,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._blobs = blobs
        self._seconds = seconds
        self._most_bytes = most_bytes
        self._chance = chance
        self._batches: dict[Target, _Batch] = {}
        self._size = 0
        self._dropped = 0
        self._early = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self._logs: Logs | None = None

    def start(self, logs: Logs) -> None:
        """What is lost, the endpoint's own log tells, too."""
        self._logs = logs
        self._task = asyncio.create_task(self._run(), name="sagemaker-capture")

    async def close(self) -> None:
        """Write what is there, and end."""
        self._closing = True
        if self._task is not None:
            self._early.set()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        await self.flush(last=True)

    def offer(
        self, context: RequestContext, live: Live, variant: str, members: Members, body: bytes, reply: Reply
    ) -> None:
        """Record an invocation, if the endpoint captures and the dice say so."""
        capture = live.capture
        if capture is None or not capture.enabled or self._chance() * 100 >= capture.percentage:
            return
        record = _Record(
            capture=capture,
            now=context.now,
            event=str(uuid.uuid4()),
            inference_id=members.get("InferenceId"),
            attributes=members.get("CustomAttributes"),
            body=body,
            content_type=members.get("ContentType"),
            reply=reply,
        )
        if self._size + record.size > self._most_bytes:
            self._dropped += 1
            return
        batch = self._batches.setdefault((live.scope, capture.destination, live.name, variant), _Batch())
        batch.records.append(record)
        batch.size += record.size
        self._size += record.size
        if batch.size > _FILE_BYTES:
            self._early.set()

    async def flush(self, *, last: bool = False) -> None:
        """Write every record there is. What cannot be written is dropped, and the log says why.

        While there is no room on the disk records stay for the next time, unless this is the `last`.
        """
        for target, batch in [(each, self._batches.pop(each)) for each in [*self._batches]]:
            try:
                await asyncio.to_thread(self._write, target, batch.records)
            except (BlobError, StorageFull, OSError) as error:
                if isinstance(error, NoRoom | StorageFull) and not last:
                    _log.warning("data capture of %s: %d records wait: %s", target[2], len(batch.records), error)
                    self._give_back(target, batch)
                    continue
                self._tell(target, f"{len(batch.records)} records are lost: {error}")
            self._size -= batch.size
        if self._dropped:
            _log.error("data capture: %d records are lost: they came faster than they were written", self._dropped)
            self._dropped = 0

    def _give_back(self, target: Target, batch: _Batch) -> None:
        newer = self._batches.get(target, _Batch())
        self._batches[target] = _Batch(batch.records + newer.records, batch.size + newer.size)

    def _tell(self, target: Target, text: str) -> None:
        scope, destination, endpoint, variant = target
        _log.error("data capture of %s: %s", endpoint, text)
        if self._logs is not None:
            sink = self._logs.sink(scope, GROUP + endpoint, f"{variant}/data-capture")
            sink(f"relook: data capture to {destination}: {text}")

    async def _run(self) -> None:
        while not self._closing:
            try:
                async with asyncio.timeout(self._seconds):
                    await self._early.wait()
            except TimeoutError:
                pass
            self._early.clear()
            await self.flush()

    def _write(self, target: Target, records: list[_Record]) -> None:
        scope, destination, endpoint, variant = target
        bucket, _, prefix = destination.partition("://")[2].partition("/")
        lines = b"".join(line_of(record) for record in records)
        parts = [prefix.strip("/"), endpoint, variant, _file_name(as_datetime(records[0].now))]
        self._blobs.put(scope.account, bucket, "/".join(part for part in parts if part), lines, _TYPE)


def _file_name(time: datetime) -> str:
    return f"{time:%Y/%m/%d/%H/%M-%S}-{time.microsecond // 1000:03d}-{uuid.uuid4()}.jsonl"


def line_of(record: _Record) -> bytes:
    """One invocation in the form that SageMaker writes, with its line end."""
    data: dict[str, Any] = {}
    capture = record.capture
    if CapturePart.INPUT in capture.parts:
        data["endpointInput"] = _half("INPUT", record.body, record.content_type, capture)
    if CapturePart.OUTPUT in capture.parts:
        data["endpointOutput"] = _half("OUTPUT", record.reply.body, record.reply.content_type, capture)
    metadata = {
        "eventId": record.event,
        "customAttributes": [record.attributes] if record.attributes is not None else None,
        "inferenceId": record.inference_id,
        "inferenceTime": f"{as_datetime(record.now):%Y-%m-%dT%H:%M:%SZ}",
    }
    told = {name: value for name, value in metadata.items() if value is not None}
    whole = {"captureData": data, "eventMetadata": told, "eventVersion": "0"}
    return json.dumps(whole, separators=(",", ":")).encode() + b"\n"


def _half(mode: str, body: bytes, content_type: str | None, capture: Capture) -> dict[str, Any]:
    text, encoding = _encoded(body, content_type, capture)
    return {"observedContentType": content_type, "mode": mode, "data": text, "encoding": encoding}


def _encoded(body: bytes, content_type: str | None, capture: Capture) -> tuple[str, str]:
    """Text under a content type that was named for it; base64 for all others, and for what is no text after all."""
    plain = (content_type or "").partition(";")[0].strip().lower()
    for encoding, types in (("CSV", capture.csv), ("JSON", capture.json)):
        if plain and plain in {each.lower() for each in types}:
            try:
                return body.decode(), encoding
            except UnicodeDecodeError:
                break
    return base64.b64encode(body).decode(), "BASE64"
