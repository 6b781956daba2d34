"""CreateDataset, DescribeDataset, DeleteDataset and what becomes of manifests, by boto3."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from label_stage import LabelStage, code, manifest
from lookout_stage import ACCOUNT, BUCKET, Stage, refused

from custom_labels_lines import boxes, changed, image_level
from relook.blobs.folder import FolderBlobs
from relook.core.clock import system_clock
from relook.datafolder import DataFolder
from relook.store.engine import Store

REGION = "eu-west-3"
FOREIGN, OTHER_ACCOUNT = "foreign-manifests", "210987654321"
EMPTY = {"LabeledEntries": 0, "TotalEntries": 0, "TotalLabels": 0, "ErrorEntries": 0}
CREATED = "The dataset was successfully created from the manifest file."
UNREADABLE = "The manifest file extension or contents are invalid."
BUCKETS = "The manifest file contains images from multiple S3 buckets."
DROPPED = "The manifest file has too many terminal errors."
GOOD = [image_level(f"image-{number}", "cat" if number % 2 else "dog") for number in range(10)]


@pytest.fixture(scope="module")
def labels(stage: Stage) -> LabelStage:
    return LabelStage(stage, REGION)


def test_an_empty_dataset_is_complete_at_once(labels: LabelStage) -> None:
    project = labels.project()
    arn = labels.create(project, kind="TEST")
    head, _, number = arn.rpartition("/")
    assert head == f"{project.rpartition('/')[0]}/dataset/test"
    found = labels.describe(arn)
    created = found.pop("CreationTimestamp")
    assert round(created.timestamp() * 1000) == int(number)
    assert found.pop("LastUpdatedTimestamp") == created
    message = found.pop("StatusMessage")
    assert found == {"Status": "CREATE_COMPLETE", "StatusMessageCode": "SUCCESS", "DatasetStats": EMPTY}
    (described,) = labels.client.describe_projects(ProjectNames=[project.split("/")[1]])["ProjectDescriptions"]
    assert described["Datasets"] == [
        {
            "CreationTimestamp": created,
            "DatasetType": "TEST",
            "DatasetArn": arn,
            "Status": "CREATE_COMPLETE",
            "StatusMessage": message,
            "StatusMessageCode": "SUCCESS",
        }
    ]
    assert labels.entries(arn) == []


def test_a_manifest_of_both_forms(labels: LabelStage) -> None:
    lines = [image_level("a", "Käse", "犬"), boxes("b", "犬", "犬", "cat"), image_level("c")]
    arn = labels.create(labels.project(), labels.upload(lines))
    at_once = labels.describe(arn)
    assert at_once["Status"] in ("CREATE_IN_PROGRESS", "CREATE_COMPLETE")
    assert at_once["StatusMessageCode"] == "SUCCESS"
    found = labels.settled(arn)
    assert (found["Status"], found["StatusMessage"]) == ("CREATE_COMPLETE", CREATED)
    assert found["DatasetStats"] == {"LabeledEntries": 2, "TotalEntries": 3, "TotalLabels": 3, "ErrorEntries": 0}
    assert found["LastUpdatedTimestamp"] >= found["CreationTimestamp"]
    shown = labels.entries(arn)
    assert [line.pop("cl-metadata") for line in shown] == [{"is_labeled": known} for known in (True, True, False)]
    assert shown == lines
    described = labels.client.list_dataset_labels(DatasetArn=arn)["DatasetLabelDescriptions"]
    assert described == [
        {"LabelName": "Käse", "LabelStats": {"EntryCount": 1}},
        {"LabelName": "cat", "LabelStats": {"EntryCount": 1, "BoundingBoxCount": 1}},
        {"LabelName": "犬", "LabelStats": {"EntryCount": 2, "BoundingBoxCount": 1}},
    ]


def test_lines_are_compact_and_keep_their_order(labels: LabelStage) -> None:
    text = json.dumps(image_level("a", "cat"), indent=None, separators=(", ", " : "))
    (line,) = labels.client.list_dataset_entries(DatasetArn=labels.dataset([text]))["DatasetEntries"]
    expected = json.dumps(image_level("a", "cat") | {"cl-metadata": {"is_labeled": True}}, separators=(",", ":"))
    assert line == expected


@pytest.mark.parametrize("ending", [b"", b"\r\n\n  \n"], ids=["none", "blank lines"])
def test_endings_of_the_last_line(labels: LabelStage, ending: bytes) -> None:
    body = json.dumps(image_level("a", "cat")).encode() + ending
    found = labels.settled(labels.create(labels.project(), labels.upload_bytes(b"\xef\xbb\xbf" + body)))
    assert (found["Status"], found["DatasetStats"]["TotalEntries"]) == ("CREATE_COMPLETE", 1)


def test_errors_that_cost_no_line_are_shown(labels: LabelStage) -> None:
    unsupported = changed(image_level("a", "cat"), "set_0-metadata/type", "groundtruth/text-classification")
    off_frame = boxes("b", "cat", "dog", rectangles=[(10, 10, 20, 20), (630, 470, 40, 40)])
    nothing = {"source-ref": f"s3://{BUCKET}/c.jpg", "note": "no label"}
    lines = [unsupported, off_frame, nothing | {"source-ref": "s3://images/c.jpg"}]
    arn = labels.dataset(lines)
    assert labels.describe(arn)["DatasetStats"] == {
        "LabeledEntries": 2,
        "TotalEntries": 3,
        "TotalLabels": 2,
        "ErrorEntries": 3,
    }
    first, second, third = labels.entries(arn, HasErrors=True)
    assert [one["code"] for one in first["set_0-metadata"]["cl-errors"]] == ["ERROR_UNSUPPORTED_USE_CASE_TYPE"]
    assert first["cl-metadata"] == {"is_labeled": True}
    assert first["cl-errors"] == [
        {"code": "ERROR_NO_VALID_LABEL_ATTRIBUTES", "message": "No valid label attributes found."}
    ]
    assert "cl-errors" not in second
    assert [one["code"] for one in second["bb"]["annotations"][1]["cl-errors"]] == ["ERROR_INVALID_BOUNDING_BOX"]
    assert third["cl-errors"] == [{"code": "ERROR_NO_LABEL_ATTRIBUTES", "message": "No label attributes found."}]


CAT, BOXED = image_level("a", "cat"), boxes("a", "cat", "dog")
SHOWN: dict[str, tuple[dict[str, Any], str]] = {
    "INVALID_LABEL_ATTRIBUTE_FORMAT": (changed(BOXED, "bb/image_size", ...), "bb"),
    "INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT": (changed(CAT, "set_0-metadata/class-name", ...), "set_0-metadata"),
    "INVALID_IMAGE_DIMENSION": (boxes("a", "cat", size=(63, 480)), ""),
    "BOUNDING_BOX_TOO_SMALL": (boxes("a", "cat", "dog", rectangles=[(1, 1, 9, 9), (1, 1, 1, 1)]), "1"),
    "NO_VALID_ANNOTATIONS": (boxes("a", "cat", rectangles=[(9000, 1, 9, 9)]), ""),
    "MISSING_BOUNDING_BOX_CONFIDENCE": (changed(BOXED, "bb-metadata/objects", [{"confidence": 1}]), "bb-metadata"),
    "MISSING_CLASS_MAP_ID": (changed(BOXED, "bb-metadata/class-map", {"7": "cat"}), "bb-metadata"),
    "TOO_MANY_BOUNDING_BOXES": (boxes("a", *["cat"] * 51), ""),
    "INVALID_LABEL_NAME_LENGTH": (image_level("a", "x" * 257), "set_0-metadata"),
}
"""By code: a line, and where in it the error stands: an attribute, its metadata, one of its boxes or the line."""
BESIDE = {"NO_VALID_ANNOTATIONS": {"0": ["ERROR_INVALID_BOUNDING_BOX"]}}
"""What is told elsewhere in the line, where that is not what an attribute's error always brings."""


@pytest.mark.parametrize("name", SHOWN)
def test_every_error_that_costs_no_line_is_shown_where_it_is(labels: LabelStage, name: str) -> None:
    line, where = SHOWN[name]
    arn = labels.dataset([GOOD[0], line])
    assert labels.describe(arn)["DatasetStats"]["ErrorEntries"] == 1
    [shown] = labels.entries(arn, HasErrors=True)
    found = {place: [error["code"] for error in errors] for place, errors in _errors(shown)}
    assert found.pop(where) == [f"ERROR_{name}"]
    assert found == BESIDE.get(name, {"": ["ERROR_NO_VALID_LABEL_ATTRIBUTES"]} if where[:1].isalpha() else {})


def _errors(line: dict[str, Any]) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """The errors of a line by where they are."""
    for place, holder in (("", line), *line.items(), *enumerate(line.get("bb", {}).get("annotations", ()))):
        if isinstance(holder, dict) and "cl-errors" in holder:
            yield str(place), holder["cl-errors"]


def test_lines_that_no_dataset_takes_are_left_out(labels: LabelStage) -> None:
    """A fifth of the lines is tolerated."""
    huge = image_level("huge", "cat") | {"note": "x" * 100_000}
    arn = labels.dataset([*GOOD[:4], huge, *GOOD[4:8], "{"])
    assert labels.names(arn) == [f"image-{number}.jpg" for number in range(8)]
    assert labels.describe(arn)["DatasetStats"]["ErrorEntries"] == 0


def test_of_two_lines_for_an_image_the_first_is_kept(labels: LabelStage) -> None:
    arn = labels.dataset([*GOOD, image_level("image-3", "bird")])
    assert labels.describe(arn)["DatasetStats"]["TotalEntries"] == 10
    assert labels.names(arn, ContainsLabels=["bird"]) == []


REFUSED: dict[str, tuple[list[Any], str]] = {
    "too many lines of no use": ([*GOOD[:4], "{", '{"source-ref": 1}'], DROPPED),
    "images in two buckets": ([*GOOD, image_level("x", "cat", bucket="elsewhere")], BUCKETS),
    "251 labels": (
        [image_level(f"i{number}", f"label {number}") for number in range(251)],
        "The manifest file has too many labels.",
    ),
    "a picture": ([b"\x89PNG\r\n\x1a\n\x00\x00\xff\xfe"], UNREADABLE),
    "empty": ([], "The manifest file is empty."),
}


@pytest.mark.parametrize(("lines", "message"), REFUSED.values(), ids=REFUSED)
def test_manifests_of_which_nothing_is_taken(labels: LabelStage, lines: list[Any], message: str) -> None:
    project = labels.project()
    arn = labels.create(project, labels.upload(lines))
    found = labels.settled(arn)
    assert (found["Status"], found["StatusMessage"]) == ("CREATE_FAILED", message)
    assert (found["StatusMessageCode"], found["DatasetStats"]) == ("CLIENT_ERROR", EMPTY)
    for call in (labels.client.list_dataset_entries, labels.client.list_dataset_labels):
        assert code(refused(call, DatasetArn=arn)) == ("ResourceNotReadyException", 400)
    again = refused(labels.client.update_dataset_entries, DatasetArn=arn, Changes={"GroundTruth": b"{}"})
    assert code(again) == ("InvalidParameterException", 400)
    labels.client.delete_dataset(DatasetArn=arn)
    assert labels.create(project)


def test_250_labels_are_taken(labels: LabelStage) -> None:
    arn = labels.dataset([image_level("a", *(f"label {number}" for number in range(250)))])
    pages = [*labels.client.get_paginator("list_dataset_labels").paginate(DatasetArn=arn)]
    assert [len(page["DatasetLabelDescriptions"]) for page in pages] == [100, 100, 50]
    assert ["NextToken" in page for page in pages] == [True, True, False]
    names = [one["LabelName"] for page in pages for one in page["DatasetLabelDescriptions"]]
    assert names == sorted(f"label {number}" for number in range(250))


def test_a_version_of_a_manifest(labels: LabelStage) -> None:
    labels.s3.create_bucket(Bucket="versioned-manifests")
    labels.s3.put_bucket_versioning(Bucket="versioned-manifests", VersioningConfiguration={"Status": "Enabled"})
    versions = [
        labels.s3.put_object(Bucket="versioned-manifests", Key="m", Body=json.dumps(image_level(name, "cat")))
        for name in ("old", "new")
    ]
    where = {"Bucket": "versioned-manifests", "Name": "m"}
    for given, name in (({"Version": versions[0]["VersionId"]}, "old.jpg"), ({}, "new.jpg")):
        arn = labels.create(labels.project(), {"GroundTruthManifest": {"S3Object": where | given}})
        assert labels.settled(arn)["Status"] == "CREATE_COMPLETE"
        assert labels.names(arn) == [name]
    source = {"GroundTruthManifest": {"S3Object": where | {"Version": "none-such"}}}
    found = refused(
        labels.client.create_dataset, ProjectArn=labels.project(), DatasetType="TRAIN", DatasetSource=source
    )
    assert code(found) == ("InvalidS3ObjectException", 400)


@pytest.fixture(scope="module")
def foreign(labels: LabelStage) -> None:
    """A bucket of another account with a manifest `m`. A server has one account, so it is put into its folder."""
    folder = DataFolder(labels.stage.server.data)
    store = Store.open(folder.database)
    blobs = FolderBlobs(store, folder.objects, system_clock)
    blobs.buckets.create(OTHER_ACCOUNT, REGION, FOREIGN)
    blobs.put(OTHER_ACCOUNT, FOREIGN, "m", manifest(GOOD), "text/plain")
    store.close()


@pytest.mark.parametrize(
    ("bucket", "key"),
    [(BUCKET, "nowhere"), ("no-such-bucket", "m"), (FOREIGN, "m")],
    ids=["key", "bucket", "foreign"],
)
@pytest.mark.usefixtures("foreign")
def test_a_manifest_that_is_not_there(labels: LabelStage, bucket: str, key: str) -> None:
    project = labels.project()
    source = {"GroundTruthManifest": {"S3Object": {"Bucket": bucket, "Name": key}}}
    found = refused(labels.client.create_dataset, ProjectArn=project, DatasetType="TRAIN", DatasetSource=source)
    assert code(found) == ("InvalidS3ObjectException", 400)
    known = "Unable to get object metadata from S3. Check object key, region and/or access permissions. ("
    assert found["Error"]["Message"].startswith(known)
    assert labels.create(project)


@pytest.mark.parametrize(
    "source",
    [
        {},
        {"GroundTruthManifest": {}},
        {"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET}}},
        {"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Name": "m"}}, "DatasetArn": "the same"},
    ],
    ids=["neither", "no object", "no name", "both"],
)
def test_sources_that_say_too_little_or_too_much(labels: LabelStage, source: dict[str, Any]) -> None:
    project = labels.project()
    if "DatasetArn" in source:
        source = source | {"DatasetArn": labels.create(project, kind="TEST")}
    found = refused(labels.client.create_dataset, ProjectArn=project, DatasetType="TRAIN", DatasetSource=source)
    assert code(found) == ("InvalidParameterException", 400)
    assert "DatasetSource" in found["Error"]["Message"]


def test_one_dataset_of_each_type(labels: LabelStage) -> None:
    project = labels.project()
    train, test = labels.create(project), labels.create(project, kind="TEST")
    found = refused(labels.client.create_dataset, ProjectArn=project, DatasetType="TEST")
    assert code(found) == ("ResourceAlreadyExistsException", 400)
    (described,) = labels.client.describe_projects(ProjectNames=[project.split("/")[1]])["ProjectDescriptions"]
    assert [one["DatasetArn"] for one in described["Datasets"]] == [train, test]


def test_a_copy_of_another_projects_dataset(labels: LabelStage) -> None:
    original = labels.dataset([*GOOD, boxes("boxed", "cat"), image_level("bare")])
    copy = labels.create(labels.project(), {"DatasetArn": original}, kind="TEST")
    found = labels.settled(copy)
    assert (found["Status"], found["StatusMessageCode"]) == ("CREATE_COMPLETE", "SUCCESS")
    assert found["DatasetStats"] == labels.describe(original)["DatasetStats"]
    assert labels.entries(copy) == labels.entries(original)
    names = [labels.client.list_dataset_labels(DatasetArn=arn) for arn in (copy, original)]
    assert names[0]["DatasetLabelDescriptions"] == names[1]["DatasetLabelDescriptions"]
    labels.client.delete_dataset(DatasetArn=original)
    assert len(labels.entries(copy, ContainsLabels=["dog"])) == 5
    moved = labels.update(copy, [image_level("x", "cat", bucket="elsewhere")])
    assert (moved["Status"], moved["StatusMessage"]) == ("UPDATE_FAILED", BUCKETS)


def test_copies_of_nothing(labels: LabelStage) -> None:
    failed = labels.create(labels.project(), labels.upload(["nothing"]))
    labels.settled(failed)
    deleted = labels.create(labels.project())
    labels.client.delete_dataset(DatasetArn=deleted)
    for source, expected in ((failed, "InvalidParameterException"), (deleted, "ResourceNotFoundException")):
        found = refused(
            labels.client.create_dataset,
            ProjectArn=labels.project(),
            DatasetType="TRAIN",
            DatasetSource={"DatasetArn": source},
        )
        assert code(found) == (expected, 400)


def test_tags_come_with_it(labels: LabelStage) -> None:
    arn = labels.client.create_dataset(ProjectArn=labels.project(), DatasetType="TRAIN", Tags={"line": "7"})
    assert labels.client.list_tags_for_resource(ResourceArn=arn["DatasetArn"])["Tags"] == {"line": "7"}


def test_delete_as_scripts_poll(labels: LabelStage) -> None:
    project = labels.project()
    arn = labels.dataset(GOOD, project)
    answer = labels.client.delete_dataset(DatasetArn=arn)
    assert set(answer) == {"ResponseMetadata"}
    for call in (
        labels.client.describe_dataset,
        labels.client.delete_dataset,
        labels.client.list_dataset_entries,
        labels.client.list_dataset_labels,
    ):
        with pytest.raises(labels.client.exceptions.ResourceNotFoundException):
            call(DatasetArn=arn)
    assert labels.dataset(GOOD[:2], project) != arn
    assert code(refused(labels.client.describe_dataset, DatasetArn=arn)) == ("ResourceNotFoundException", 400)


def test_a_large_dataset_is_gone_at_once(labels: LabelStage) -> None:
    """Its entries go afterwards."""
    project = labels.project()
    arn = labels.dataset([image_level(f"many-{number}", "cat") for number in range(2500)], project)
    labels.client.delete_dataset(DatasetArn=arn)
    assert code(refused(labels.client.describe_dataset, DatasetArn=arn)) == ("ResourceNotFoundException", 400)
    assert labels.client.delete_project(ProjectArn=project)["Status"] == "DELETING"


def test_while_it_is_created(labels: LabelStage) -> None:
    arn = labels.create(labels.project(), labels.upload([image_level(f"i-{number}", "cat") for number in range(5000)]))
    answers = [
        refused(labels.client.delete_dataset, DatasetArn=arn),
        refused(labels.client.update_dataset_entries, DatasetArn=arn, Changes={"GroundTruth": b"{}"}),
        refused(labels.client.list_dataset_entries, DatasetArn=arn),
        refused(
            labels.client.create_dataset,
            ProjectArn=labels.project(),
            DatasetType="TRAIN",
            DatasetSource={"DatasetArn": arn},
        ),
    ]
    assert labels.describe(arn)["DatasetStats"] == EMPTY
    assert labels.describe(arn)["Status"] == "CREATE_IN_PROGRESS"
    assert [code(one)[0] for one in answers] == [
        "ResourceInUseException",
        "ResourceInUseException",
        "ResourceNotReadyException",
        "InvalidParameterException",
    ]
    assert labels.settled(arn)["DatasetStats"]["TotalEntries"] == 5000


def test_arns_of_nothing(labels: LabelStage) -> None:
    project = labels.project()
    arn = labels.create(project)
    head, _, number = arn.rpartition("/")
    for wrong in (
        f"{head}/{int(number) + 1}",
        arn.replace("dataset/train", "dataset/test"),
        arn.replace(ACCOUNT, "1" * 12),
        arn.replace(REGION, "us-east-2"),
    ):
        assert code(refused(labels.client.describe_dataset, DatasetArn=wrong)) == ("ResourceNotFoundException", 400)
    for malformed in (project, arn.upper(), f"{head}/"):
        assert code(refused(labels.unchecked.describe_dataset, DatasetArn=malformed))[0] == "ValidationException"
    absent = project.rpartition("/")[0] + "/1"
    found = refused(labels.client.create_dataset, ProjectArn=absent, DatasetType="TRAIN")
    assert code(found) == ("ResourceNotFoundException", 400)
    unknown = refused(labels.unchecked.create_dataset, ProjectArn=project, DatasetType="train")
    assert code(unknown) == ("ValidationException", 400)
