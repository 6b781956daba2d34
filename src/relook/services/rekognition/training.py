"""The job that trains a version and writes its results."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from relook.blobs.errors import BlobError, NoRoom
from relook.blobs.interface import Blobs
from relook.core.clock import Clock
from relook.core.custom_labels.errors import ContentError
from relook.core.custom_labels.manifest import Entry
from relook.core.custom_labels.results import (
    MANIFEST_SUMMARY,
    REPORT,
    SUMMARY,
    TESTING_TRUTH,
    TESTING_VALIDATION,
    TRAINING_TRUTH,
    TRAINING_VALIDATION,
    Summary,
    json_file,
    report_file,
    summary_file,
)
from relook.core.custom_labels.snapshots import snapshot
from relook.core.custom_labels.states import VERSION_MESSAGES, VersionStatus
from relook.core.custom_labels.usable import Outcome, Plan, TrainingLimits
from relook.jobs.api import Completion, JobContext, JobFailed, JobKind, Payload
from relook.jobs.artifacts import fresh_folder, make_durable
from relook.jobs.stages import with_time_left
from relook.services.rekognition.dataset_split import move_test_images
from relook.services.rekognition.image_facts import ImageReader
from relook.services.rekognition.results_writer import check_output, write_results
from relook.services.rekognition.training_plan import Line, Planner, Reviewed, labelled_images, refused
from relook.store import rekognition_versions as versions
from relook.store.engine import Store
from relook.store.rekognition_versions import Version
from relook.vision.labelled import LabelResult, LabelTask, LabelTrainer
from relook.vision.samples import ImageError, Progress, TrainingError

LANE = "label-training"
JOB = "label-training"


@dataclass(frozen=True, slots=True)
class Budgets:
    """Seconds that a training may take at most, evaluation included, once its images were checked."""

    classifier: float = 600
    detector: float = 1800

    def of(self, task: LabelTask) -> float:
        return self.detector if task is LabelTask.DETECTION else self.classifier


class Training:
    """Trains the version of a payload `{"version": id}` on manifests, or entries as CreateProjectVersion met them."""

    def __init__(
        self,
        store: Store,
        blobs: Blobs,
        clock: Clock,
        artifacts: Path,
        trainer: LabelTrainer,
        *,
        budgets: Budgets,
        limits: TrainingLimits,
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._artifacts = artifacts
        self._trainer = trainer
        self._budgets = budgets
        self._planner = Planner(store, blobs, limits)

    def kind(self) -> JobKind:
        return JobKind(JOB, LANE, self.run, self.failed)

    def run(self, context: JobContext, payload: Payload) -> Completion:
        """Train, write the files, return what makes the version TRAINING_COMPLETED. Safe to repeat at any point."""
        began = self._clock()
        with self._store.read() as connection:
            version = versions.get(connection, payload["version"])
        if version is None or version.status is not VersionStatus.TRAINING_IN_PROGRESS:
            return _nothing
        self._forget_files(version)
        check_output(self._blobs, version, context)
        reviewed = self._planner.review(version, context)
        plan = reviewed.outcome.plan
        if plan is None:
            raise self._refused(context, version, reviewed.outcome, (*reviewed.left_out, *reviewed.reasons))
        self._keep_split(context, version, reviewed.outcome.testing)
        return self._train(context, version, reviewed, plan, began)

    def failed(self, connection: Connection, payload: Payload, reason: str) -> None:
        """The reason is the StatusMessage: clients compare it with the original's texts."""
        now = self._clock()
        status = VersionStatus.TRAINING_FAILED
        versions.change_status(connection, payload["version"], status, reason, training_ended=now)
        versions.drop_snapshot(connection, payload["version"])

    def _forget_files(self, version: Version) -> None:
        """Of an attempt that was killed: this one may end in another way."""
        if version.files != versions.Files():
            with self._store.write() as connection:
                versions.set_files(connection, version.id, versions.Files())

    def _refused(self, context: JobContext, version: Version, outcome: Outcome, reasons: Sequence[str]) -> JobFailed:
        """Say why in the log, leave the files that do, and fail with the first error."""
        for sentence in reasons:
            context.log(sentence)
        failure = outcome.summary.failure
        assert failure is not None, "without a plan there is an error"
        self._keep_validation(context, version, outcome)
        return JobFailed(failure.message)

    def _keep_validation(self, context: JobContext, version: Version, outcome: Outcome) -> None:
        """What the check of the images found, of a version that is not trained."""
        files = write_results(self._blobs, version, _validation(outcome), context)
        with self._store.write() as connection:
            versions.set_files(connection, version.id, files)

    def _keep_split(self, context: JobContext, version: Version, testing: Sequence[Line]) -> None:
        """A project whose images were split has a test dataset from now on."""
        if not version.auto_split or version.training_input is not None:
            return
        chosen = [line.source_ref for line in testing if isinstance(line, Entry)]
        with self._store.write() as connection:
            moved = move_test_images(connection, version.project_id, version.id, chosen, self._clock())
        if not moved:
            context.log("the project's datasets have changed since: the test images stay where they are")

    def _train(self, context: JobContext, version: Version, reviewed: Reviewed, plan: Plan, began: int) -> Completion:
        folder = fresh_folder(self._artifacts, version.artifact_id)
        try:
            result = self._result(context, version, reviewed.outcome, plan, folder)
            make_durable(folder)
            ended = self._clock()
            summary, contents = _results(version, reviewed, plan, result, ended)
            files = write_results(self._blobs, version, contents, context)
        except BaseException as error:
            shutil.rmtree(folder, ignore_errors=True)
            if isinstance(error, BlobError) and not isinstance(error, NoRoom):
                gone = f"An image that was there when the images were checked cannot be read any more: {error}"
                outcome = refused(reviewed.outcome, ContentError.FAILED_IMAGES_COPY)
                raise self._refused(context, version, outcome, [gone]) from error
            raise
        for note in (*reviewed.warnings, *result.notes, *_of_split(version, result)):
            context.log(note)
        trained = versions.Outcome(
            artifact=folder.name,
            task=plan.learning.value,
            thresholds=result.thresholds,
            f1=summary.f1,
            billable_seconds=max(1, round((ended - began) / 1000)),
            ended=ended,
        )

        def complete(connection: Connection) -> None:
            status = VersionStatus.TRAINING_COMPLETED
            versions.finished(connection, version.id, status, VERSION_MESSAGES[status], trained, files)
            versions.drop_snapshot(connection, version.id)

        return complete

    def _result(self, context: JobContext, version: Version, outcome: Outcome, plan: Plan, folder: Path) -> LabelResult:
        """The trainer's, whose own refusals are the StatusMessage; what the check found is kept then."""
        reader = ImageReader(self._blobs, version.name.scope.account)
        task = LabelTask(plan.learning.value)
        seconds = self._budgets.of(task)
        try:
            return self._trainer(
                labelled_images(plan.train, reader),
                labelled_images(plan.test, reader),
                task=task,
                labels=plan.labels,
                output=folder,
                seed=version.seed,
                seconds=seconds,
                progress=_with_time_left(context.progress, seconds),
            )
        except (TrainingError, ImageError) as error:
            try:
                self._keep_validation(context, version, outcome)
            except (JobFailed, NoRoom) as full:
                context.log(f"The summary and the validation manifests could not be written: {full}")
            raise JobFailed(str(error)) from error


def _results(
    version: Version, reviewed: Reviewed, plan: Plan, result: LabelResult, ended: int
) -> tuple[Summary, dict[str, bytes]]:
    """The summary, and all seven files by name."""
    task = LabelTask(plan.learning.value)
    from relook.services.rekognition.judging import judge  # in the job's process: the server does without numpy

    judged = judge(result, plan.labels, task)
    detection = task is LabelTask.DETECTION
    summary = Summary(
        version_arn=str(version.name),
        ended=ended,
        training_images=len(plan.train),
        testing_images=len(plan.test),
        scores=judged.scores,
        confusion=judged.confusion,
        average_precision=judged.average_precision if detection else None,
        average_recall=judged.average_recall if detection else None,
    )
    outcome = reviewed.outcome
    trained = reviewed.used(plan.train, outcome.training)
    tested = reviewed.used(plan.test, outcome.testing)
    warnings = [*reviewed.warnings, *result.record.get("warnings", ()), *_of_split(version, result)]
    notes = [note for note in result.notes if note not in warnings]
    report = report_file(summary, task=task.value, warnings=warnings, notes=notes, details=result.record)
    return summary, {
        SUMMARY: summary_file(summary),
        **_validation(outcome),
        TRAINING_TRUTH: snapshot(trained, plan.labels, ended),
        TESTING_TRUTH: snapshot(tested, plan.labels, ended, judged.verdicts),
        REPORT: report,
    }


def _of_split(version: Version, result: LabelResult) -> list[str]:
    """What to do about test images that are in training, too, where nobody but us has put them there."""
    if not version.auto_split or not result.record.get("leaked"):
        return []
    return [
        "The test images were split off here: files of the same bytes stay together, other copies of a picture "
        "(encoded anew, scaled) may be parted; keep one of each in the dataset, and train again."
    ]


def _validation(outcome: Outcome) -> dict[str, bytes]:
    return {
        MANIFEST_SUMMARY: json_file(outcome.summary.document()),
        TRAINING_VALIDATION: _lines(outcome.training),
        TESTING_VALIDATION: _lines(outcome.testing),
    }


def _lines(lines: Sequence[Line]) -> bytes:
    return "".join(f"{line.validation_line()}\n" for line in lines).encode()


def _with_time_left(progress: Progress, seconds: float) -> Progress:
    """Stages that tell how long the training may still take."""
    deadline = time.monotonic() + seconds

    def report(stage: str, done: int, of: int) -> None:
        progress(with_time_left(stage, deadline - time.monotonic()), done, of)

    return report


def _nothing(connection: Connection) -> None:
    """The version has moved on without this job."""
