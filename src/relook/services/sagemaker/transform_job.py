"""The job of a transform: lists its inputs, runs its model, and leaves an output for each input, or none at all."""

from __future__ import annotations

import asyncio
import hashlib
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager

from sqlalchemy import Connection

from relook.blobs.errors import BlobError, NoRoom
from relook.blobs.folder import FolderBlobs
from relook.blobs.records import NULL_VERSION, UNCONDITIONAL, Condition, Target
from relook.containers.api import ContainerError
from relook.containers.serving.api import Instance, Launch, ServingError, Starter
from relook.core.batch import BatchError
from relook.core.batch.batching import Limits, Strategy, Wishes, limits
from relook.core.clipping import clip
from relook.core.clock import Clock
from relook.core.transforms import TransformStatus
from relook.jobs.api import Completion, JobContext, JobFailed, JobKind, Payload
from relook.jobs.child import CANCELLED_REASON
from relook.jobs.policy import disk_full
from relook.jobs.queue import enqueue
from relook.services.sagemaker.names import Kind, arn_of
from relook.services.sagemaker.transform_flow import Flow
from relook.services.sagemaker.transform_host import Host, numbered
from relook.services.sagemaker.transform_inputs import Inputs
from relook.services.sagemaker.transform_outputs import Recorder, Superseded
from relook.services.sagemaker.transform_spec import Spec
from relook.store import sagemaker_transforms as transforms
from relook.store.engine import Store
from relook.store.log_writer import LogWriter
from relook.store.sagemaker_transforms import InputObject, Tally, Transform

LANE = "transform"
JOB = "transform"
LOG_GROUP = "/aws/sagemaker/TransformJobs"
MAX_ATTEMPTS = 10
"""What was done stays done, so a job that is killed again and again still comes to its end."""
_PAGE = 500
_TICK = 0.2
_SWITCH = 0.0005
"""Seconds for which a thread that reads or writes may keep the one that asks the container waiting."""
_MOST_REASON = 1024
_KNOWN = ("ClientError: ", "AlgorithmError: ")
_SEE_LOGS = " See job logs for more information"

MakeStarter = Callable[[], AbstractContextManager[Starter]]
"""Entered on the event loop that will use the starter, left when all that it started has been stopped."""


class TransformJobs:
    """Runs the transform of a payload `{"transform": id}`. A job that was stopped comes again, to remove its outputs.

    `prefix` begins the names of this data folder's containers; `reap` ends those whose name begins as given.
    """

    def __init__(
        self,
        store: Store,
        blobs: FolderBlobs,
        clock: Clock,
        starter: MakeStarter,
        *,
        prefix: str,
        reap: Callable[[str], None],
        gpu: bool = False,
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._starter = starter
        self._prefix = prefix
        self._reap = reap
        self._gpu = gpu

    def kind(self) -> JobKind:
        return JobKind(JOB, LANE, self.run, self.failed, MAX_ATTEMPTS)

    def run(self, context: JobContext, payload: Payload) -> Completion:
        """Do what is left of it, and return what ends it. Safe to repeat at any point."""
        with self._store.read() as connection:
            job = transforms.get(connection, payload["transform"])
        if job is None or job.status not in (TransformStatus.IN_PROGRESS, TransformStatus.STOPPING):
            return _nothing
        name = f"{self._prefix}{job.id}-"
        self._clear_away(context, name)
        if job.status is TransformStatus.STOPPING:
            return self._remove_outputs(context, job)
        try:
            self._transform(context, self._listed(context, job), f"{name}{context.attempt}")
        except NoRoom:
            raise  # the machine's trouble, not the data's: the worker tries again later
        except (BatchError, BlobError) as error:
            raise JobFailed(f"ClientError: {error}") from error
        except ServingError as error:
            if disk_full(error):
                raise  # likewise
            raise JobFailed(f"AlgorithmError: {error}") from error
        except Superseded:
            pass  # it was stopped: what ends it sees to that
        with self._store.read() as connection:
            counts = transforms.tally(connection, job.id)
        if counts.failed:
            raise JobFailed(_reason(counts))
        return self._completed(job)

    def failed(self, connection: Connection, payload: Payload, reason: str) -> None:
        """Of a job that was stopped, have the outputs removed before it is Stopped."""
        job = transforms.get(connection, payload["transform"])
        if job is None:
            return
        if job.status is not TransformStatus.STOPPING:
            whose = "ClientError: " if reason == CANCELLED_REASON else "InternalServerError: "
            text = clip(" ".join((reason if reason.startswith(_KNOWN) else whose + reason).split()), _MOST_REASON)
            transforms.change_status(connection, job.id, TransformStatus.FAILED, self._clock(), text)
        elif reason == CANCELLED_REASON or reason.startswith(_KNOWN):  # stopped when it had just failed
            self._clean_up(connection, job)
        else:
            why = f"InternalServerError: its outputs could not be removed: {reason}"[:_MOST_REASON]
            transforms.change_status(connection, job.id, TransformStatus.STOPPED, self._clock(), why)

    def _clear_away(self, context: JobContext, name: str) -> None:
        """What an attempt that was killed has left; the next one's containers have other names, so it may fail."""
        try:
            self._reap(name)
        except ContainerError as error:
            context.log(f"containers of earlier attempts may still run: {error}")

    def _clean_up(self, connection: Connection, job: Transform) -> None:
        if not job.listed:  # it never began: there is neither an output nor a container
            transforms.change_status(connection, job.id, TransformStatus.STOPPED, self._clock())
            return
        subject = arn_of(job.scope, Kind.TRANSFORM_JOB, job.name)
        now = self._clock()
        transforms.set_job(
            connection,
            job.id,
            enqueue(connection, kind=JOB, lane=LANE, subject=subject, payload={"transform": job.id}, now=now),
        )

    def _listed(self, context: JobContext, job: Transform) -> Transform:
        """The job with its inputs written down, as they are when it is run first."""
        if job.listed:
            return job
        context.progress("listing the input", 0, 0)
        objects = Inputs(self._blobs, job.scope.account, Spec.of(job.request)).find_all()
        with self._store.write() as connection:
            transforms.begin(connection, job.id, objects, self._clock())
            found = transforms.get(connection, job.id)
        assert found is not None
        return found

    def _transform(self, context: JobContext, job: Transform, name: str) -> None:
        with self._store.read() as connection:
            counts = transforms.tally(connection, job.id)
        if not counts.pending:
            return
        with LogWriter(self._store, clock=self._clock) as logs:
            stream = log_stream(job)
            write = logs.sink(job.scope, LOG_GROUP, stream)
            say = logs.sink(job.scope, LOG_GROUP, f"{stream}/data-log")
            run = _Run(self._store, self._blobs, self._clock, context, job, counts, write, say)
            error: BaseException | None = None
            before = sys.getswitchinterval()
            sys.setswitchinterval(_SWITCH)
            try:
                asyncio.run(run.run(self._starter, name, self._gpu))
            except BaseExceptionGroup as group:
                error = _first(group)
            finally:
                run.discard()
                sys.setswitchinterval(before)
            if error is not None:
                raise error  # with the cause it had: a full disk is known by that

    def _completed(self, job: Transform) -> Completion:
        def complete(connection: Connection) -> None:
            found = transforms.get(connection, job.id)
            if found is not None and found.status is TransformStatus.STOPPING:
                self._clean_up(connection, found)
            else:
                transforms.change_status(connection, job.id, TransformStatus.COMPLETED, self._clock())

        return complete

    def _remove_outputs(self, context: JobContext, job: Transform) -> Completion:
        bucket = Spec.of(job.request).output.bucket
        removed = 0
        while True:
            with self._store.read() as connection:
                left = transforms.written(connection, job.id, limit=_PAGE)
            if not left:
                return lambda connection: _stopped(connection, job.id, self._clock())
            targets = [Target(each.output, each.version, _if_ours(each.version, each.etag)) for each in left]
            self._blobs.objects.delete_many(job.scope.account, bucket, targets)
            with self._store.write() as connection:
                transforms.forget(connection, job.id, [each.position for each in left])
            removed += len(left)
            context.progress("removing the outputs", removed, 0)


class _Run:
    """One attempt, on one event loop."""

    def __init__(
        self,
        store: Store,
        blobs: FolderBlobs,
        clock: Clock,
        context: JobContext,
        job: Transform,
        counts: Tally,
        write: Callable[[str], None],
        say: Callable[[str], None],
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._context = context
        self._job = job
        self._spec = Spec.of(job.request)
        self._total = counts.total
        self._done = counts.total - counts.pending
        self._write = write
        self._say = say
        self._flow: Flow | None = None

    async def run(self, starter: MakeStarter, name: str, gpu: bool) -> None:
        """Raises as Flow.run does, in groups, and JobCancelled."""
        launch = Launch(
            name=name,
            account=self._job.scope.account,
            model=self._job.model,
            environment=self._spec.environment,
            gpu=gpu,
        )
        sink = numbered(self._write, len(self._job.model.containers) > 1)
        with starter() as started:
            host = Host(started, launch, sink, self._spec.retries)
            async with asyncio.TaskGroup() as tasks:
                watching = tasks.create_task(self._watch())
                try:
                    await self._work(host)
                finally:
                    await host.close()
                watching.cancel()

    def discard(self) -> None:
        if self._flow is not None:
            self._flow.discard()

    async def _watch(self) -> None:
        """Report, and so learn of a stop: JobCancelled ends the work that runs beside this."""
        while True:
            stage = "transforming" if self._flow else "starting the model"
            self._context.progress(stage, self._done, self._total)
            await asyncio.sleep(_TICK)

    async def _work(self, host: Host) -> None:
        allowed = await _limits(self._spec, await host.instance())
        self._context.log(f"{allowed.concurrent} at once, each of up to {allowed.payload} bytes, {allowed.strategy}")
        recorder = Recorder(self._store, self._blobs, self._clock, self._job, self._spec.output.bucket, self._count)
        inputs = Inputs(self._blobs, self._job.scope.account, self._spec)
        self._flow = Flow(self._spec, allowed, inputs, host, recorder, self._blobs, self._say)
        await self._flow.run(self._pending())

    def _count(self, more: int) -> None:
        self._done += more

    async def _pending(self) -> AsyncIterator[InputObject]:
        after = -1
        while page := await asyncio.to_thread(self._page, after):
            for source in page:
                yield source
            after = page[-1].position

    def _page(self, after: int) -> list[InputObject]:
        with self._store.read() as connection:
            return transforms.pending(connection, self._job.id, after=after, limit=_PAGE)


async def _limits(spec: Spec, instance: Instance) -> Limits:
    said = await instance.execution_parameters()
    strategy = None
    if said.multi_record is not None:
        strategy = Strategy.MULTI_RECORD if said.multi_record else Strategy.SINGLE_RECORD
    return limits(spec.wishes, Wishes(said.max_concurrent, said.max_payload_mb, strategy))


def log_stream(job: Transform) -> str:
    """`<job>/<host>-<epoch>`: the same for every attempt, since clients follow one stream."""
    host = hashlib.sha256(f"{job.scope.account}/{job.scope.region}/{job.id}".encode()).hexdigest()[:17]
    return f"{job.name}/i-{host}-{(job.started or job.created) // 1000}"


def _if_ours(version: str, etag: str) -> Condition:
    """Where there are no versions, somebody may have written another object over ours."""
    return Condition(if_match=etag) if version == NULL_VERSION else UNCONDITIONAL


def _reason(counts: Tally) -> str:
    kind, _, text = counts.first_reason.partition(": ")
    head = f"{kind}: {counts.failed} of {counts.total} input objects failed; the first: "
    room = _MOST_REASON - len(head) - len(_SEE_LOGS) - 1
    return f"{head}{text[:room].rstrip('.')}.{_SEE_LOGS}"


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What went wrong first; the rest is what followed from it."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _stopped(connection: Connection, transform_id: int, now: int) -> None:
    transforms.change_status(connection, transform_id, TransformStatus.STOPPED, now)


def _nothing(connection: Connection) -> None:
    """The job has ended without this run."""
