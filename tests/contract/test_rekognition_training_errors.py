"""Terminal errors of trainings as clients read them: from real manifests, before anything is trained.

Those that need a gigabyte, 250,000 lines or an image that goes while it is trained are in the unit tests.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from label_versions import VersionStage
from lookout_stage import BUCKET, Stage

import untrainable
from custom_labels_lines import changed
from label_pictures import label_line
from relook.blobs.folder import FolderBlobs
from relook.core.clock import system_clock
from relook.datafolder import DataFolder
from relook.store.engine import Store
from untrainable import FOREIGN, MISSING, SECOND, Pictures, Sets

REGION, OTHER_ACCOUNT = "ap-southeast-4", "210987654321"
Members = dict[str, Any]
SPLIT = {"TestingData": {"AutoCreate": True}}


@pytest.fixture(scope="module")
def versions(stage: Stage) -> VersionStage:
    stage.s3.create_bucket(Bucket=SECOND)
    folder = DataFolder(stage.server.data)
    store = Store.open(folder.database)  # a server has one account: a bucket of another one is put into its folder
    FolderBlobs(store, folder.objects, system_clock).buckets.create(OTHER_ACCOUNT, REGION, FOREIGN)
    store.close()
    return VersionStage(stage, REGION)


def of_bytes(body: bytes, versions: VersionStage) -> Members:
    return {"TrainingData": {"Assets": [versions.upload_bytes(body)]}} | SPLIT


def at(bucket: str, versions: VersionStage) -> Members:
    """A manifest under a key that nothing is under."""
    there = {"GroundTruthManifest": {"S3Object": {"Bucket": bucket, "Name": "absent.manifest"}}}
    return {"TrainingData": {"Assets": [there]}} | SPLIT


def with_output_in(bucket: str, versions: VersionStage) -> Members:
    output = {"OutputConfig": {"S3Bucket": bucket, "S3KeyPrefix": "results"}}
    return versions.legacy(versions.labelled(5, "red", "green")) | output


FILE_ERRORS: dict[str, tuple[Callable[[VersionStage], Members], str]] = {
    "nothing in it": (partial(of_bytes, b"\n\n"), "The manifest file is empty."),
    "a page": (partial(of_bytes, b"<html>\n</html>\n"), "The manifest file extension or contents are invalid."),
    "not there": (partial(at, BUCKET), "The manifest file extension or contents are invalid."),
    "in no bucket": (partial(at, MISSING), "The S3 bucket permissions are incorrect."),
    "output to no bucket": (partial(with_output_in, MISSING), "Unable to write to output S3 bucket."),
}
CONTENT_ERRORS: dict[str, tuple[Callable[[Pictures], Sets], str, str]] = {
    "ERROR_TOO_MANY_INVALID_ROWS_IN_MANIFEST": (
        partial(untrainable.with_gone_images, gone=3),
        "The manifest file contains too many invalid rows.",
        "training",
    ),
    "ERROR_IMAGES_IN_MULTIPLE_S3_BUCKETS": (
        untrainable.of_two_buckets,
        "The manifest file contains images from multiple S3 buckets.",
        "training",
    ),
    "ERROR_INVALID_PERMISSIONS_IMAGES_S3_BUCKET": (
        partial(untrainable.with_training_images_in, MISSING),
        "The permissions for the images S3 bucket are invalid.",
        "training",
    ),
    "ERROR_INVALID_IMAGES_S3_BUCKET_OWNER": (
        partial(untrainable.with_training_images_in, FOREIGN),
        "Invalid owner id for images S3 bucket.",
        "training",
    ),
    "ERROR_INSUFFICIENT_IMAGES_PER_LABEL_FOR_AUTOSPLIT": (
        untrainable.too_few_to_split,
        "The manifest file contains insufficient labeled images per label to perform auto-split.",
        "training",
    ),
    "ERROR_MANIFEST_TOO_FEW_LABELS": (
        untrainable.of_one_label,
        "The manifest file has too few labels.",
        "training",
    ),
    "ERROR_MANIFEST_TOO_MANY_LABELS": (
        untrainable.of_too_many_labels,
        "The manifest file has too many labels.",
        "training",
    ),
    "ERROR_INSUFFICIENT_LABEL_OVERLAP": (
        untrainable.with_labels_that_are_not_tested,
        "Less than 50% label overlap between the training and testing manifest files.",
        "both",
    ),
    "ERROR_MANIFEST_TOO_FEW_USABLE_LABELS": (
        untrainable.of_one_usable_label,
        "The manifest file has too few usable labels.",
        "training",
    ),
    "ERROR_INSUFFICIENT_USABLE_LABEL_OVERLAP": (
        untrainable.of_both_kinds,
        "Less than 50% usable label overlap between the training and testing manifest files.",
        "both",
    ),
}


def failed(versions: VersionStage, members: Members, message: str) -> dict[str, Any]:
    """The description of a training that fails with this message, and leaves no model."""
    project = versions.project()
    versions.create_version(project, **members)
    found = versions.settled_version(project)
    assert (found["Status"], found["StatusMessage"]) == ("TRAINING_FAILED", message)
    assert not {"EvaluationResult", "BillableTrainingTimeInSeconds"} & set(found)
    return found


@pytest.mark.parametrize(("make", "message"), FILE_ERRORS.values(), ids=FILE_ERRORS)
def test_what_a_file_fails_with(versions: VersionStage, make: Callable[[VersionStage], Members], message: str) -> None:
    found = failed(versions, make(versions), message)
    assert "ManifestSummary" not in found
    assert (set(found["TrainingDataResult"]), set(found["TestingDataResult"])) == ({"Input"}, {"Input"})


@pytest.mark.parametrize(
    ("code", "make", "message", "where"),
    [(code, *others) for code, others in CONTENT_ERRORS.items()],
    ids=CONTENT_ERRORS,
)
def test_what_contents_fail_with(
    versions: VersionStage, code: str, make: Callable[[Pictures], Sets], message: str, where: str
) -> None:
    """The summary tells the code of the set that it is of, and the lines are there with their own errors."""
    training, testing = make(versions)
    test = {"AutoCreate": True} if testing is None else {"Assets": [versions.upload(testing)]}
    members = {"TrainingData": {"Assets": [versions.upload(training)]}, "TestingData": test}
    found = failed(versions, members, message)
    summary = versions.read(found["ManifestSummary"])
    assert untrainable.errors_told(summary) == {where: [{"code": code, "message": message}]}
    [lines] = found["TrainingDataResult"]["Validation"]["Assets"]
    assert versions.text(lines["GroundTruthManifest"]).splitlines()


def test_the_errors_of_lines_are_in_the_validation_manifests(versions: VersionStage) -> None:
    """Each where it is, beside what was given; good lines have none."""
    good, [boxed] = versions.labelled(2, "red", "green"), versions.boxed(1, "red")
    gone = label_line(f"s3://{BUCKET}/gone.png", "red")
    nameless = changed(good[1], "label-0-metadata/class-name", ...) | {"source-ref": good[0]["source-ref"] + "x"}
    training = [good[0], gone, "{", {"label-0": 1}, nameless, *good[1:]]
    off_frame = changed(boxed, "boxes/annotations/0/left", 9000)
    members = {
        "TrainingData": {"Assets": [versions.upload(training)]},
        "TestingData": {"Assets": [versions.upload([*good, off_frame])]},
    }
    found = failed(versions, members, "The manifest file contains too many invalid rows.")
    lines, tested = (
        [json.loads(line) for line in versions.text(asset["GroundTruthManifest"]).splitlines()]
        for result in ("TrainingDataResult", "TestingDataResult")
        for asset in found[result]["Validation"]["Assets"]
    )
    invalid_image = "The image is invalid. Check S3 path and/or image properties."
    assert lines[0] == good[0]
    assert lines[5:] == good[1:]
    assert lines[1] == gone | {"errors": [{"code": "ERROR_INVALID_IMAGE", "message": invalid_image}]}
    assert lines[2] == {
        "errors": [{"code": "ERROR_INVALID_JSON_LINE", "message": "The JSON Line has an invalid format."}]
    }
    assert lines[3]["errors"] == [{"code": "ERROR_MISSING_SOURCE_REF", "message": "The source-ref key is missing."}]
    metadata = {
        "code": "ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT",
        "message": "The format of the label attribute metadata is invalid.",
    }
    assert lines[4]["label-0-metadata"]["errors"] == [metadata]
    assert [error["code"] for error in lines[4]["errors"]] == ["ERROR_NO_VALID_LABEL_ATTRIBUTES"]
    assert tested[:4] == good
    frame = {"code": "ERROR_INVALID_BOUNDING_BOX", "message": "The bounding box has off frame values."}
    assert tested[4]["boxes"]["annotations"][0]["errors"] == [frame]
    assert [error["code"] for error in tested[4]["errors"]] == ["ERROR_NO_VALID_ANNOTATIONS"]
