"""A version of boxes, trained by the real detector, through the job: rows, files and an artifact that answers."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from version_world import ACCOUNT, BUCKET, World

from relook.services.rekognition import Budgets
from relook.vision import label_artifact, serving
from relook.vision.detect import plan
from relook.vision.engine import Device
from relook.vision.label_trainer import label_trainer
from relook.vision.labelled import LabelPrediction, LabelTask

pytest.importorskip("torch", reason="PyTorch is not installed here: pip install 'relook[train]'")


@pytest.mark.torch
@pytest.mark.slow
def test_a_detector_is_trained_and_answers(tmp_path: Path, pictures: Path) -> None:
    shutil.copytree(pictures, tmp_path, dirs_exist_ok=True)
    world = World(tmp_path, trainer=label_trainer(tmp_path), budgets=Budgets(60, 20))
    lines = world.boxed(24, "red", "blue")
    found = world.from_manifests(lines)
    assert found["Status"] == "TRAINING_COMPLETED", found["StatusMessage"]
    aggregated = world.document("EvaluationResultSummary")["AggregatedEvaluationResults"]
    # How good it becomes within its seconds depends on the machine, and is for the detector's own tests.
    assert set(aggregated) == {"Precision", "Recall", "F1Score", "AveragePrecision", "AverageRecall"}
    assert len(world.lines("TestingGroundTruth")) == 5
    assert world.document("TrainingReport")["Details"]["training"]["seed"] == 1
    [folder] = world.artifacts.iterdir()
    assert label_artifact.task_of(folder) is LabelTask.DETECTION
    image = world.blobs.read(ACCOUNT, BUCKET, lines[0]["source-ref"].removeprefix(f"s3://{BUCKET}/"))
    answer = serving.load(folder, 1, Device.CPU).predict(image)
    assert isinstance(answer, LabelPrediction)
    assert (answer.width, answer.height) == (128, 96)
    assert {one.name for one in answer.found} <= {"red", "blue"}
    world.close()


@pytest.mark.torch
def test_a_training_that_was_too_short_warns_in_its_report_and_its_log(
    tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "FEWEST_STEPS", 10**6)  # in time enough for a slow machine, which loads PyTorch in it
    shutil.copytree(pictures, tmp_path, dirs_exist_ok=True)
    world = World(tmp_path, trainer=label_trainer(tmp_path), budgets=Budgets(60, 20))
    found = world.from_manifests(world.boxed(10, "red", "blue"))
    assert found["Status"] == "TRAINING_COMPLETED", found["StatusMessage"]
    report = world.document("TrainingReport")
    [warning] = [each for each in report["Warnings"] if "training steps" in each]
    assert "passes over the 8 images" in warning
    assert "is likely to be poor" in warning
    assert "detector_minutes" in warning
    assert warning in world.jobs.contexts[-1].lines
    assert warning not in report["Notes"]
    world.close()
