"""UpdateDatasetEntries, ListDatasetEntries, ListDatasetLabels and DistributeDatasetEntries by boto3."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from label_stage import LabelStage, code, manifest
from lookout_stage import ACCOUNT, Stage, refused

from custom_labels_lines import boxes, image_level

REGION = "eu-south-1"
BUCKETS = "The manifest file contains images from multiple S3 buckets."
TOO_FEW = "The manifest file doesn't have enough labeled images to distribute the dataset."


@pytest.fixture(scope="module")
def labels(stage: Stage) -> LabelStage:
    return LabelStage(stage, REGION)


@pytest.fixture(scope="module")
def mixed(labels: LabelStage) -> str:
    """A dataset that tests only read: 250 images, some with boxes, some bare, some with errors."""
    lines = [image_level(f"a/{number}", "cat", *(["dog"] if number % 3 == 0 else [])) for number in range(200)]
    lines += [boxes(f"b/{number}", "dog", "bird") for number in range(30)]
    lines += [image_level(f"B/{number}") for number in range(15)]
    lines += [boxes(f"c/{number}", "cat", rectangles=[(630, 10, 50, 50)]) for number in range(5)]
    return labels.dataset(lines)


@pytest.fixture(scope="module")
def steady(labels: LabelStage) -> str:
    """A dataset that no test changes, though some try."""
    return labels.dataset([image_level("a", "cat"), image_level("b", "dog")])


def test_updates_replace_and_append(labels: LabelStage) -> None:
    arn = labels.dataset([image_level(name, "cat") for name in "abc"])
    before = labels.describe(arn)
    changes = manifest([image_level("b", "dog", "bird"), image_level("d", "cat"), image_level("c")])
    assert set(labels.client.update_dataset_entries(DatasetArn=arn, Changes={"GroundTruth": changes})) == {
        "ResponseMetadata"
    }
    assert labels.describe(arn)["Status"] in ("UPDATE_IN_PROGRESS", "UPDATE_COMPLETE")
    found = labels.settled(arn)
    assert (found["Status"], found["StatusMessageCode"]) == ("UPDATE_COMPLETE", "SUCCESS")
    assert found["DatasetStats"] == {"LabeledEntries": 3, "TotalEntries": 4, "TotalLabels": 3, "ErrorEntries": 0}
    assert found["CreationTimestamp"] == before["CreationTimestamp"]
    assert found["LastUpdatedTimestamp"] > before["LastUpdatedTimestamp"]
    lines = labels.entries(arn)
    assert [line["source-ref"] for line in lines] == [f"s3://images/{name}.jpg" for name in "abcd"]
    assert lines[1] == image_level("b", "dog", "bird") | {"cl-metadata": {"is_labeled": True}}
    assert lines[2]["cl-metadata"] == {"is_labeled": False}
    found = labels.update(arn, [image_level("b", "cat")])
    assert found["DatasetStats"]["TotalLabels"] == 1, "a label goes with its last use"


def test_what_was_listed_may_be_sent_back(labels: LabelStage) -> None:
    lines = [boxes("a", "cat", rectangles=[(630, 10, 50, 50)]), image_level("b", "cat"), image_level("c", "cat")]
    arn = labels.dataset(lines)
    listed = labels.entries(arn)
    assert "cl-errors" in json.dumps(listed)
    listed[0]["bb"]["annotations"][0]["left"] = 10
    found = labels.update(arn, listed)
    assert (found["Status"], found["DatasetStats"]["ErrorEntries"]) == ("UPDATE_COMPLETE", 0)
    assert "cl-errors" not in json.dumps(labels.entries(arn))


def test_an_empty_dataset_is_filled_by_an_update(labels: LabelStage) -> None:
    arn = labels.create(labels.project())
    found = labels.update(arn, [image_level("a", "cat")])
    assert (found["Status"], found["DatasetStats"]["TotalEntries"]) == ("UPDATE_COMPLETE", 1)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([image_level("new", "cat"), image_level("x", "cat", bucket="elsewhere")], BUCKETS),
        ([image_level("new", "cat"), "{", "]"], "The manifest file has too many terminal errors."),
        ([image_level(f"n{n}", f"label {n}") for n in range(250)], "The manifest file has too many labels."),
    ],
    ids=["two buckets", "bad lines", "251 labels in all"],
)
def test_a_failed_update_changes_nothing(labels: LabelStage, steady: str, lines: list[Any], message: str) -> None:
    stats, before = labels.describe(steady)["DatasetStats"], labels.entries(steady)
    found = labels.update(steady, lines)
    assert (found["Status"], found["StatusMessage"]) == ("UPDATE_FAILED", message)
    assert (found["StatusMessageCode"], found["DatasetStats"]) == ("CLIENT_ERROR", stats)
    assert labels.entries(steady) == before


def test_after_a_failed_update_comes_another(labels: LabelStage) -> None:
    arn = labels.create(labels.project())
    assert labels.update(arn, ["hello"])["Status"] == "UPDATE_FAILED"
    assert labels.update(arn, [image_level("c", "cat")])["Status"] == "UPDATE_COMPLETE"
    assert len(labels.entries(arn)) == 1


def test_while_it_is_updated(labels: LabelStage) -> None:
    arn = labels.dataset([image_level("a", "cat")])
    changes = {"GroundTruth": manifest(image_level(f"i{number}", "cat") for number in range(4000))}
    labels.client.update_dataset_entries(DatasetArn=arn, Changes=changes)
    answers = [
        refused(labels.client.update_dataset_entries, DatasetArn=arn, Changes=changes),
        refused(labels.client.list_dataset_entries, DatasetArn=arn),
        refused(labels.client.list_dataset_labels, DatasetArn=arn),
        refused(labels.client.delete_dataset, DatasetArn=arn),
    ]
    assert labels.describe(arn)["Status"] == "UPDATE_IN_PROGRESS"
    assert {code(one) for one in answers} == {("ResourceInUseException", 400)}
    assert labels.settled(arn)["DatasetStats"]["TotalEntries"] == 4001


@pytest.mark.parametrize("size", [0, 5 * 1024**2 + 1], ids=["nothing", "too much"])
def test_blobs_that_the_model_does_not_know(labels: LabelStage, size: int) -> None:
    arn = labels.create(labels.project())
    changes = {"GroundTruth": b" " * size}
    found = refused(labels.unchecked.update_dataset_entries, DatasetArn=arn, Changes=changes)
    assert code(found) == ("ValidationException", 400)
    assert labels.describe(arn)["Status"] == "CREATE_COMPLETE"


def test_filters(labels: LabelStage, mixed: str) -> None:
    counted = {
        str(filters): len(labels.names(mixed, **filters))
        for filters in (
            {},
            {"ContainsLabels": ["dog"]},
            {"ContainsLabels": ["dog", "bird", "cow"]},
            {"ContainsLabels": ["cow"]},
            {"Labeled": True},
            {"Labeled": False},
            {"HasErrors": True},
            {"HasErrors": False},
            {"SourceRefContains": "images/b/"},
            {"SourceRefContains": "images/B/", "Labeled": False},
            {"SourceRefContains": "%"},
            {"ContainsLabels": ["cat"], "HasErrors": True, "SourceRefContains": "c/1"},
        )
    }
    assert [*counted.values()] == [250, 97, 97, 0, 235, 15, 5, 250, 30, 15, 0, 1], counted


def test_entries_by_pages(labels: LabelStage, mixed: str) -> None:
    pages = [*labels.client.get_paginator("list_dataset_entries").paginate(DatasetArn=mixed)]
    assert [len(page["DatasetEntries"]) for page in pages] == [100, 100, 50]
    assert ["NextToken" in page for page in pages] == [True, True, False]
    names = [json.loads(line)["source-ref"] for page in pages for line in page["DatasetEntries"]]
    assert names[:2] + names[-1:] == [f"s3://images/{name}.jpg" for name in ("a/0", "a/1", "c/4")]
    assert len(set(names)) == 250
    exact = labels.client.list_dataset_entries(DatasetArn=mixed, SourceRefContains="/c/", MaxResults=5, NextToken="")
    assert len(exact["DatasetEntries"]) == 5
    assert "NextToken" not in exact


def test_tokens_of_other_lists(labels: LabelStage, mixed: str) -> None:
    listed, names = labels.client.list_dataset_entries, labels.client.list_dataset_labels
    token = listed(DatasetArn=mixed, MaxResults=7)["NextToken"]
    other = labels.create(labels.project())
    for found in (
        refused(listed, DatasetArn=mixed, NextToken=token, Labeled=True),
        refused(listed, DatasetArn=mixed, NextToken=token, ContainsLabels=["cat"]),
        refused(listed, DatasetArn=mixed, NextToken=token, HasErrors=True),
        refused(listed, DatasetArn=other, NextToken=token),
        refused(listed, DatasetArn=mixed, NextToken="A" + token),
        refused(names, DatasetArn=mixed, NextToken=token),
    ):
        assert code(found) == ("InvalidPaginationTokenException", 400)
    assert listed(DatasetArn=mixed, MaxResults=100, NextToken=token, HasErrors=False)["DatasetEntries"]


def test_labels_by_pages(labels: LabelStage, mixed: str) -> None:
    pages = [
        page["DatasetLabelDescriptions"]
        for page in labels.client.get_paginator("list_dataset_labels").paginate(
            DatasetArn=mixed, PaginationConfig={"PageSize": 2}
        )
    ]
    assert pages == [
        [
            {"LabelName": "bird", "LabelStats": {"EntryCount": 30, "BoundingBoxCount": 30}},
            {"LabelName": "cat", "LabelStats": {"EntryCount": 205, "BoundingBoxCount": 5}},
        ],
        [{"LabelName": "dog", "LabelStats": {"EntryCount": 97, "BoundingBoxCount": 30}}],
    ]


@pytest.mark.parametrize(
    "given",
    [{"MaxResults": 0}, {"MaxResults": 101}, {"ContainsLabels": []}, {"SourceRefContains": " "}],
    ids=str,
)
def test_constraints_of_the_model(labels: LabelStage, mixed: str, given: dict[str, Any]) -> None:
    found = refused(labels.unchecked.list_dataset_entries, DatasetArn=mixed, **given)
    assert code(found) == ("ValidationException", 400)


def _pair(labels: LabelStage, lines: list[Any]) -> tuple[str, str]:
    project = labels.project()
    return labels.dataset(lines, project), labels.create(project, kind="TEST")


def _distribute(labels: LabelStage, *arns: str) -> None:
    labels.client.distribute_dataset_entries(Datasets=[{"Arn": arn} for arn in arns])


def test_a_fifth_of_every_label_moves(labels: LabelStage) -> None:
    lines = [image_level(f"i{number}", "cat" if number < 50 else "dog") for number in range(70)]
    train, test = _pair(labels, lines)
    _distribute(labels, test, train)
    for arn in (train, test):
        found = labels.describe(arn)
        assert (found["Status"], found["StatusMessageCode"]) == ("UPDATE_COMPLETE", "SUCCESS"), "before the call ends"
    left, moved = labels.entries(train), labels.entries(test)
    assert (len(left), len(moved)) == (56, 14)
    key = "source-ref"
    assert sorted([*left, *moved], key=lambda line: line[key]) == sorted(
        (line | {"cl-metadata": {"is_labeled": True}} for line in lines), key=lambda line: line[key]
    )
    assert Counter(line["set_0-metadata"]["class-name"] for line in moved) == {"cat": 10, "dog": 4}
    described = labels.client.list_dataset_labels(DatasetArn=test)["DatasetLabelDescriptions"]
    assert [one["LabelStats"]["EntryCount"] for one in described] == [10, 4]
    assert labels.update(test, [image_level("x", "cat", bucket="elsewhere")])["StatusMessage"] == BUCKETS


def test_a_large_dataset_is_distributed_in_a_job(labels: LabelStage) -> None:
    train, test = _pair(labels, [image_level(f"i{number}", f"label {number % 7}") for number in range(6000)])
    _distribute(labels, train, test)
    busy = refused(labels.client.distribute_dataset_entries, Datasets=[{"Arn": train}, {"Arn": test}])
    assert code(busy) == ("ResourceNotReadyException", 400)
    assert code(refused(labels.client.delete_dataset, DatasetArn=test)) == ("ResourceInUseException", 400)
    for arn, expected in ((train, 4800), (test, 1200)):
        found = labels.settled(arn)
        assert (found["Status"], found["DatasetStats"]["TotalEntries"]) == ("UPDATE_COMPLETE", expected)


def test_too_few_images_to_distribute(labels: LabelStage) -> None:
    train, test = _pair(labels, [image_level(name, name) for name in "abc"])
    _distribute(labels, train, test)
    for arn in (train, test):
        found = labels.describe(arn)
        assert (found["Status"], found["StatusMessage"]) == ("UPDATE_FAILED", TOO_FEW)
        assert found["StatusMessageCode"] == "CLIENT_ERROR"
    assert (len(labels.entries(train)), labels.entries(test)) == (3, [])


def test_pairs_that_cannot_be_distributed(labels: LabelStage) -> None:
    train, test = _pair(labels, [image_level(name, "cat") for name in "ab"])
    other_train, other_test = _pair(labels, [image_level("c", "dog")])
    empty = labels.create(labels.project())
    failed = labels.create(labels.project(), labels.upload(["nothing"]))
    labels.settled(failed)
    absent = f"{test.rpartition('/')[0]}/1"
    empty_test = labels.create(_project_of(labels, empty), kind="TEST")
    failed_test = labels.create(_project_of(labels, failed), kind="TEST")
    labels.update(other_test, [image_level("d", "dog")])
    for arns, expected in (
        ((train, train), "InvalidParameterException"),
        ((train, other_train), "InvalidParameterException"),
        ((train, other_test), "InvalidParameterException"),
        ((other_train, other_test), "InvalidParameterException"),
        ((empty, empty_test), "InvalidParameterException"),
        ((failed, failed_test), "ResourceNotReadyException"),
        ((train, absent), "ResourceNotFoundException"),
        ((train, test.replace(ACCOUNT, "1" * 12)), "ResourceNotFoundException"),
    ):
        found = refused(labels.client.distribute_dataset_entries, Datasets=[{"Arn": arn} for arn in arns])
        assert code(found) == (expected, 400), arns
    alone = refused(labels.unchecked.distribute_dataset_entries, Datasets=[{"Arn": train}])
    assert code(alone) == ("ValidationException", 400)


def _project_of(labels: LabelStage, dataset: str) -> str:
    name = dataset.split("/")[1]
    (found,) = labels.client.describe_projects(ProjectNames=[name])["ProjectDescriptions"]
    return str(found["ProjectArn"])
