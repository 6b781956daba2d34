"""The built-in algorithm's reading of manifests and parameters, with the engine's part recorded, not run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from training_world import BUCKET, Context, World, channel, unpacked

from perfect_trainer import PerfectTrainer
from relook.core.clock import system_clock
from relook.core.datasets import DatasetLimits
from relook.core.minimums import RELAXED
from relook.core.training.states import Stage, TrainingStatus
from relook.jobs.api import JobFailed
from relook.services.sagemaker.public_algorithm import TRAINING_IMAGE
from relook.services.sagemaker.training_builtin import BuiltInWork
from relook.services.sagemaker.training_job import TrainingWork
from relook.store import sagemaker_training as trainings
from relook.store.sagemaker_training import TrainingJob
from relook.vision.samples import Task

LABEL = ["source-ref", "anomaly-label-metadata", "anomaly-label"]
MASK = ["anomaly-mask-ref-metadata", "anomaly-mask-ref"]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, {})
    yield made
    made.close()


def line(world: World, number: int, *, anomalous: bool, masked: bool = True) -> dict[str, Any]:
    uri = world.put(f"images/{number}.png", str(number).encode())
    stamp = {"human-annotated": "yes", "creation-date": "2024-01-01T00:00:00", "job-name": "j"}
    described = {"class-name": "anomaly" if anomalous else "normal", "type": "groundtruth/image-classification"}
    found: dict[str, Any] = {
        "source-ref": uri,
        "anomaly-label": int(anomalous),
        "anomaly-label-metadata": described | stamp,
    }
    if masked:
        colours = {"0": {"class-name": "crack", "hex-color": "#23A436"}}
        found["anomaly-mask-ref"] = f"s3://{BUCKET}/masks/{number}.png"
        found["anomaly-mask-ref-metadata"] = stamp | {
            "type": "groundtruth/semantic-segmentation",
            "internal-color-map": colours,
        }
    return found


def manifest(world: World, lines: list[dict[str, Any]], name: str = "set.manifest") -> str:
    return world.put(name, "\n".join(json.dumps(each) for each in lines).encode())


def piped(name: str, uri: str, attributes: list[str], **more: Any) -> dict[str, Any]:
    source = {"S3DataType": "AugmentedManifestFile", "AttributeNames": attributes}
    return channel(name, uri, InputMode="Pipe", RecordWrapperType="RecordIO", source=source | more)


def train(world: World, *channels: dict[str, Any], **hyperparameters: str) -> tuple[TrainingJob, PerfectTrainer]:
    engine = PerfectTrainer()
    work = BuiltInWork(world.blobs, engine, minimums=RELAXED, limits=DatasetLimits())
    kind = TrainingWork(world.store, system_clock, world.root, lambda job: work).kind()
    made = world.create(TRAINING_IMAGE, InputDataConfig=list(channels), HyperParameters=hyperparameters)
    payload = {"training": made}
    with world.store.write() as connection:
        assert trainings.enter(connection, made, Stage.STARTING, system_clock())
    try:
        completion = kind.run(Context("1" * 32, 1, None), payload)
    except JobFailed as error:
        with world.store.write() as connection:
            kind.fail(connection, payload, str(error))
    else:
        with world.store.write() as connection:
            completion(connection)
    return world.job(made), engine


def lines_of(world: World) -> list[dict[str, Any]]:
    return [line(world, number, anomalous=number % 2 == 1) for number in range(20)]


def test_classification_leaves_masks_unused_and_splits(world: World) -> None:
    uri = manifest(world, lines_of(world))
    attributes = ",".join(LABEL)
    job, engine = train(
        world, piped("training", uri, LABEL), ModelType="classification", TrainingInputDataAttributeNames=attributes
    )
    assert job.status is TrainingStatus.COMPLETED, job.failure
    assert (engine.task, engine.classes) == (Task.CLASSIFICATION, ())
    samples = [*engine.training, *engine.test]
    assert [one.mask for one in samples] == [None] * 20
    assert len({one.key for one in samples}) == 20
    assert engine.test
    assert [(one.name, one.value) for one in job.metrics] == [
        ("test:f1", 0.9375), ("test:precision", 1.0), ("test:recall", 0.875), ("test:roc_auc", 0.99),
    ]  # fmt: skip
    assert list(unpacked(world.read("out/job/output/model.tar.gz"))) == ["model.json"]
    assert "The images have mixed sizes." in world.lines()
    assert 0 < engine.most <= job.definition["StoppingCondition"]["MaxRuntimeInSeconds"]


def test_robust_is_said_to_change_nothing_and_attributes_may_come_from_the_channel(world: World) -> None:
    uri = manifest(world, lines_of(world))
    job, engine = train(world, piped("training", uri, LABEL + MASK), ModelType="segmentation-robust")
    assert job.status is TrainingStatus.COMPLETED, job.failure
    assert (engine.task, [each.name for each in engine.classes]) == (Task.SEGMENTATION, ["crack"])
    assert [one.mask is not None for one in engine.training] == [one.anomalous for one in engine.training]
    assert {one.name: one.value for one in job.metrics}["test:mean_iou"] == 0.125
    assert any("-robust changes nothing" in each for each in world.lines())


def test_a_channel_for_tests_is_used_as_it_is(world: World) -> None:
    given = lines_of(world)
    training, test = manifest(world, given[:14], "a"), manifest(world, [*given[14:], given[14]], "b")
    job, engine = train(world, piped("training", training, LABEL), piped("test", test, LABEL))
    assert job.status is TrainingStatus.COMPLETED, job.failure
    assert [one.key for one in engine.test] == [each["source-ref"] for each in given[14:]]  # one is there twice


def test_segmentation_needs_masks_and_lines_their_attributes(world: World) -> None:
    uri = manifest(world, lines_of(world))
    job, _ = train(world, piped("training", uri, LABEL), ModelType="segmentation")
    assert job.failure is not None
    assert job.failure.startswith("ClientError: A segmentation model needs masks")
    with world.store.write() as connection:
        trainings.remove(connection, job.id)
    gap = [*lines_of(world), line(world, 99, anomalous=False, masked=False)]
    lacking, _ = train(world, piped("training", manifest(world, gap), LABEL + MASK), ModelType="segmentation")
    assert lacking.failure is not None
    assert "line 21 of s3://data/set.manifest lacks the attributes anomaly-mask-ref-metadata" in lacking.failure


def test_too_few_images_fail_with_what_is_missing(world: World) -> None:
    uri = manifest(world, [line(world, number, anomalous=False) for number in range(3)])
    job, _ = train(world, piped("training", uri, LABEL))
    assert job.failure is not None
    assert "training needs at least" in job.failure
