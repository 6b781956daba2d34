"""Transform jobs on real rows, objects and queue; their containers are processes that answer HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from batch_driver import ProcessDriver

from relook.aws.operation import RequestContext
from relook.blobs.errors import NoRoom
from relook.blobs.folder import FolderBlobs
from relook.blobs.listing import Query
from relook.blobs.records import Versioning
from relook.containers.serving.api import Starter
from relook.containers.serving.instance import InstanceStarter
from relook.containers.serving.modeldata import ModelFolder
from relook.core.clock import system_clock
from relook.core.identity import Principal
from relook.core.names import Scope
from relook.core.serving import ContainerDefinition, ModelDefinition
from relook.jobs import queue
from relook.jobs.api import JobCancelled, JobFailed
from relook.jobs.child import CANCELLED_REASON
from relook.jobs.policy import Policy
from relook.jobs.settle import Settler
from relook.jobs.states import JobState
from relook.services.sagemaker.transform import Transforms
from relook.services.sagemaker.transform_job import LOG_GROUP, TransformJobs
from relook.store import logs
from relook.store import sagemaker_documents as documents
from relook.store.engine import Store
from relook.store.sagemaker_documents import DocumentKind

ACCOUNT, REGION = "123456789012", "eu-central-1"
SCOPE = Scope(ACCOUNT, REGION)
BUCKET = "data"


class Killed(BaseException):
    """What a kill -9 looks like from inside a test: nothing of the job's own runs any more."""


class Context:
    """A JobContext that learns of a cancellation as the real one does: from the row."""

    def __init__(self, world: World, job: queue.Job, on_progress: Callable[[str, int], None]) -> None:
        self.job_id = job.id
        self.attempt = job.attempt
        self.lines: list[str] = []
        self._world = world
        self._on_progress = on_progress

    def progress(self, stage: str, done: int, total: int) -> None:
        self._on_progress(stage, done)
        with self._world.store.read() as connection:
            job = queue.find(connection, self.job_id)
        assert job is not None
        if job.cancel_requested:
            raise JobCancelled("cancelled")

    def log(self, message: str) -> None:
        self.lines.append(message)


class World:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = Store.open(folder / "rows.sqlite3")
        self.blobs = FolderBlobs(self.store, folder / "objects", system_clock)
        self.driver = ProcessDriver()
        self.wakes = 0
        self.transforms = Transforms(self.store, self.blobs, self._wake)
        self.kind = TransformJobs(
            self.store, self.blobs, system_clock, self._starting, prefix="test-", reap=self.driver.reap
        ).kind()
        if not self.blobs.buckets.list(ACCOUNT):
            self.blobs.buckets.create(ACCOUNT, REGION, BUCKET)
            # Versions show what was written twice.
            self.blobs.buckets.set_versioning(ACCOUNT, BUCKET, Versioning.ENABLED)

    def close(self) -> None:
        self.store.close()
        assert self.driver.running() == []
        assert list((self.folder / "objects" / "tmp").iterdir()) == []

    def _wake(self) -> None:
        self.wakes += 1

    @contextmanager
    def _starting(self) -> Iterator[Starter]:
        folder = ModelFolder(self.folder / "models", self.blobs)
        starter = InstanceStarter(self.driver, folder)
        try:
            yield starter
        finally:
            starter.close()
            folder.close()

    @property
    def context(self) -> RequestContext:
        principal = Principal(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT, "AKIA")
        return RequestContext(ACCOUNT, REGION, principal, "id", system_clock(), "http://127.0.0.1")

    def put(self, key: str, data: bytes, bucket: str = BUCKET) -> None:
        self.blobs.put(ACCOUNT, bucket, key, data, "application/octet-stream")

    def read(self, key: str) -> bytes:
        return self.blobs.read(ACCOUNT, BUCKET, key)

    def keys(self, prefix: str = "out/", bucket: str = BUCKET) -> list[str]:
        return [each.key for each in self.blobs.listing.objects(ACCOUNT, bucket, Query(prefix)).items]

    def versions(self, prefix: str = "out/") -> list[str]:
        return [each.key for each in self.blobs.listing.versions(ACCOUNT, BUCKET, Query(prefix)).items]

    def model(self, name: str = "m", image: str = "test", **environment: str) -> str:
        definition = ModelDefinition(name, (ContainerDefinition(image=image, environment=environment),))
        self.keep(definition)
        return name

    def keep(self, definition: ModelDefinition) -> None:
        content = {"described": {}, "definition": definition.dump()}
        with self.store.write() as connection:
            documents.create(connection, SCOPE, DocumentKind.MODEL, definition.name, content, system_clock())

    def create(self, name: str = "job", **members: Any) -> str:
        return str(self.transforms.create(self.context, request(name, **members))["TransformJobArn"])

    def describe(self, name: str = "job") -> dict[str, Any]:
        return dict(self.transforms.describe(self.context, {"TransformJobName": name}))

    def stop(self, name: str = "job") -> None:
        self.transforms.stop(self.context, {"TransformJobName": name})

    def work(
        self,
        on_progress: Callable[[str, int], None] = lambda stage, done: None,
        *,
        before_end: Callable[[], None] = lambda: None,
    ) -> Context | None:
        """Run the next job of the queue as the worker and its child do; None when there is none."""
        with self.store.read() as connection:
            cancelled = [each for each in queue.to_cancel(connection) if each.state is JobState.QUEUED]
        for each in cancelled:
            Settler(self.store, {self.kind.name: self.kind}, Policy(), system_clock).cancel_queued(each)
        job = self._claim()
        if job is None:
            return None
        context = Context(self, job, on_progress)
        try:
            completion = self.kind.run(context, job.payload)
        except JobCancelled:
            self._end(job, CANCELLED_REASON, queue.cancel)
        except JobFailed as error:
            before_end()
            self._end(job, str(error), queue.fail)
        else:
            before_end()
            with self.store.write() as connection:
                completion(connection)
                queue.succeed(connection, job.claim, system_clock())
        return context

    def crash(self, on_progress: Callable[[str, int], None] = lambda stage, done: None) -> None:
        """Run the next job until `on_progress` raises Killed, or the disk is full; the job is queued again."""
        job = self._claim()
        assert job is not None
        try:
            self.kind.run(Context(self, job, on_progress), job.payload)
        except (Killed, NoRoom):
            now = system_clock()
            with self.store.write() as connection:
                queue.requeue(connection, job.claim, "killed", now=now, available=now)
            return
        raise AssertionError("it was not killed")

    def done(self, name: str = "job", **members: Any) -> dict[str, Any]:
        """Create a job, run it to its end, and describe it."""
        self.create(name, **members)
        self.work()
        return self.describe(name)

    def lines(self, suffix: str = "") -> list[str]:
        """What the job's log streams hold whose name ends so."""
        with self.store.read() as connection:
            group = logs.find_group(connection, SCOPE, LOG_GROUP)
            assert group is not None
            streams = logs.list_streams(connection, group.id, limit=100)
            wanted = [each.id for each in streams if each.name.endswith(suffix)]
            return [each.text for each in logs.list_events(connection, wanted, limit=10_000)]

    def streams(self) -> list[str]:
        with self.store.read() as connection:
            group = logs.find_group(connection, SCOPE, LOG_GROUP)
            assert group is not None
            return [each.name for each in logs.list_streams(connection, group.id, limit=100)]

    def _claim(self) -> queue.Job | None:
        now = system_clock()
        with self.store.write() as connection:
            return queue.claim(connection, worker="w", worker_pid=1, now=now, lease_until=now + 60_000, full_lanes=[])

    def _end(self, job: queue.Job, reason: str, change: Callable[..., None]) -> None:
        with self.store.write() as connection:
            self.kind.fail(connection, job.payload, reason)
            change(connection, job.claim, reason, system_clock())


def request(name: str = "job", **members: Any) -> dict[str, Any]:
    """CreateTransformJob from `in/` to `out/`; `TransformInput`, `TransformOutput` and `S3DataSource` are added to."""
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/in/", **members.pop("S3DataSource", {})}
    given: Mapping[str, Any] = members.pop("TransformInput", {})
    output: Mapping[str, Any] = members.pop("TransformOutput", {})
    return {
        "TransformJobName": name,
        "ModelName": "m",
        "TransformInput": {"DataSource": {"S3DataSource": source}, **given},
        "TransformOutput": {"S3OutputPath": f"s3://{BUCKET}/out", **output},
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        **members,
    }
