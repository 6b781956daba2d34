from __future__ import annotations

import json
from typing import Any

import pytest
from lookout_world import ACCOUNT, BUCKET, OTHER_ACCOUNT, OUTPUT, REGION, START, World

from job_runs import Context
from perfect_trainer import PIXEL
from relook.blobs.errors import NoRoom
from relook.blobs.records import Target
from relook.jobs import queue
from relook.jobs.artifacts import sweep_artifacts
from relook.jobs.states import JobState
from relook.services.lookoutvision import kept_artifacts
from relook.store import lookoutvision_models as rows
from relook.vision.samples import Task, TrainingError

ARN = f"arn:aws:lookoutvision:{REGION}:{ACCOUNT}:model/p/1"


def create(world: World, project: str = "p", **members: Any) -> dict[str, Any]:
    return dict(world.call("CreateModel", ProjectName=project, **{"OutputConfig": OUTPUT, **members})["ModelMetadata"])


def ready(world: World, normal: int = 20, anomaly: int = 20, **options: Any) -> None:
    world.project()
    world.dataset(world.lines(normal, anomaly, **options))


def read(world: World, key: str) -> str:
    return world.blobs.read(ACCOUNT, BUCKET, key).decode()


def test_a_model_is_trained(world: World) -> None:
    ready(world)
    made = create(world, Description="first.try", Tags=[{"Key": "line", "Value": "3"}])
    assert made == {
        "CreationTimestamp": START / 1000,
        "ModelVersion": "1",
        "ModelArn": ARN,
        "Description": "first.try",
        "Status": "TRAINING",
        "StatusMessage": "The model is being trained.",
    }
    assert world.describe_model() == {**made, "OutputConfig": OUTPUT}
    world.now += 60_000
    world.run_jobs()
    result, manifest = "out/EvaluationResult-p-1.json", "out/EvaluationManifest-p-1.json"
    assert world.describe_model() == {
        **made,
        "Status": "TRAINED",
        "StatusMessage": "Training completed successfully.",
        "Performance": {"F1Score": 0.9375, "Recall": 0.875, "Precision": 1.0},
        "OutputConfig": OUTPUT,
        "EvaluationManifest": {"Bucket": BUCKET, "Key": manifest},
        "EvaluationResult": {"Bucket": BUCKET, "Key": result},
        "EvaluationEndTimestamp": START / 1000 + 60,
    }
    assert world.call("ListTagsForResource", ResourceArn=ARN) == {"Tags": [{"Key": "line", "Value": "3"}]}
    assert [path.name for path in world.artifacts.glob("*/*")] == ["model.json"]


def test_a_classification_result_has_the_five_scalars_alone(world: World) -> None:
    world.trained()
    assert json.loads(read(world, "out/EvaluationResult-p-1.json")) == {
        "Version": 1,
        "EvaluationDetails": {
            "ModelArn": ARN,
            "EvaluationEndTimestamp": "2020-09-13T12:26:40.123Z",
            "NumberOfTrainingImages": 20,
            "NumberOfTestingImages": 20,
        },
        "AggregatedEvaluationResults": {
            "Metrics": {
                "ROCAUC": 0.99,
                "AveragePrecision": 0.98,
                "Precision": 1.0,
                "Recall": 0.875,
                "F1Score": 0.9375,
            }
        },
    }
    report = json.loads(read(world, "out/TrainingReport-p-1.json"))
    assert report["Notes"] == ["The images have mixed sizes."]
    assert report["MetricsIntervals"] == {"level": 0.95}


def test_an_evaluation_manifest_holds_truth_and_prediction(world: World) -> None:
    world.trained()
    lines = [json.loads(line) for line in read(world, "out/EvaluationManifest-p-1.json").splitlines()]
    assert len(lines) == 20
    anomaly = next(line for line in lines if "anomaly" in line["source-ref"])
    assert anomaly["source-ref-metadata"] == {"creation-date": "2020-09-13T12:26:40.123Z"}
    assert anomaly["anomaly-label-metadata"]["class-name"] == "anomaly"
    assert anomaly["anomaly-label-detected"] == 1
    assert anomaly["anomaly-label-detected-metadata"] == {
        "class-name": "anomaly",
        "confidence": 0.9,
        "type": "groundtruth/image-classification",
        "human-annotated": "no",
        "creation-date": "2020-09-13T12:26:40.123Z",
        "job-name": "training-job/anomaly-detection",
        "model-arn": ARN,
        "project-name": "p",
        "model-version": "1",
    }
    assert not any("anomaly-mask-ref-detected" in line for line in lines)


def test_masks_make_it_a_segmentation_model(world: World) -> None:
    world.trained(mask={"BACKGROUND": "#ffffff", "scratch": "#2ca02c"})
    assert world.trainer.task is Task.SEGMENTATION
    assert [(one.name, one.colour) for one in world.trainer.classes] == [("scratch", "#2CA02C")]
    masked = [sample for sample in world.trainer.training if sample.mask is not None]
    assert {sample.anomalous for sample in masked} == {True}
    assert masked[0].mask is not None
    assert masked[0].mask.colours == {"#2CA02C": "scratch"}
    metrics = json.loads(read(world, "out/EvaluationResult-p-1.json"))["AggregatedEvaluationResults"]["Metrics"]
    assert metrics["PixelAnomalyClassMetrics"] == [
        {"Precision": 0.5, "Recall": 0.25, "F1Score": 0.75, "AIOU": 0.125, "ClassName": "scratch"}
    ]
    line = json.loads(read(world, "out/EvaluationManifest-p-1.json").splitlines()[0])
    assert line["anomaly-mask-ref-detected"] == f"s3://{BUCKET}/out/EvaluationMasks-p-1/00001.png"
    assert line["anomaly-mask-ref-detected-metadata"]["internal-color-map"]["1"] == {
        "class-name": "scratch",
        "hex-color": "#2CA02C",
    }
    assert world.blobs.read(ACCOUNT, BUCKET, "out/EvaluationMasks-p-1/00001.png") == PIXEL


@pytest.mark.parametrize(
    ("prefix", "key"),
    [
        ({"Prefix": "k_fold_"}, "k_fold_EvaluationResult-p-1.json"),
        ({"Prefix": ""}, "EvaluationResult-p-1.json"),
        ({}, "EvaluationResult-p-1.json"),
    ],
)
def test_the_prefix_is_taken_literally(world: World, prefix: dict[str, str], key: str) -> None:
    ready(world)
    output = {"S3Location": {"Bucket": BUCKET, **prefix}}
    create(world, OutputConfig=output)
    world.run_jobs()
    described = world.describe_model()
    assert (described["EvaluationResult"]["Key"], described["OutputConfig"]) == (key, output)
    assert json.loads(read(world, key))["Version"] == 1


def test_a_single_dataset_is_split_and_a_test_dataset_is_not(world: World) -> None:
    ready(world, 30, 20)
    create(world)
    world.run_jobs()
    assert (len(world.trainer.training), len(world.trainer.test)) == (30, 20)
    world.dataset(world.lines(10, 10, "test/"), "test")
    create(world)
    world.run_jobs()
    assert (len(world.trainer.training), len(world.trainer.test)) == (50, 20)
    assert all("/test/" in sample.key for sample in world.trainer.test)


def test_normal_images_alone_train_with_a_test_dataset(world: World) -> None:
    ready(world, 10, 0)
    world.dataset(world.lines(10, 10, "test/"), "test")
    create(world)
    world.run_jobs()
    assert world.describe_model()["Status"] == "TRAINED"


@pytest.mark.parametrize(
    ("normal", "anomaly", "mask", "reasons"),
    [
        (19, 10, None, ["19 images labelled normal; training needs at least 20"]),
        (20, 9, None, ["9 images labelled anomaly; training needs at least 10"]),
        (5, 5, None, ["labelled normal", "labelled anomaly"]),
        (20, 19, {"scratch": "#111111"}, ['19 images labelled "scratch"; training needs at least 20']),
    ],
)
def test_too_few_images_fail_the_training(
    world: World, normal: int, anomaly: int, mask: dict[str, str] | None, reasons: list[str]
) -> None:
    ready(world, normal, anomaly, mask=mask)
    create(world)
    world.run_jobs()
    described = world.describe_model()
    assert described["Status"] == "TRAINING_FAILED"
    assert all(reason in described["StatusMessage"] for reason in reasons), described["StatusMessage"]
    assert "Performance" not in described


def test_a_failed_training_leaves_its_reason_and_no_files(world: World) -> None:
    ready(world)
    world.trainer.fails = TrainingError("s3://pictures/a.jpg is no image")
    create(world)
    world.run_jobs()
    assert world.describe_model()["StatusMessage"] == "Training failed. s3://pictures/a.jpg is no image"
    assert list(world.artifacts.iterdir()) == []


def test_a_full_disk_is_not_the_fault_of_the_data(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ready(world)
    create(world)

    def full(account: str, bucket: str, key: str, *rest: object) -> None:
        raise NoRoom

    with monkeypatch.context() as patch:
        patch.setattr(world.blobs, "put", full)
        with pytest.raises(NoRoom):
            world.kinds["training"].run(Context("job"), {"model": 1})
    assert list(world.artifacts.iterdir()) == []
    assert world.describe_model()["Status"] == "TRAINING"
    world.run_jobs()
    assert world.describe_model()["Status"] == "TRAINED"


def test_an_image_that_vanishes_fails_the_training_by_name(world: World) -> None:
    ready(world)
    create(world)
    world.blobs.objects.delete(ACCOUNT, BUCKET, Target("normal-3.jpg"))
    world.run_jobs()
    described = world.describe_model()
    assert (described["Status"], "normal-3.jpg" in described["StatusMessage"]) == ("TRAINING_FAILED", True)


def test_a_training_keeps_to_the_datasets_as_they_were(world: World) -> None:
    ready(world)
    create(world)
    world.call("DeleteDataset", ProjectName="p", DatasetType="train")
    world.run_jobs()
    assert world.describe_model()["Status"] == "TRAINED"
    assert len(world.trainer.training) + len(world.trainer.test) == 40


def test_a_training_that_crashed_runs_again_to_the_same_end(world: World) -> None:
    ready(world)
    create(world)
    with world.store.read() as connection:
        job = queue.list_jobs(connection, states=[JobState.QUEUED])[0]
    kind = world.kinds["training"]
    kind.run(Context(job.id), job.payload)  # everything done, nothing committed
    first = [sample.key for sample in world.trainer.test]
    world.run_jobs()
    assert world.describe_model()["Status"] == "TRAINED"
    assert [sample.key for sample in world.trainer.test] == first
    assert len(list(world.artifacts.iterdir())) == 1
    with world.store.write() as connection:
        kind.run(Context(job.id), job.payload)(connection)
        kind.fail(connection, job.payload, "late")
    assert world.describe_model()["Status"] == "TRAINED"


def test_progress_follows_the_original_message(world: World) -> None:
    ready(world)
    create(world)
    with world.store.write() as connection:
        job = queue.claim(connection, worker="w", worker_pid=1, now=world.now, lease_until=world.now, full_lanes=())
        assert job is not None
        progress = queue.Progress("features", 1, 4)
        queue.beat(connection, job.claim, pid=2, lease_until=world.now, progress=progress)
    assert world.describe_model()["StatusMessage"] == "The model is being trained. Features: 25%"


def test_versions_count_up_and_are_never_given_twice(world: World) -> None:
    world.trained()
    assert create(world)["ModelVersion"] == "2"
    world.run_jobs()
    assert world.call("DeleteModel", ProjectName="p", ModelVersion="2") == {"ModelArn": ARN[:-1] + "2"}
    assert create(world)["ModelVersion"] == "3"
    listed = world.call("ListModels", ProjectName="p")["Models"]
    assert [(one["ModelVersion"], one["Status"]) for one in listed] == [("1", "TRAINED"), ("3", "TRAINING")]
    first = world.call("ListModels", ProjectName="p", MaxResults=1)
    second = world.call("ListModels", ProjectName="p", MaxResults=1, NextToken=first["NextToken"])
    assert [one["ModelVersion"] for one in first["Models"] + second["Models"]] == ["1", "3"]
    assert "NextToken" not in second


def test_latest_is_the_highest_trained_version(world: World) -> None:
    ready(world)
    create(world)
    assert world.describe_model("latest")["ModelVersion"] == "1"
    world.run_jobs()
    create(world)
    assert world.describe_model("latest")["ModelVersion"] == "1"
    world.run_jobs()
    assert world.describe_model("latest")["ModelVersion"] == "2"


def test_deleting_a_model_removes_its_artifact(world: World) -> None:
    world.trained()
    assert len(list(world.artifacts.iterdir())) == 1
    assert world.refused("DeleteProject", ProjectName="p").code == "ConflictException"
    world.call("DeleteModel", ProjectName="p", ModelVersion="1")
    assert list(world.artifacts.iterdir()) == []
    assert world.refused("DescribeModel", ProjectName="p", ModelVersion="1").members["ResourceType"] == "MODEL"


def test_a_model_in_training_is_not_deleted(world: World) -> None:
    ready(world)
    create(world)
    error = world.refused("DeleteModel", ProjectName="p", ModelVersion="1")
    assert (error.code, "TRAINING" in error.message) == ("ConflictException", True)


@pytest.mark.parametrize("operation", ["DescribeModel", "DeleteModel", "StopModel", "StartModel"])
def test_an_absent_model_is_not_found(world: World, operation: str) -> None:
    members = {"MinInferenceUnits": 9} if operation == "StartModel" else {}
    error = world.refused(operation, ProjectName="p", ModelVersion="7", **members)
    assert error.members == {"ResourceId": "p", "ResourceType": "PROJECT"}
    world.project()
    error = world.refused(operation, ProjectName="p", ModelVersion="7", **members)
    assert (error.status, error.members) == (404, {"ResourceId": "p/7", "ResourceType": "MODEL"})


def test_a_third_training_exceeds_the_quota_of_account_and_region(world: World) -> None:
    ready(world)
    create(world)
    create(world)
    error = world.refused("CreateModel", ProjectName="p", OutputConfig=OUTPUT)
    assert (error.code, error.status) == ("ServiceQuotaExceededException", 402)
    assert "the setting trainings" in error.message
    assert (error.members["ServiceCode"], error.members["QuotaCode"]) == ("lookoutvision", "L-00000001")
    world.call("CreateProject", OTHER_ACCOUNT, ProjectName="p")
    world.run_jobs()
    assert create(world)["ModelVersion"] == "3"


def test_existence_comes_before_state_and_state_before_content(world: World) -> None:
    bad = {"OutputConfig": {"S3Location": {"Bucket": "no-such-bucket"}}, "KmsKeyId": "key"}
    assert world.refused("CreateModel", ProjectName="p", **bad).members["ResourceType"] == "PROJECT"
    world.project()
    assert world.refused("CreateModel", ProjectName="p", **bad).members["ResourceType"] == "DATASET"
    source = world.source(world.lines(1, 0))
    world.call("CreateDataset", ProjectName="p", DatasetType="train", DatasetSource=source)
    error = world.refused("CreateModel", ProjectName="p", **bad)
    assert (error.code, "CREATE_IN_PROGRESS" in error.message) == ("ConflictException", True)
    world.run_jobs()
    error = world.refused("CreateModel", ProjectName="p", **bad)
    assert (error.code, "no-such-bucket" in error.message) == ("ValidationException", True)


def test_a_key_is_refused_by_name(world: World) -> None:
    ready(world)
    error = world.refused("CreateModel", ProjectName="p", OutputConfig=OUTPUT, KmsKeyId="alias/x")
    assert (error.code, "KmsKeyId" in error.message) == ("ValidationException", True)
    assert world.call("ListModels", ProjectName="p") == {"Models": []}


def test_a_token_replays_create_model(world: World) -> None:
    ready(world)
    first = create(world, ClientToken="t")
    world.run_jobs()
    assert create(world, ClientToken="t") == first
    error = world.refused("CreateModel", ProjectName="p", OutputConfig=OUTPUT, Description="x", ClientToken="t")
    assert error.code == "ConflictException"
    world.call("DeleteModel", ProjectName="p", ModelVersion="1")
    assert create(world, ClientToken="t")["ModelVersion"] == "2"


def test_leftover_folders_are_swept(world: World) -> None:
    world.trained()
    create(world)
    kept = {path.name for path in world.artifacts.iterdir()}
    with world.store.read() as connection:
        model = rows.get(connection, 2)
    assert model is not None
    running = f"{model.artifact_id}.running"
    for name in (running, "0123.lost", kept.copy().pop().partition(".")[0] + ".older"):
        (world.artifacts / name).mkdir()
    assert len(sweep_artifacts(world.artifacts, lambda: kept_artifacts(world.store))) == 2
    assert {path.name for path in world.artifacts.iterdir()} == kept | {running}
    assert sweep_artifacts(world.root / "absent", lambda: kept_artifacts(world.store)) == []
