"""Trainings that cannot be: every terminal error and every error of a line, from real manifests with real images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from version_world import ACCOUNT, BUCKET, OTHER_ACCOUNT, OUTPUT, REGION, World

import untrainable
from job_runs import Context
from label_pictures import RED, label_line, plain
from relook.jobs.api import JobFailed
from relook.services.rekognition import Limits
from untrainable import FOREIGN, MISSING, SECOND

FAILED = "TRAINING_FAILED"


def manifests(world: World, training: Sequence[Mapping[str, Any] | str], **more: Any) -> dict[str, Any]:
    return {
        "TrainingData": {"Assets": [world.manifest(training, "train.manifest")]},
        "TestingData": more or {"AutoCreate": True},
    }


def failed_by_file(world: World, message: str, **members: Any) -> None:
    """The training fails with this message and leaves nothing."""
    found = world.train(world.project(), **members)
    assert (found["Status"], found["StatusMessage"]) == (FAILED, message)
    assert not {"ManifestSummary", "EvaluationResult", "BillableTrainingTimeInSeconds"} & set(found)
    assert set(found["TrainingDataResult"]) == {"Input"}
    assert "TrainingEndTimestamp" in found


def told(world: World) -> list[str]:
    """The log of the job that ran last."""
    return world.jobs.contexts[-1].lines


def failed_by_content(world: World, found: Mapping[str, Any], code: str, message: str, where: str) -> None:
    """The training fails with this message; the summary holds the code `where` it belongs, the lines are there."""
    assert (found["Status"], found["StatusMessage"]) == (FAILED, message)
    assert not {"EvaluationResult", "BillableTrainingTimeInSeconds"} & set(found)
    assert set(found["TrainingDataResult"]) == {"Input", "Validation"}
    assert set(found["TestingDataResult"]) == {"Input", "Validation"}
    summary = world.document("ManifestSummary")
    assert found["ManifestSummary"]["S3Object"]["Name"] == "out/ManifestSummary-p-v1.json"
    assert untrainable.errors_told(summary) == {where: [{"code": code, "message": message}]}
    assert world.lines("TrainingManifestWithValidation")


# Errors of the file


def test_a_manifest_that_is_missing(world: World) -> None:
    gone = {"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Name": "absent.manifest"}}}
    data = {"TrainingData": {"Assets": [gone]}, "TestingData": {"AutoCreate": True}}
    failed_by_file(world, "The manifest file extension or contents are invalid.", **data)
    [line] = world.jobs.contexts[-1].lines
    assert line.startswith(f"The manifest cannot be read: s3://{BUCKET}/absent.manifest: There is no object")


@pytest.mark.parametrize(
    "content",
    [b"\x89PNG\r\n\x1a\n\x00\xff", b"<html>\n</html>\n", b"[1, 2]\n", "Bild;Klasse\nä.jpg;rot\n".encode("latin-1")],
    ids=["an image", "a page", "a list", "a table"],
)
def test_a_manifest_of_something_else(world: World, content: bytes) -> None:
    data = manifests(world, [])
    world.put("train.manifest", content)
    failed_by_file(world, "The manifest file extension or contents are invalid.", **data)
    first, counted, line, *_ = told(world)
    assert first == f"The training set, s3://{BUCKET}/train.manifest, has no line that is a JSON object."
    assert counted.startswith(f"{len(content.splitlines())} of ")
    assert line == "Line 1 of the training set, without an image: The JSON Line has an invalid format."


@pytest.mark.parametrize("content", [b"", b"\n", b" \r\n\n"], ids=["no bytes", "a line break", "white space"])
def test_a_manifest_of_nothing(world: World, content: bytes) -> None:
    data = manifests(world, [])
    world.put("train.manifest", content)
    failed_by_file(world, "The manifest file is empty.", **data)
    assert told(world) == [f"The training set, s3://{BUCKET}/train.manifest, has no lines."]


def test_a_manifest_too_large(world: World) -> None:
    data = manifests(world, world.labelled(5, "red", "green"))
    world.lengthen("train.manifest", 2**30 + 1)
    failed_by_file(world, "The manifest file size exceeds the maximum supported size.", **data)
    size = "1,073,741,825 bytes; at most 1,073,741,824 (1 GB) are accepted."
    assert told(world) == [f"s3://{BUCKET}/train.manifest: The manifest has {size}"]


@pytest.mark.parametrize("bucket", [MISSING, FOREIGN])
def test_a_manifest_in_a_bucket_that_cannot_be_read(world: World, bucket: str) -> None:
    world.blobs.buckets.create(OTHER_ACCOUNT, REGION, FOREIGN)
    there = {"GroundTruthManifest": {"S3Object": {"Bucket": bucket, "Name": "the.manifest"}}}
    data = {"TrainingData": {"Assets": [there]}, "TestingData": {"AutoCreate": True}}
    failed_by_file(world, "The S3 bucket permissions are incorrect.", **data)
    why = "There is no bucket of this name." if bucket == MISSING else "The bucket belongs to another account."
    assert told(world) == [f"The manifest cannot be read: bucket {bucket}: {why}"]


@pytest.mark.parametrize("bucket", [MISSING, FOREIGN])
def test_an_output_bucket_that_cannot_be_written_to(world: World, bucket: str) -> None:
    world.blobs.buckets.create(OTHER_ACCOUNT, REGION, FOREIGN)
    data = manifests(world, world.labelled(5, "red", "green"))
    failed_by_file(world, "Unable to write to output S3 bucket.", **data, OutputConfig={"S3Bucket": bucket})
    why = "There is no bucket of this name." if bucket == MISSING else "The bucket belongs to another account."
    assert told(world) == [f"The output cannot be written: bucket {bucket}: {why}"]


def test_a_train_dataset_without_entries(world: World) -> None:
    project = world.project()
    world.dataset(project, None)
    found = world.train(project)
    assert (found["Status"], found["StatusMessage"]) == (FAILED, "The manifest file is empty.")
    assert "ManifestSummary" not in found


# Errors of the content


def test_too_many_invalid_rows(world: World) -> None:
    found = world.from_manifests(*untrainable.with_gone_images(world, 3))
    message = "The manifest file contains too many invalid rows."
    failed_by_content(world, found, "ERROR_TOO_MANY_INVALID_ROWS_IN_MANIFEST", message, "training")
    statistics = world.document("ManifestSummary")["statistics"]["training"]
    assert (statistics["total_json_lines"], statistics["invalid_json_lines"]) == (11, 3)
    missing = "There is no object under this key (and version)."
    assert world.jobs.contexts[-1].lines == [
        "3 of the 11 lines of the training set are invalid and left out; at most 2 (20%) may be.",
        *(f"Line {9 + n} of the training set, s3://{BUCKET}/gone-{n}.png: {missing}" for n in range(3)),
    ]


def test_a_fifth_of_invalid_rows_is_let_pass(world: World) -> None:
    found = world.from_manifests(*untrainable.with_gone_images(world, 2))
    assert found["Status"] == "TRAINING_COMPLETED", found["StatusMessage"]
    assert len(world.trainer.training) == 8


def test_images_in_several_buckets(world: World) -> None:
    world.blobs.buckets.create(ACCOUNT, REGION, SECOND)
    found = world.from_manifests(*untrainable.of_two_buckets(world))
    message = "The manifest file contains images from multiple S3 buckets."
    failed_by_content(world, found, "ERROR_IMAGES_IN_MULTIPLE_S3_BUCKETS", message, "training")
    where = "Line 11 of the training set, s3://second/x.png"
    assert told(world) == [f"{where}: the images before it are in the bucket {BUCKET}."]


@pytest.mark.parametrize("where", ["training", "testing"])
@pytest.mark.parametrize(
    ("bucket", "code", "message"),
    [
        (FOREIGN, "ERROR_INVALID_IMAGES_S3_BUCKET_OWNER", "Invalid owner id for images S3 bucket."),
        (
            MISSING,
            "ERROR_INVALID_PERMISSIONS_IMAGES_S3_BUCKET",
            "The permissions for the images S3 bucket are invalid.",
        ),
    ],
    ids=["foreign", "missing"],
)
def test_images_in_a_bucket_that_cannot_be_read(world: World, bucket: str, code: str, message: str, where: str) -> None:
    world.blobs.buckets.create(OTHER_ACCOUNT, REGION, FOREIGN)
    sets = untrainable.with_training_images_in(bucket, world)
    found = world.from_manifests(*(sets if where == "training" else reversed(sets)))
    failed_by_content(world, found, code, message, where)
    why = "There is no bucket of this name." if bucket == MISSING else "The bucket belongs to another account."
    name = where.removesuffix("ing") if where == "testing" else where
    assert told(world) == [f"The images of the {name} set cannot be read: bucket {bucket}: {why}"]
    statistics = world.document("ManifestSummary")["statistics"]
    counts = {kind: (one["use_case"], one["total_json_lines"]) for kind, one in statistics.items()}
    lines = {"training": (4, 6), "testing": (6, 4)}[where]
    assert counts == {kind: ("NOT_DETERMINED", number) for kind, number in zip(statistics, lines, strict=True)}


def test_images_in_a_bucket_that_cannot_be_read_are_not_split(world: World) -> None:
    found = world.from_manifests([label_line(f"s3://nowhere/{number}.png", "red") for number in range(10)])
    message = "The permissions for the images S3 bucket are invalid."
    failed_by_content(world, found, "ERROR_INVALID_PERMISSIONS_IMAGES_S3_BUCKET", message, "training")
    statistics = world.document("ManifestSummary")["statistics"]
    counts = [(one["use_case"], one["total_json_lines"], one["valid_json_lines"]) for one in statistics.values()]
    assert counts == [("NOT_DETERMINED", 10, 10), ("NOT_DETERMINED", 0, 0)]


def test_beside_a_bucket_that_cannot_be_read_the_lines_keep_their_errors(world: World) -> None:
    world.blobs.buckets.create(ACCOUNT, REGION, "second")
    here = [*world.labelled(3, "red", "green"), label_line(world.put("x.png", plain(RED, 1), "second"), "red")]
    there = [*(label_line(f"s3://nowhere/{number}.png", "red") for number in range(3)), "{"]
    found = world.from_manifests(here, there)
    assert found["StatusMessage"] == "The manifest file contains images from multiple S3 buckets."
    statistics = world.document("ManifestSummary")["statistics"]
    assert {kind: [error["code"] for error in one["errors"]] for kind, one in statistics.items()} == {
        "training": ["ERROR_IMAGES_IN_MULTIPLE_S3_BUCKETS"],
        "testing": ["ERROR_INVALID_PERMISSIONS_IMAGES_S3_BUCKET", "ERROR_TOO_MANY_INVALID_ROWS_IN_MANIFEST"],
    }
    first, *_, last = told(world)
    assert first.startswith("The images of the test set cannot be read: bucket nowhere: ")
    assert last == f"Line 7 of the training set, s3://second/x.png: the images before it are in the bucket {BUCKET}."
    assert "1 of the 4 lines of the test set is invalid and left out; at most 0 (20%) may be." in told(world)


def test_too_few_images_to_split(world: World) -> None:
    found = world.from_manifests(*untrainable.too_few_to_split(world))
    message = "The manifest file contains insufficient labeled images per label to perform auto-split."
    failed_by_content(world, found, "ERROR_INSUFFICIENT_IMAGES_PER_LABEL_FOR_AUTOSPLIT", message, "training")
    assert told(world) == [
        "To be in both sets a label needs 2 images that are not the same file, and at least 50% of the labels must be "
        "in both. Images by label: green 1, red 1."
    ]


def test_datasets_too_small_to_split_stay_as_they_are(world: World) -> None:
    project = world.project()
    train = world.dataset(project, world.labelled(1, "red", "green"))
    found = world.train(project)
    message = "The manifest file contains insufficient labeled images per label to perform auto-split."
    assert (found["Status"], found["StatusMessage"]) == (FAILED, message)
    assert world.describe_dataset(train)["DatasetStats"]["TotalEntries"] == 2
    [described] = world.call("DescribeProjects")["ProjectDescriptions"]
    assert [one["DatasetType"] for one in described["Datasets"]] == ["TRAIN"]


def test_too_few_labels(world: World) -> None:
    found = world.from_manifests(*untrainable.of_one_label(world))
    message = "The manifest file has too few labels."
    failed_by_content(world, found, "ERROR_MANIFEST_TOO_FEW_LABELS", message, "training")
    assert told(world) == ["The training set has 1 label; at least 2 must be. Images by label: red 5."]


def test_one_label_is_enough_for_a_detector(world: World) -> None:
    found = world.from_manifests(world.boxed(5, "red"))
    assert found["Status"] == "TRAINING_COMPLETED", found["StatusMessage"]


def test_too_many_labels(tmp_path: Any) -> None:
    world = World(tmp_path, limits=Limits(labels=2))
    lines = world.labelled(2, "red", "green", "blue")
    found = world.from_manifests(lines, world.labelled(2, "red", "green"))
    failed_by_content(
        world, found, "ERROR_MANIFEST_TOO_MANY_LABELS", "The manifest file has too many labels.", "training"
    )
    counts = "Images by label: blue 2, green 2, red 2."
    assert told(world) == [f"The training set has 3 labels; at most 2 may be. {counts}"]
    world.close()


def test_too_many_rows(tmp_path: Any) -> None:
    world = World(tmp_path, limits=Limits(images=5))
    lines = world.labelled(3, "red", "green")
    found = world.from_manifests(lines, lines[:4])
    failed_by_content(
        world, found, "ERROR_MANIFEST_ROWS_EXCEEDS_MAXIMUM", "The manifest file has too many rows.", "training"
    )
    assert told(world) == ["The training set has more than 5 lines."]
    world.close()


def test_no_more_rows_are_read_and_no_images_looked_at(tmp_path: Any) -> None:
    world = World(tmp_path, limits=Limits(images=5))
    found = world.from_manifests([label_line(f"s3://{BUCKET}/none-{number}.png", "red") for number in range(30)])
    message = "The manifest file has too many rows."
    failed_by_content(world, found, "ERROR_MANIFEST_ROWS_EXCEEDS_MAXIMUM", message, "training")
    told = world.document("ManifestSummary")["statistics"]["training"]
    assert (told["total_json_lines"], told["invalid_json_lines"]) == (6, 0)
    world.close()


def test_labels_that_are_not_tested(world: World) -> None:
    found = world.from_manifests(*untrainable.with_labels_that_are_not_tested(world))
    message = "Less than 50% label overlap between the training and testing manifest files."
    failed_by_content(world, found, "ERROR_INSUFFICIENT_LABEL_OVERLAP", message, "both")
    assert told(world) == [
        "Of the 3 labels of the training set 0 are in the test set, too; at least 50% must be. "
        "Missing there, with their training images: a 1, b 1, c 1."
    ]


def test_test_labels_that_look_like_the_missing_ones_are_told(world: World) -> None:
    test = relabelled(world.labelled(2, "red", "blue", prefix="test/"), {"red": "Red ", "blue": "Blue "})
    found = world.from_manifests(world.labelled(3, "red", "blue"), test)
    message = "Less than 50% label overlap between the training and testing manifest files."
    failed_by_content(world, found, "ERROR_INSUFFICIENT_LABEL_OVERLAP", message, "both")
    assert told(world)[1:] == [
        "Labels that differ by spaces or capitals alone are different ones; rename them where they mean the same: "
        "'red', 'Red ', 'blue', 'Blue '."
    ]


def test_labels_too_rare_to_split_that_look_like_others_are_told(world: World) -> None:
    lines = world.labelled(1, "red", "blue", "green")
    found = world.from_manifests(relabelled(lines, {"red": "caf\u00e9", "blue": "cafe\u0301"}))
    message = "The manifest file contains insufficient labeled images per label to perform auto-split."
    failed_by_content(world, found, "ERROR_INSUFFICIENT_IMAGES_PER_LABEL_FOR_AUTOSPLIT", message, "training")
    assert told(world)[1:] == [
        "Labels that look alike or stand for the same, but are written in other characters (as macOS does in names of "
        r"files), are different ones; rename them where they mean the same: 'caf\xe9', 'cafe\u0301'."
    ]


def relabelled(lines: list[dict[str, Any]], names: Mapping[str, str]) -> list[dict[str, Any]]:
    return [label_line(line["source-ref"], names.get(name, name)) for line, name in named(lines)]


def named(lines: list[dict[str, Any]]) -> list[tuple[dict[str, Any], str]]:
    return [(line, line["label-0-metadata"]["class-name"]) for line in lines]


def test_too_few_labels_that_can_be_used(world: World) -> None:
    found = world.from_manifests(*untrainable.of_one_usable_label(world))
    message = "The manifest file has too few usable labels."
    failed_by_content(world, found, "ERROR_MANIFEST_TOO_FEW_USABLE_LABELS", message, "training")
    assert told(world)[2:] == [
        "The training set has 1 usable label; at least 2 must be. Images by label: red 5.",
        "Labels of no usable line with image-level labels: green.",
    ]


def test_labels_whose_test_images_cannot_be_used(world: World) -> None:
    found = world.from_manifests(*untrainable.with_unusable_test_images(world))
    message = "Less than 50% usable label overlap between the training and testing manifest files."
    failed_by_content(world, found, "ERROR_INSUFFICIENT_USABLE_LABEL_OVERLAP", message, "both")
    assert told(world)[-1] == (
        "Of the 3 usable image-level labels of the training set 1 is in the test set, too; at least 50% must be. "
        "Missing there, with their training images: blue 3, green 3."
    )


def test_images_that_go_while_it_is_trained(world: World) -> None:
    project = world.project()
    world.create(project, **manifests(world, world.labelled(5, "red", "green")))
    world.trainer.first = lambda: world.delete("images/red-0.png")
    world.run_jobs()
    message = "Failed to copy images from S3 bucket."
    failed_by_content(world, world.describe(project), "ERROR_FAILED_IMAGES_S3_COPY", message, "both")
    [gone] = told(world)
    assert gone.endswith(
        f"cannot be read any more: s3://{BUCKET}/images/red-0.png: There is no object under this key (and version)."
    )
    assert list(world.artifacts.iterdir()) == []


def test_the_files_of_a_failure_are_told_once_it_has_failed(world: World) -> None:
    project = world.project()
    world.create(project, **manifests(world, world.labelled(1, "red", "green")))
    found = world.describe(project)
    assert "ManifestSummary" not in found
    assert set(found["TrainingDataResult"]) == {"Input"}
    world.run_jobs()
    assert "ManifestSummary" in world.describe(project)


def test_output_is_asked_for_before_anything_is_read(world: World) -> None:
    output = {"S3Bucket": "nowhere", "S3KeyPrefix": OUTPUT["S3KeyPrefix"]}
    found = world.train(world.project(), OutputConfig=output, **manifests(world, ["no json"]))
    assert found["StatusMessage"] == "Unable to write to output S3 bucket."


def test_files_of_a_killed_attempt_are_not_told_of_the_next(world: World) -> None:
    project = world.project()
    world.create(project, **manifests(world, world.labelled(1, "red", "green")))
    job = world.jobs.claim()
    assert job is not None
    with pytest.raises(JobFailed):
        world.kinds[job.kind].run(Context(job.id), job.payload)  # its files are written, its failure is not
    world.put("train.manifest", b"")
    world.jobs.run(job)
    found = world.describe(project)
    assert found["StatusMessage"] == "The manifest file is empty."
    assert "ManifestSummary" not in found
    assert set(found["TrainingDataResult"]) == {"Input"}
