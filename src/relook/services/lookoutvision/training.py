"""The job that trains a model and writes its evaluation."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from relook.blobs.errors import BlobError, NoRoom
from relook.blobs.interface import Blobs
from relook.core.clock import Clock
from relook.core.datasets import DatasetLimits, DatasetType
from relook.core.evaluation import Detection, Evaluation, evaluation_manifest, evaluation_result, output_key
from relook.core.locations import S3Location
from relook.core.minimums import Minimums
from relook.core.states import ModelStatus
from relook.jobs.api import Completion, JobContext, JobFailed, JobKind, Payload
from relook.jobs.artifacts import fresh_folder, make_durable
from relook.services.lookoutvision import messages
from relook.services.lookoutvision.report_page import report_page
from relook.store import lookoutvision_models as models
from relook.store.engine import Store
from relook.store.lookoutvision_models import Model, Outcome
from relook.vision.entries import Source
from relook.vision.plan import Plan, PlanError, make_plan
from relook.vision.samples import ImageError, Task, TestResult, TrainingError, TrainingResult
from relook.vision.trainer import Trainer

LANE = "training"
JOB = "training"


class Training:
    """Trains the model of a payload `{"model": id}` on the entries that CreateModel copied for it."""

    def __init__(
        self,
        store: Store,
        blobs: Blobs,
        clock: Clock,
        artifacts: Path,
        trainer: Trainer,
        *,
        minimums: Minimums,
        limits: DatasetLimits,
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._artifacts = artifacts
        self._trainer = trainer
        self._minimums = minimums
        self._limits = limits

    def kind(self) -> JobKind:
        return JobKind(JOB, LANE, self.run, self.failed)

    def run(self, context: JobContext, payload: Payload) -> Completion:
        """Train, write the evaluation files, and return what makes the model TRAINED. Safe to repeat at any point."""
        with self._store.read() as connection:
            model = models.get(connection, payload["model"])
        if model is None or model.status is not ModelStatus.TRAINING:
            return _nothing
        try:
            source = self._source(model)
            plan = self._plan(context, model, source)
            folder = fresh_folder(self._artifacts, model.artifact_id)
            return self._train(context, model, source, plan, folder)
        except NoRoom:
            raise  # the machine's trouble, not the data's: the worker tries again later
        except (PlanError, TrainingError, ImageError, BlobError) as error:
            raise JobFailed(str(error)) from error

    def failed(self, connection: Connection, payload: Payload, reason: str) -> None:
        model_id = payload["model"]
        message = f"{messages.MODEL_TRAINING_FAILED} {reason}"
        models.change_status(connection, model_id, ModelStatus.TRAINING_FAILED, message)
        models.drop_snapshot(connection, model_id)

    def _plan(self, context: JobContext, model: Model, source: Source) -> Plan:
        with self._store.read() as connection:
            train = models.snapshot_entries(connection, model.id, DatasetType.TRAIN)
            test = models.snapshot_entries(connection, model.id, DatasetType.TEST)
        return make_plan(
            train,
            test if model.separate_test else None,
            minimums=self._minimums,
            limits=self._limits,
            content=source.hasher(len(train), context.progress),
            seed=model.seed,
        )

    def _train(self, context: JobContext, model: Model, source: Source, plan: Plan, folder: Path) -> Completion:
        try:
            result = self._trainer(
                source.samples(plan.training, plan.task),
                source.samples(plan.test, plan.task),
                task=plan.task,
                classes=plan.classes,
                output=folder,
                seed=model.seed,
                progress=context.progress,
            )
            make_durable(folder)
            outcome = self._write_evaluation(model, plan, result)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        for note in result.notes:
            context.log(note)

        def complete(connection: Connection) -> None:
            models.trained(connection, model.id, messages.MODEL_TRAINED, folder.name, outcome)
            models.drop_snapshot(connection, model.id)

        return complete

    def _source(self, model: Model) -> Source:
        account = model.name.scope.account
        return Source(partial(self._blobs.size, account), partial(self._blobs.read, account))

    def _write_evaluation(self, model: Model, plan: Plan, result: TrainingResult) -> Outcome:
        """Put the evaluation files into the output location; the same training puts the same again."""
        ended = self._clock()
        evaluation = Evaluation(model.name, ended, result.training_images, result.testing_images)
        segmentation = plan.task is Task.SEGMENTATION
        by_key = {entry.source_ref: entry for entry in plan.test}
        detections = [
            (by_key[test.key], self._detection(model, index, test)) for index, test in enumerate(result.tests, start=1)
        ]
        prefix = model.output.prefix
        manifest_key = output_key(prefix, "EvaluationManifest", model.name)
        result_key = output_key(prefix, "EvaluationResult", model.name)
        put = partial(self._put, model)
        put(manifest_key, evaluation_manifest(evaluation, detections))
        put(result_key, evaluation_result(evaluation, result.metrics, segmentation=segmentation))
        put(output_key(prefix, "TrainingReport", model.name), _report(evaluation, plan, result))
        page = output_key(prefix, "TrainingReport", model.name, suffix=".html")
        put(page, report_page(evaluation, result), "text/html; charset=utf-8")
        metrics = result.metrics
        return Outcome(metrics.f1, metrics.recall, metrics.precision, ended, manifest_key, result_key)

    def _detection(self, model: Model, index: int, test: TestResult) -> Detection:
        prediction = test.prediction
        if prediction.mask_png is None:
            return Detection(prediction.anomalous, prediction.confidence)
        folder = output_key(model.output.prefix, "EvaluationMasks", model.name, suffix="")
        key = f"{folder}/{index:05d}.png"
        self._put(model, key, prediction.mask_png, "image/png")
        colours = tuple((region.name, region.colour) for region in prediction.regions[1:])
        uri = str(S3Location(model.output.bucket, key))
        return Detection(prediction.anomalous, prediction.confidence, uri, colours)

    def _put(self, model: Model, key: str, data: bytes, content_type: str = "application/json") -> None:
        self._blobs.put(model.name.scope.account, model.output.bucket, key, data, content_type)


def _report(evaluation: Evaluation, plan: Plan, result: TrainingResult) -> bytes:
    """What the training has to say beside the figures: how sure they are, and plain sentences."""
    report = {
        "Version": 1,
        "ModelArn": str(evaluation.model),
        "Task": plan.task.value,
        "Classes": [{"Name": one.name, "Color": one.colour} for one in plan.classes],
        "NumberOfTrainingImages": evaluation.training_images,
        "NumberOfTestingImages": evaluation.testing_images,
        "MetricsIntervals": dict(result.intervals),
        "Notes": list(result.notes),
        "TestImages": [_told(test) for test in result.tests],
    }
    return json.dumps(report, indent=1).encode()


def _told(test: TestResult) -> dict[str, Any]:
    """Of a test image what the evaluation manifest has no member for; the point in 0..1 of width and height."""
    prediction, (left, top) = test.prediction, test.hottest
    return {
        "SourceRef": test.key,
        "Right": test.right,
        "Score": prediction.score,
        "Threshold": prediction.threshold,
        "HottestPoint": {"Left": left, "Top": top},
        **({} if test.on_mask is None else {"HottestPointOnMask": test.on_mask}),
    }


def _nothing(connection: Connection) -> None:
    """The model has moved on without this job."""
