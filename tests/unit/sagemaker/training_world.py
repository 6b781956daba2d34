"""Training jobs without a server: rows, buckets, and a driver that runs Python programs as processes."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from process_container import ProcessContainer
from relook.blobs.folder import FolderBlobs
from relook.containers.api import Container, ContainerSpec, Driver, LogSink
from relook.core.clock import system_clock
from relook.core.names import Scope
from relook.core.training.states import Stage, TrainingStatus
from relook.jobs.api import JobCancelled, JobFailed
from relook.services.sagemaker.training_container import ContainerWork
from relook.services.sagemaker.training_job import GROUP, TrainingWork
from relook.store import logs
from relook.store import sagemaker_training as trainings
from relook.store.engine import Store
from relook.store.sagemaker_training import TrainingJob

SCOPE = Scope("111122223333", "eu-west-1")
BUCKET = "data"
ROLE = f"arn:aws:iam::{SCOPE.account}:role/training"


class ProcessDriver:
    """Images are `test/<name>`; `programs` says what Python each runs, after a preamble; ROOT has its /opt/ml."""

    def __init__(self, folder: Path, programs: Mapping[str, str]) -> None:
        self._folder = folder
        self._programs = programs
        self.specs: list[ContainerSpec] = []
        self.reaped: list[str] = []

    def runs(self, image: str) -> bool:
        return image.startswith("test/")

    def start(self, spec: ContainerSpec, log: LogSink) -> Container:
        self.specs.append(spec)
        root = self._folder / spec.name
        for mount in sorted(spec.mounts, key=lambda each: each.target):
            target = root / mount.target.lstrip("/")
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(mount.source)
        program = PREAMBLE + self._programs[spec.image.removeprefix("test/")]
        container = ProcessContainer(spec, ["-u", "-c", program], {"ROOT": str(root)})
        container.log_to(log)
        return container

    def reap(self, prefix: str) -> None:
        self.reaped.append(prefix)


PREAMBLE = """
import json, os, signal, sys, time
from pathlib import Path
ml = Path(os.environ["ROOT"]) / "opt/ml"
"""


class Context:
    """The job's way to the outside; `on_progress` may raise, as a worker that goes down does."""

    def __init__(self, job_id: str, attempt: int, on_progress: Callable[[str], None] | None) -> None:
        self.job_id = job_id
        self.attempt = attempt
        self._on_progress = on_progress

    def progress(self, stage: str, done: int, total: int) -> None:
        if self._on_progress is not None:
            self._on_progress(stage)

    def log(self, message: str) -> None:
        return None


class World:
    """`run` takes a training through everything its job would do in a process of its own."""

    def __init__(self, folder: Path, programs: Mapping[str, str], driver: Driver | None = None) -> None:
        self.store = Store.open(folder / "relook.sqlite3")
        self.blobs = FolderBlobs(self.store, folder / "objects", system_clock)
        self.blobs.buckets.create(SCOPE.account, SCOPE.region, BUCKET)
        self.processes = ProcessDriver(folder / "roots", programs)
        self.driver: Driver = driver or self.processes
        self.root = folder / "training"
        self.stop_seconds = 30.0

    def close(self) -> None:
        self.store.close()

    def put(self, key: str, data: bytes) -> str:
        self.blobs.put(SCOPE.account, BUCKET, key, data, "application/octet-stream")
        return f"s3://{BUCKET}/{key}"

    def read(self, key: str) -> bytes:
        return self.blobs.read(SCOPE.account, BUCKET, key)

    def create(self, image: str, name: str = "job", **members: Any) -> int:
        definition = {
            "TrainingJobName": name,
            "RoleArn": ROLE,
            "AlgorithmSpecification": {"TrainingImage": image, "TrainingInputMode": "File"},
            "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/out/"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        }
        specification = definition["AlgorithmSpecification"] | members.pop("AlgorithmSpecification", {})
        definition |= members | {"AlgorithmSpecification": specification}
        with self.store.write() as connection:
            made = trainings.create(connection, SCOPE, name, definition, None, system_clock())
            trainings.set_job(connection, made, f"{made:032x}")
        return made

    def run(self, training: int, *, attempt: int = 1, on_progress: Callable[[str], None] | None = None) -> TrainingJob:
        work = ContainerWork(self.blobs, self.driver, prefix="test-", stop_seconds=self.stop_seconds)
        kind = TrainingWork(self.store, system_clock, self.root, lambda job: work).kind()
        payload = {"training": training}
        try:
            completion = kind.run(Context("1" * 32, attempt, on_progress), payload)
        except JobCancelled:
            raise
        except JobFailed as error:
            with self.store.write() as connection:
                kind.fail(connection, payload, str(error))
        else:
            with self.store.write() as connection:
                completion(connection)
        return self.job(training)

    def run_and_stop(self, training: int) -> TrainingJob:
        """Run it, and stop it once its program has said that it is ready."""

        def stop(stage: str) -> None:
            if stage == "training" and "ready" in self.lines():
                with self.store.write() as connection:
                    new, now = TrainingStatus.STOPPING, system_clock()
                    trainings.change_status(connection, training, new, Stage.STOPPING, now)

        return self.run(training, on_progress=stop)

    def job(self, training: int) -> TrainingJob:
        with self.store.read() as connection:
            found = trainings.get(connection, training)
        assert found is not None
        return found

    def lines(self) -> list[str]:
        with self.store.read() as connection:
            group = logs.find_group(connection, SCOPE, GROUP)
            if group is None:
                return []
            streams = logs.list_streams(connection, group.id, limit=50)
            return [event.text for event in logs.list_events(connection, [one.id for one in streams], limit=1000)]


def unpacked(data: bytes) -> dict[str, bytes]:
    """The files of a gzipped tar."""
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        return {entry.name: archive.extractfile(entry).read() for entry in archive if entry.isfile()}  # type: ignore[union-attr]


def channel(name: str, uri: str, **members: Any) -> dict[str, Any]:
    """A channel of InputDataConfig; `source` are further members of its S3DataSource."""
    source = {"S3DataType": "S3Prefix", "S3Uri": uri} | members.pop("source", {})
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}} | members
