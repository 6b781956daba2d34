"""Training with the public defect-detection algorithm: our own vision engine, in the job's process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from relook.blobs.folder import FolderBlobs
from relook.containers.training import results
from relook.core.datasets import DatasetLimits
from relook.core.manifest import ManifestEntry, ManifestError, parse_line
from relook.core.minimums import Minimums
from relook.core.training import TrainingInputError
from relook.core.training.channels import Channel, DataType, channels
from relook.core.training.manifests import parse
from relook.core.training.states import Stage
from relook.services.sagemaker.public_algorithm import (
    MODEL_TYPE,
    MODEL_TYPES,
    TEST_ATTRIBUTES,
    TEST_CHANNEL,
    TRAINING_ATTRIBUTES,
    TRAINING_CHANNEL,
)
from relook.services.sagemaker.training_job import Result
from relook.services.sagemaker.training_monitor import Halt, Halted, Monitor
from relook.services.sagemaker.training_request import place_of
from relook.store.sagemaker_training import TrainingJob
from relook.vision.entries import Source
from relook.vision.plan import Plan, PlanError, make_plan
from relook.vision.samples import ImageError, Task, TrainingError, TrainingResult
from relook.vision.trainer import Trainer

_SEED = 0
_ROBUST = "-robust"


class BuiltInWork:
    """Implements `training_job.Work` for the built-in algorithm."""

    def __init__(self, blobs: FolderBlobs, trainer: Trainer, *, minimums: Minimums, limits: DatasetLimits) -> None:
        self._blobs = blobs
        self._trainer = trainer
        self._minimums = minimums
        self._limits = limits

    def __call__(self, job: TrainingJob, monitor: Monitor, folder: Path) -> Result:
        try:
            return self._train(job, monitor, folder)
        except (PlanError, TrainingError, ImageError, ManifestError) as error:
            raise TrainingInputError(str(error)) from error
        except Halted as halted:
            # The engine has nothing to show before its end.
            return Result(None, monitor.metrics.latest(), halted.why)

    def _train(self, job: TrainingJob, monitor: Monitor, folder: Path) -> Result:
        monitor.enter(Stage.DOWNLOADING)
        monitor.begin()
        given = job.definition.get("HyperParameters") or {}
        model_type = given.get(MODEL_TYPE, MODEL_TYPES[0])
        _say(monitor, model_type)
        source = self._source(job)
        plan = self._plan(job, monitor, source, given, Task(model_type.removesuffix(_ROBUST)))
        monitor.enter(Stage.TRAINING)
        output = folder / "model"
        trained = self._trainer(
            source.samples(plan.training, plan.task),
            source.samples(plan.test, plan.task),
            task=plan.task,
            classes=plan.classes,
            output=output,
            seed=_SEED,
            progress=monitor.progress,
            most=monitor.left,
        )
        _report(monitor, trained)
        return self._store(job, monitor, output)

    def _plan(self, job: TrainingJob, monitor: Monitor, source: Source, given: Mapping[str, str], task: Task) -> Plan:
        mode = job.definition["AlgorithmSpecification"]["TrainingInputMode"]
        by_name = {each.name: each for each in channels(job.definition.get("InputDataConfig") or (), mode)}
        if TRAINING_CHANNEL not in by_name:
            raise TrainingInputError(f"the algorithm needs the channel {TRAINING_CHANNEL}")
        train = self._entries(job, by_name[TRAINING_CHANNEL], given.get(TRAINING_ATTRIBUTES))
        test = None
        if TEST_CHANNEL in by_name:
            test = self._entries(job, by_name[TEST_CHANNEL], given.get(TEST_ATTRIBUTES))
        content = source.hasher(len(train), monitor.progress)
        return make_plan(
            train, test, minimums=self._minimums, limits=self._limits, content=content, seed=_SEED, task=task
        )

    def _entries(self, job: TrainingJob, channel: Channel, names: str | None) -> list[ManifestEntry]:
        """The labelled lines of the channel's manifest, reduced to the attributes that are named."""
        if channel.data_type is not DataType.AUGMENTED:
            raise TrainingInputError(
                f"channel {channel.name}: the algorithm reads an AugmentedManifestFile, not {channel.data_type}"
            )
        wanted = [name.strip() for name in names.split(",") if name.strip()] if names else list(channel.attributes)
        if "source-ref" not in wanted:
            raise TrainingInputError(f"the attributes {', '.join(wanted)} lack source-ref, the image's address")
        text = self._blobs.read(job.scope.account, channel.place.bucket, channel.place.prefix)
        found = []
        for line in parse(text.splitlines(), wanted, str(channel.place)):
            try:
                found.append(parse_line(json.dumps(dict(line.attributes))))
            except ManifestError as error:
                raise ManifestError(f"{channel.place}: {error.rule}", line.number) from None
        # An image that a manifest names twice counts once, as its last line says.
        return list({entry.source_ref: entry for entry in found if entry.label is not None}.values())

    def _source(self, job: TrainingJob) -> Source:
        account = job.scope.account
        return Source(partial(self._blobs.size, account), partial(self._blobs.read, account))

    def _store(self, job: TrainingJob, monitor: Monitor, model: Path) -> Result:
        monitor.until_room(partial(monitor.enter, Stage.UPLOADING))
        output = job.definition["OutputDataConfig"]
        place = place_of(output["S3OutputPath"])
        prefix = f"{place.prefix}/{job.name}/output/" if place.prefix else f"{job.name}/output/"
        packed = output.get("CompressionType", "GZIP") == "GZIP"
        key = f"{prefix}model.tar.gz" if packed else f"{prefix}model/"
        store = results.store_archive if packed else results.store_files
        account = job.scope.account
        monitor.until_room(partial(store, self._blobs, account, place.bucket, key, model, monitor.line))
        return Result(f"s3://{place.bucket}/{key}", monitor.metrics.latest(), _late(monitor))


def _late(monitor: Monitor) -> Halt | None:
    """A stop that came while results were stored: they stay."""
    return Halt.STOPPED if monitor.halt() is Halt.STOPPED else None


def _say(monitor: Monitor, model_type: str) -> None:
    monitor.line(f"ModelType {model_type}")
    if model_type.endswith(_ROBUST):
        monitor.line("-robust changes nothing here: every training compares models and checks them on held-out images")


def _report(monitor: Monitor, trained: TrainingResult) -> None:
    """Metrics over the test images, and what the engine has to say."""
    monitor.line(f"trained on {trained.training_images} images, tested on {trained.testing_images}")
    metrics = trained.metrics
    figures = {"f1": metrics.f1, "precision": metrics.precision, "recall": metrics.recall, "roc_auc": metrics.roc_auc}
    for name, value in figures.items():
        if value is not None:
            monitor.metric(f"test:{name}", value)
    overlaps = [one.average_iou for one in metrics.classes if one.average_iou is not None]
    if overlaps and metrics.f1 is not None:
        monitor.metric("test:mean_iou", sum(overlaps) / len(overlaps))
    for note in trained.notes:
        monitor.line(note)
