"""Trainings that end well: what is trained, and what is left in S3."""

from __future__ import annotations

import json
from typing import Any

import pytest
from version_world import ACCOUNT, BUCKET, OUTPUT, START, World

from job_runs import Context
from label_pictures import label_line, plain
from relook.blobs.errors import NoRoom
from relook.blobs.records import Versioning
from relook.core.custom_labels.names import DatasetType
from relook.core.custom_labels.results import FILES
from relook.jobs import queue
from relook.jobs.artifacts import sweep_artifacts
from relook.jobs.child import CANCELLED_REASON
from relook.services.rekognition import kept_artifacts
from relook.store import rekognition_versions as rows
from relook.vision.labelled import LabelTask
from relook.vision.samples import ImageError, TrainingError


def asset(name: str) -> dict[str, Any]:
    return {"GroundTruthManifest": s3_object(name)}


def s3_object(name: str) -> dict[str, Any]:
    return {"S3Object": {"Bucket": BUCKET, "Name": f"out/{name}-p-v1.json"}}


def test_a_classifier_from_datasets(world: World) -> None:
    project = world.project()
    world.dataset(project, world.labelled(6, "red", "green"))
    world.dataset(project, world.labelled(2, "red", "green", prefix="test/"), "TEST")
    arn = world.create(project, VersionDescription="first try", Tags={"line": "3"})
    assert arn == f"{project.rsplit('/', 1)[0]}/version/v1/{START}"
    described = {
        "ProjectVersionArn": arn,
        "CreationTimestamp": START / 1000,
        "Status": "TRAINING_IN_PROGRESS",
        "StatusMessage": "The model is being trained.",
        "OutputConfig": OUTPUT,
        "Feature": "CUSTOM_LABELS",
        "VersionDescription": "first try",
        "TrainingDataResult": {"Input": {}},
        "TestingDataResult": {"Input": {"AutoCreate": False}},
    }
    assert world.describe(project) == described
    world.run_jobs()
    assert world.describe(project) == {
        **described,
        "Status": "TRAINING_COMPLETED",
        "StatusMessage": "The model is ready to run.",
        "BillableTrainingTimeInSeconds": 1,
        "TrainingEndTimestamp": START / 1000,
        "EvaluationResult": {"F1Score": 1.0, "Summary": s3_object("EvaluationResultSummary")},
        "ManifestSummary": s3_object("ManifestSummary"),
        "TrainingDataResult": {
            "Input": {},
            "Output": {"Assets": [asset("TrainingGroundTruth")]},
            "Validation": {"Assets": [asset("TrainingManifestWithValidation")]},
        },
        "TestingDataResult": {
            "Input": {"AutoCreate": False},
            "Output": {"Assets": [asset("TestingGroundTruth")], "AutoCreate": False},
            "Validation": {"Assets": [asset("TestingManifestWithValidation")]},
        },
    }
    assert world.call("ListTagsForResource", ResourceArn=arn) == {"Tags": {"line": "3"}}
    assert (world.trainer.task, world.trainer.labels) == (LabelTask.SINGLE_LABEL, ("green", "red"))
    assert (len(world.trainer.training), len(world.trainer.test), world.trainer.seconds) == (12, 4, 60)
    assert sorted(path.name for path in world.artifacts.glob("*/*")) == ["model.json", "model.onnx"]
    assert world.jobs.contexts[-1].lines == ["Colours were learnt."]


@pytest.mark.parametrize("split", [True, False], ids=["split off", "given"])
def test_copies_in_a_test_set_that_was_split_off_are_not_the_user_s_to_sort(world: World, split: bool) -> None:
    world.trainer.details = {"leaked": [f"s3://{BUCKET}/images/red-0.png"]}
    test = None if split else world.labelled(2, "red", "green", prefix="test/")
    world.from_manifests(world.labelled(6, "red", "green"), test)
    told = "may be parted; keep one of each in the dataset, and train again."
    for sentences in (world.jobs.contexts[-1].lines, world.document("TrainingReport")["Warnings"]):
        assert [sentence for sentence in sentences if sentence.endswith(told)] == sentences[-1:] * split


def test_the_files_of_a_classifier(world: World) -> None:
    project = world.project()
    world.dataset(project, world.labelled(6, "red", "green"))
    world.dataset(project, world.labelled(2, "red", "green", prefix="test/"), "TEST")
    world.train(project)
    summary = world.document("EvaluationResultSummary")
    assert summary["EvaluationDetails"]["NumberOfTrainingImages"] == 12
    assert summary["EvaluationDetails"]["NumberOfTestingImages"] == 4
    assert summary["EvaluationDetails"]["Labels"] == ["green", "red"]
    assert [cell["Value"] for cell in summary["AggregatedEvaluationResults"]["ConfusionMatrix"]] == [1, 0, 0, 1]
    assert summary["LabelEvaluationResults"][0] == {
        "Label": "green",
        "NumberOfTestingImages": 2,
        "Metrics": {"Precision": 1.0, "Recall": 1.0, "F1Score": 1.0, "Threshold": 0.5},
    }
    statistics = world.document("ManifestSummary")["statistics"]
    assert statistics["training"] == {
        "use_case": "IMAGE_LEVEL_LABELS",
        "total_json_lines": 12,
        "valid_json_lines": 12,
        "invalid_json_lines": 0,
        "ignored_json_lines": 0,
        "error_json_line_indices": [],
        "errors": [],
    }
    truth = world.lines("TrainingGroundTruth")
    assert [line["line-idx"] for line in truth] == list(range(12))
    assert truth[0]["rekognition-custom-labels-training-0-metadata"]["class-name"] == "red"
    tested = world.lines("TestingGroundTruth")
    about = tested[0]["rekognition-custom-labels-evaluation-1-metadata"]
    assert about["class-name"] == "red"
    assert about["rekognition-custom-labels-evaluation-details"]["is-true-positive"] is True
    assert len(world.lines("TrainingManifestWithValidation")) == 12
    report = world.document("TrainingReport")
    assert (report["Task"], report["Details"]["curve"]) == ("single-label", "none")
    assert report["Warnings"] == ["Fewer than 10 test images."]


def test_a_multi_label_classifier(world: World) -> None:
    lines = world.labelled(4, "red", "green")
    lines.append(label_line(world.put("both.png", plain((125, 115, 35), 9)), "red", "green"))
    found = world.from_manifests(lines, lines)
    assert found["Status"] == "TRAINING_COMPLETED", found["StatusMessage"]
    assert world.trainer.task is LabelTask.MULTI_LABEL
    assert "ConfusionMatrix" in world.document("EvaluationResultSummary")["AggregatedEvaluationResults"]


def test_a_detector_from_manifests(world: World) -> None:
    lines = world.boxed(5, "red", "blue")
    found = world.from_manifests(lines, world.boxed(3, "red", "blue", prefix="test/"))
    assert found["Status"] == "TRAINING_COMPLETED", found["StatusMessage"]
    assert (world.trainer.task, world.trainer.seconds) == (LabelTask.DETECTION, 120)
    given = {"S3Object": {"Bucket": BUCKET, "Name": "train.manifest"}}
    assert found["TrainingDataResult"]["Input"] == {"Assets": [{"GroundTruthManifest": given}]}
    assert found["TestingDataResult"]["Input"]["AutoCreate"] is False
    assert (
        found["TestingDataResult"]["Input"]["Assets"][0]["GroundTruthManifest"]["S3Object"]["Name"] == "test.manifest"
    )
    aggregated = world.document("EvaluationResultSummary")["AggregatedEvaluationResults"]
    assert set(aggregated) == {"Precision", "Recall", "F1Score", "AveragePrecision", "AverageRecall"}
    assert (aggregated["F1Score"], aggregated["AveragePrecision"], aggregated["AverageRecall"]) == (1.0, 1.0, 1.0)
    [line, *_] = world.lines("TestingGroundTruth")
    assert len(line["rekognition-custom-labels-evaluation"]["annotations"]) == 2
    size = {"width": 128, "height": 96, "depth": 3}
    assert line["rekognition-custom-labels-training-0"]["image_size"] == [size]


def test_missed_boxes_agree_with_the_figures(world: World) -> None:
    test = world.boxed(2, "red", prefix="test/")
    # An annotated box where there is nothing, and a red square that nobody has annotated.
    wrong = world.boxed_line("test/wrong.png", 3, ["red"])
    wrong["boxes"]["annotations"][0]["left"] = 90
    found = world.from_manifests(world.boxed(5, "red"), [*test, wrong])
    assert found["Status"] == "TRAINING_COMPLETED", found["StatusMessage"]
    [label] = world.document("EvaluationResultSummary")["LabelEvaluationResults"]
    assert label["Metrics"]["Precision"] == label["Metrics"]["Recall"] == pytest.approx(2 / 3)
    told = [
        one["rekognition-custom-labels-evaluation-details"]
        for line in world.lines("TestingGroundTruth")
        for one in line["rekognition-custom-labels-evaluation-metadata"]["objects"]
    ]
    kinds = [
        [key for key in ("is-true-positive", "is-false-positive", "is-false-negative") if one[key]] for one in told
    ]
    assert sorted(kinds) == [["is-false-negative"], ["is-false-positive"], ["is-true-positive"], ["is-true-positive"]]


@pytest.mark.parametrize("empty", [False, True], ids=["no test dataset", "an empty test dataset"])
def test_datasets_are_split(world: World, empty: bool) -> None:
    project = world.project()
    train = world.dataset(project, world.labelled(10, "red", "green"))
    if empty:
        world.dataset(project, None, "TEST")
    found = world.train(project)
    assert found["Status"] == "TRAINING_COMPLETED", found["StatusMessage"]
    assert found["TestingDataResult"]["Input"] == {"AutoCreate": True}
    assert found["TestingDataResult"]["Output"]["AutoCreate"] is True
    [described] = world.call("DescribeProjects")["ProjectDescriptions"]
    arns = {one["DatasetType"]: one["DatasetArn"] for one in described["Datasets"]}
    assert arns["TRAIN"] == train
    stats = {kind: world.describe_dataset(arn)["DatasetStats"] for kind, arn in arns.items()}
    assert (stats["TRAIN"]["TotalEntries"], stats["TEST"]["TotalEntries"]) == (16, 4)
    assert stats["TEST"]["TotalLabels"] == 2
    refs = {line["source-ref"] for line in world.lines("TestingGroundTruth")}
    listed = world.call("ListDatasetEntries", DatasetArn=arns["TEST"])["DatasetEntries"]
    assert {json.loads(line)["source-ref"] for line in listed} == refs
    # The next version finds two datasets.
    again = world.train(project, "v2")
    assert again["TestingDataResult"]["Input"] == {"AutoCreate": False}
    assert again["Status"] == "TRAINING_COMPLETED"


def test_manifests_are_split_without_leaving_datasets(world: World) -> None:
    found = world.from_manifests(world.labelled(10, "red", "green"))
    assert found["Status"] == "TRAINING_COMPLETED", found["StatusMessage"]
    assert found["TestingDataResult"]["Input"] == {"Assets": [], "AutoCreate": True}
    assert (len(world.trainer.training), len(world.trainer.test)) == (16, 4)
    assert len(world.lines("TrainingManifestWithValidation")) == 16
    [described] = world.call("DescribeProjects")["ProjectDescriptions"]
    assert described["Datasets"] == []


def test_copies_of_an_image_stay_on_one_side(world: World) -> None:
    """Ten groups of four: a split that went by names would part some of them, whatever its seed."""
    lines, groups = [], []
    for group in range(10):
        name, colour = (("red", (220, 30, 30)), ("green", (30, 200, 30)))[group % 2]
        same = plain(colour, 70 + group)
        groups.append({world.put(f"copy-{group}-{number}.png", same) for number in range(4)})
        lines += [label_line(source, name) for source in sorted(groups[-1])]
    world.from_manifests(lines)
    tested = {image.key for image in world.trainer.test}
    assert sorted(len(copies & tested) for copies in groups) == [0] * 8 + [4] * 2


def run_swapped(world: World) -> None:
    """The two jobs that wait, the later one first."""
    first, second = world.jobs.claim(), world.jobs.claim()
    assert first is not None
    assert second is not None
    world.jobs.run(second)
    world.jobs.run(first)


def test_a_dataset_that_has_changed_since_is_left_alone(world: World) -> None:
    project = world.project()
    world.dataset(project, world.labelled(10, "red", "green"))
    world.create(project)
    other = world.labelled(1, "blue", prefix="other/")
    source = {"DatasetSource": world.manifest(other, "other.manifest")}
    test = world.call("CreateDataset", ProjectArn=project, DatasetType="TEST", **source)["DatasetArn"]
    run_swapped(world)
    assert world.describe(project)["Status"] == "TRAINING_COMPLETED"
    assert world.describe_dataset(test)["DatasetStats"]["TotalEntries"] == 1
    assert any("changed since" in line for line in world.jobs.contexts[-1].lines)


def relabelled(world: World, name: str) -> tuple[dict[str, tuple[str, int]], bool]:
    """Datasets after a training that began before half of the images got this label, and whether that is told."""
    project = world.project()
    lines = world.labelled(10, "red", "green")
    train = world.dataset(project, lines)
    world.create(project)
    entries = "".join(json.dumps(label_line(line["source-ref"], name)) + "\n" for line in lines[::2]).encode()
    world.call("UpdateDatasetEntries", DatasetArn=train, Changes={"GroundTruth": entries})
    run_swapped(world)
    assert world.describe(project)["Status"] == "TRAINING_COMPLETED"
    [described] = world.call("DescribeProjects")["ProjectDescriptions"]
    found = {one["DatasetType"]: world.describe_dataset(one["DatasetArn"]) for one in described["Datasets"]}
    kinds = {kind: (one["Status"], one["DatasetStats"]["TotalEntries"]) for kind, one in found.items()}
    return kinds, any("changed since" in line for line in world.jobs.contexts[-1].lines)


def test_images_relabelled_since_are_left_where_they_are(world: World) -> None:
    assert relabelled(world, "blue") == ({"TRAIN": ("UPDATE_COMPLETE", 20)}, True)


def test_images_that_got_the_label_they_had_are_moved(world: World) -> None:
    totals = {"TRAIN": ("UPDATE_COMPLETE", 16), "TEST": ("UPDATE_COMPLETE", 4)}
    assert relabelled(world, "red") == (totals, False)


def test_what_a_version_is_trained_on_is_what_there_was(world: World) -> None:
    project = world.project()
    train = world.dataset(project, world.labelled(6, "red", "green"))
    world.dataset(project, world.labelled(2, "red", "green", prefix="test/"), "TEST")
    world.create(project)
    more = "".join(json.dumps(line) + "\n" for line in world.labelled(3, "blue")).encode()
    world.call("UpdateDatasetEntries", DatasetArn=train, Changes={"GroundTruth": more})
    world.run_jobs()
    assert world.trainer.labels == ("green", "red")


def test_a_manifest_in_a_version_of_its_object(world: World) -> None:
    world.blobs.buckets.set_versioning(ACCOUNT, BUCKET, Versioning.ENABLED)
    lines = world.labelled(5, "red", "green")
    world.manifest(lines, "train.manifest")
    old = world.blobs.objects.find(ACCOUNT, BUCKET, "train.manifest").id
    world.put("train.manifest", b"no manifest")
    source = {"S3Object": {"Bucket": BUCKET, "Name": "train.manifest", "Version": old}}
    project = world.project()
    data = {"TrainingData": {"Assets": [{"GroundTruthManifest": source}]}, "TestingData": {"AutoCreate": True}}
    found = world.train(project, **data)
    assert found["Status"] == "TRAINING_COMPLETED", found["StatusMessage"]
    assert found["TrainingDataResult"]["Input"]["Assets"] == [{"GroundTruthManifest": source}]


def test_a_training_tells_how_long_it_may_last(world: World) -> None:
    world.trained()
    stages = [stage for stage, _, _ in world.jobs.contexts[-1].stages]
    assert stages[0] == "checking the images"
    assert "learning the colours, at most 1 min left" in stages


@pytest.mark.parametrize("error", [TrainingError("the data has no signal"), ImageError("the image is torn")])
def test_what_the_trainer_refuses_is_the_message(world: World, error: Exception) -> None:
    world.trainer.fails = error
    project = world.project()
    world.dataset(project, world.labelled(5, "red", "green"))
    found = world.train(project)
    assert (found["Status"], found["StatusMessage"]) == ("TRAINING_FAILED", str(error))
    assert "EvaluationResult" not in found
    assert "BillableTrainingTimeInSeconds" not in found
    assert list(world.artifacts.iterdir()) == []
    assert world.document("ManifestSummary")["statistics"]["training"]["valid_json_lines"] == 8
    assert len(world.lines("TestingManifestWithValidation")) == 2


def test_what_the_trainer_refuses_is_not_hidden_by_a_full_disk(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*given: object, **more: object) -> None:
        raise NoRoom

    project = world.project()
    world.dataset(project, world.labelled(5, "red", "green"))
    world.trainer.first = lambda: monkeypatch.setattr(world.blobs, "put", full)
    world.trainer.fails = TrainingError("the data has no signal")
    found = world.train(project)
    assert (found["Status"], found["StatusMessage"]) == ("TRAINING_FAILED", "the data has no signal")
    [told] = [line for line in world.jobs.contexts[-1].lines if "could not be written" in line]
    assert told.startswith("The summary and the validation manifests could not be written: ")


def test_a_full_disk_is_tried_again(world: World) -> None:
    project = world.project()
    world.dataset(project, world.labelled(5, "red", "green"))
    world.create(project)
    world.trainer.fails = NoRoom()
    job = world.jobs.claim()
    assert job is not None
    with pytest.raises(NoRoom):
        world.jobs.run(job)
    assert world.describe(project)["Status"] == "TRAINING_IN_PROGRESS"
    assert list(world.artifacts.iterdir()) == []
    world.trainer.fails = None
    world.jobs.run(job)
    assert world.describe(project)["Status"] == "TRAINING_COMPLETED"


def test_a_repeated_training_gives_the_same_bytes(world: World) -> None:
    project = world.project()
    world.dataset(project, world.labelled(8, "red", "green"))
    world.create(project)
    job = world.jobs.claim()
    assert job is not None
    kind = world.kinds[job.kind]
    kind.run(Context(job.id), job.payload)  # everything done, nothing committed
    first = {key: world.read(key) for key in FILES}
    world.jobs.run(job)
    assert {key: world.read(key) for key in FILES} == first
    assert world.describe(project)["Status"] == "TRAINING_COMPLETED"
    assert len(list(world.artifacts.iterdir())) == 1


def test_a_cancelled_training(world: World) -> None:
    project = world.project()
    world.dataset(project, world.labelled(5, "red", "green"))
    world.create(project)
    job = world.jobs.claim()
    assert job is not None
    with world.store.write() as connection:
        world.kinds[job.kind].fail(connection, job.payload, CANCELLED_REASON)
        queue.cancel(connection, job.claim, CANCELLED_REASON, world.now)
    found = world.describe(project)
    assert (found["Status"], found["StatusMessage"]) == ("TRAINING_FAILED", "It was cancelled.")
    with world.store.read() as connection:
        assert list(rows.lines(connection, 1, DatasetType.TRAIN)) == []


def test_folders_of_versions_are_kept_and_others_swept(world: World) -> None:
    project = world.trained()
    world.create(project, "v2")
    with world.store.read() as connection:
        second = rows.get(connection, 2)
    assert second is not None
    kept = {path.name for path in world.artifacts.iterdir()}
    for name in (f"{second.artifact_id}.running", "0123.lost"):
        (world.artifacts / name).mkdir()
    assert sweep_artifacts(world.artifacts, lambda: kept_artifacts(world.store)) == ["0123.lost"]
    assert {path.name for path in world.artifacts.iterdir()} == kept | {f"{second.artifact_id}.running"}
