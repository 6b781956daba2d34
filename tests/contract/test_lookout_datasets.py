"""CreateDataset, DescribeDataset, DeleteDataset, ListDatasetEntries, UpdateDatasetEntries by boto3."""

from __future__ import annotations

import json
from typing import Any

import pytest
from lookout_pictures import Picture, pictures
from lookout_stage import BUCKET, Stage, outcome, pages, refused

CREATED = "The dataset was created successfully."


def changes(lines: list[str]) -> bytes:
    return "\n".join(lines).encode()


def listed(stage: Stage, project: str, **filters: Any) -> list[str]:
    """Keys of the images that are listed."""
    found = pages(stage.vision, "list_dataset_entries", "DatasetEntries", 100, **_train(project), **filters)
    return [json.loads(line)["source-ref"].removeprefix(f"s3://{BUCKET}/") for page in found for line in page]


def _train(project: str) -> dict[str, str]:
    return {"ProjectName": project, "DatasetType": "train"}


def update(stage: Stage, project: str, lines: list[str], **more: Any) -> dict[str, Any]:
    """Update the train dataset; its description once it is at rest."""
    answer = stage.vision.update_dataset_entries(**_train(project), Changes=changes(lines), **more)
    assert (answer["Status"], answer["ResponseMetadata"]["HTTPStatusCode"]) == ("UPDATE_IN_PROGRESS", 202)
    return stage.settled_dataset(project)


@pytest.fixture(scope="module")
def filled(stage: Stage) -> str:
    """Six images: two normal, two anomalous, two unlabelled; dates and keys that differ."""
    good, bad = pictures(4, 2)[:4], pictures(4, 2)[4:]
    date = "creation-date"
    bare = json.dumps({"source-ref": f"s3://{BUCKET}/{good[2].key}"})
    stage.project("filled")
    stage.dataset(
        "filled",
        [
            good[0].line(BUCKET, **{date: "2021-01-01T00:00:00.000"}),
            bad[0].line(BUCKET, **{date: "2022-06-01T00:00:00Z"}),
            bare,
            good[1].line(BUCKET, **{date: "2023-01-01T00:00:00"}),
            good[3].line(BUCKET, **{"class-name": "?"}),
            bad[1].line(BUCKET, masked=True, **{date: "Mon Aug 22 2022 13:52:52 GMT-0700 (Pacific Daylight Time)"}),
        ],
    )
    return "filled"


ALL = ["normal/000.png", "anomaly/500.png", "normal/002.png", "normal/001.png", "normal/003.png", "anomaly/501.png"]


def test_an_empty_dataset_is_complete_at_once(stage: Stage) -> None:
    stage.project("empty")
    answer = stage.vision.create_dataset(**_train("empty"))
    made = answer["DatasetMetadata"]
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert {key: made[key] for key in made if key != "CreationTimestamp"} == {
        "DatasetType": "train",
        "Status": "CREATE_COMPLETE",
        "StatusMessage": CREATED,
    }
    described = stage.describe_dataset("empty")
    assert described["ImageStats"] == {"Total": 0, "Labeled": 0, "Normal": 0, "Anomaly": 0}
    assert stage.vision.list_dataset_entries(**_train("empty"))["DatasetEntries"] == []


def test_a_dataset_by_manifest(stage: Stage, filled: str) -> None:
    described = stage.describe_dataset(filled)
    assert set(described) == {
        "ProjectName",
        "DatasetType",
        "CreationTimestamp",
        "LastUpdatedTimestamp",
        "Status",
        "StatusMessage",
        "ImageStats",
    }
    assert (described["Status"], described["StatusMessage"]) == ("CREATE_COMPLETE", CREATED)
    assert described["ImageStats"] == {"Total": 6, "Labeled": 4, "Normal": 2, "Anomaly": 2}
    assert described["LastUpdatedTimestamp"] >= described["CreationTimestamp"]
    [mentioned] = stage.vision.describe_project(ProjectName=filled)["ProjectDescription"]["Datasets"]
    assert mentioned == {key: described[key] for key in mentioned}
    assert set(mentioned) == {"DatasetType", "CreationTimestamp", "Status", "StatusMessage"}


def test_a_version_of_the_manifest(stage: Stage) -> None:
    stage.s3.create_bucket(Bucket="versioned-manifests")
    stage.s3.put_bucket_versioning(Bucket="versioned-manifests", VersioningConfiguration={"Status": "Enabled"})
    name = {"Bucket": "versioned-manifests", "Key": "manifest"}
    old = stage.s3.put_object(**name, Body=pictures(1, 0)[0].line(BUCKET).encode())["VersionId"]
    stage.s3.put_object(**name, Body=b"no manifest")
    stage.project("versioned")
    source = {"GroundTruthManifest": {"S3Object": name | {"VersionId": old}}}
    stage.vision.create_dataset(**_train("versioned"), DatasetSource=source)
    assert stage.settled_dataset("versioned")["ImageStats"]["Total"] == 1


BAD_MANIFESTS = {
    "bad-json": ([pictures(1, 0)[0].line(BUCKET), "nonsense"], "line 2: is not valid JSON"),
    "bad-line": (['{"image": "s3://inspection/normal/000.png"}'], 'line 1: "source-ref" is required'),
    "bad-bucket": ([pictures(1, 0)[0].line(BUCKET), pictures(2, 0)[1].line("elsewhere")], "line 2: the image"),
    "bad-image": ([Picture(77, False).line(BUCKET)], "line 1: "),
    "bad-empty": ([], "there is no image in it"),
    "bad-absent": (None, "The manifest cannot be read: "),
}


@pytest.fixture(scope="module")
def failing(stage: Stage) -> None:
    """Begin with all the bad manifests, so that they are read beside each other."""
    for name, (lines, _) in BAD_MANIFESTS.items():
        stage.project(name)
        none = {"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Key": "manifests/none"}}}
        source = none if lines is None else stage.manifest(f"manifests/{name}", lines)
        stage.vision.create_dataset(**_train(name), DatasetSource=source)


@pytest.mark.parametrize("name", BAD_MANIFESTS)
def test_a_bad_manifest_fails_the_dataset_with_the_line_and_the_rule(stage: Stage, failing: None, name: str) -> None:
    described = stage.settled_dataset(name)
    assert described["Status"] == "CREATE_FAILED"
    assert described["StatusMessage"].startswith("The dataset could not be created. ")
    assert BAD_MANIFESTS[name][1] in described["StatusMessage"]
    assert described["ImageStats"]["Total"] == 0
    code, status, message = outcome(stage.vision.update_dataset_entries, **_train(name), Changes=b"{}")
    assert (code, status) == ("ConflictException", 409)
    assert "is CREATE_FAILED" in message
    assert outcome(stage.create_model, project=name)[0] == "ConflictException"
    stage.vision.delete_dataset(**_train(name))


def test_a_source_without_a_manifest_is_refused(stage: Stage) -> None:
    stage.project("half-source")
    for source in ({}, {"GroundTruthManifest": {}}):
        code, status, message = outcome(stage.vision.create_dataset, **_train("half-source"), DatasetSource=source)
        assert (code, status) == ("ValidationException", 400)
        assert "GroundTruthManifest.S3Object" in message
    assert outcome(stage.vision.describe_dataset, **_train("half-source"))[0] == "ResourceNotFoundException"


def test_a_second_dataset_of_the_type_is_a_conflict(stage: Stage) -> None:
    stage.project("second")
    stage.vision.create_dataset(**_train("second"))
    found = refused(stage.vision.create_dataset, **_train("second"))
    assert (found["Error"]["Code"], found["ResponseMetadata"]["HTTPStatusCode"]) == ("ConflictException", 409)
    assert (found["ResourceId"], found["ResourceType"]) == ("second/train", "DATASET")
    stage.vision.create_dataset(ProjectName="second", DatasetType="test")
    kinds = stage.vision.describe_project(ProjectName="second")["ProjectDescription"]["Datasets"]
    assert sorted(one["DatasetType"] for one in kinds) == ["test", "train"]


@pytest.mark.parametrize("call", ["describe_dataset", "delete_dataset", "list_dataset_entries"])
def test_an_absent_dataset_is_not_found(stage: Stage, filled: str, call: str) -> None:
    found = refused(getattr(stage.vision, call), ProjectName=filled, DatasetType="test")
    assert (found["Error"]["Code"], found["ResponseMetadata"]["HTTPStatusCode"]) == ("ResourceNotFoundException", 404)
    assert (found["ResourceId"], found["ResourceType"]) == (f"{filled}/test", "DATASET")


def test_a_deleted_dataset_can_be_made_again_at_once(stage: Stage) -> None:
    stage.project("replaced")
    source = stage.manifest("manifests/replaced", [pictures(1, 0)[0].line(BUCKET)])
    stage.vision.create_dataset(**_train("replaced"))
    answer = stage.vision.delete_dataset(**_train("replaced"))
    assert set(answer) == {"ResponseMetadata"}
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    made = stage.vision.create_dataset(**_train("replaced"), DatasetSource=source)["DatasetMetadata"]
    assert (made["Status"], made["StatusMessage"]) == ("CREATE_IN_PROGRESS", "The dataset is creating.")
    assert stage.settled_dataset("replaced")["ImageStats"]["Total"] == 1


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, ALL),
        ({"Labeled": True}, [ALL[0], ALL[1], ALL[3], ALL[5]]),
        ({"Labeled": False}, [ALL[2], ALL[4]]),
        ({"AnomalyClass": "normal"}, [ALL[0], ALL[3]]),
        ({"AnomalyClass": "anomaly"}, [ALL[1], ALL[5]]),
        ({"SourceRefContains": "normal/00"}, [ALL[0], ALL[2], ALL[3], ALL[4]]),
        ({"SourceRefContains": "NORMAL"}, []),
        ({"SourceRefContains": "%"}, []),
        ({"BeforeCreationDate": "2022-06-02T00:00:00Z", "Labeled": True}, [ALL[0], ALL[1]]),
        ({"AfterCreationDate": "2022-06-02T00:00:00Z", "Labeled": True}, [ALL[3], ALL[5]]),
        (
            {"AfterCreationDate": "2022-06-01T00:00:00Z", "BeforeCreationDate": "2022-12-31T00:00:00Z"},
            [ALL[5]],
        ),
        ({"AnomalyClass": "normal", "SourceRefContains": "001"}, [ALL[3]]),
        ({"AnomalyClass": "normal", "Labeled": False}, []),
    ],
)
def test_filters_combine_with_and(stage: Stage, filled: str, filters: dict[str, Any], expected: list[str]) -> None:
    assert listed(stage, filled, **filters) == expected


def test_entries_come_back_as_they_were_sent_page_by_page(stage: Stage, filled: str) -> None:
    sent = stage.s3.get_object(Bucket=BUCKET, Key="manifests/filled-train")["Body"].read().decode().splitlines()
    found = pages(stage.vision, "list_dataset_entries", "DatasetEntries", 4, **_train(filled))
    assert found == [sent[:4], sent[4:]]
    first = stage.vision.list_dataset_entries(**_train(filled), MaxResults=1, Labeled=False)
    again = stage.vision.list_dataset_entries(**_train(filled), NextToken=first["NextToken"], Labeled=False)
    assert (again["DatasetEntries"], again.get("NextToken")) == ([sent[4]], None)
    code, _, message = outcome(
        stage.vision.list_dataset_entries, **_train(filled), NextToken=first["NextToken"], Labeled=True
    )
    assert (code, "with the same filters" in message) == ("ValidationException", True)


@pytest.fixture(scope="module")
def updated(stage: Stage) -> str:
    one, _, three = pictures(2, 1)
    stage.project("updated")
    stage.dataset("updated", [one.line(BUCKET), three.line(BUCKET, masked=True)])
    return "updated"


def test_an_update_replaces_and_adds_whole_lines(stage: Stage, updated: str) -> None:
    _, two, three = pictures(2, 1)
    before = stage.describe_dataset(updated)
    bare = three.line(BUCKET, **{"class-name": "Anomaly"}).replace("anomaly-label", "auto-label")
    after = update(stage, updated, [bare, two.line(BUCKET)])
    assert (after["Status"], after["StatusMessage"]) == ("UPDATE_COMPLETE", "The dataset was updated successfully.")
    assert after["ImageStats"]["Total"] == before["ImageStats"]["Total"] + 1
    assert after["CreationTimestamp"] == before["CreationTimestamp"]
    assert after["LastUpdatedTimestamp"] > before["LastUpdatedTimestamp"]
    [line] = stage.vision.list_dataset_entries(**_train(updated), AnomalyClass="anomaly")["DatasetEntries"]
    assert line == bare


@pytest.mark.parametrize(
    ("second", "words"),
    [
        ('{"source-ref": 1}', 'line 2: "source-ref" is required'),
        (pictures(2, 0)[1].line("elsewhere"), "line 2: the image s3://elsewhere/normal/001.png is not in the bucket"),
        (Picture(78, False).line(BUCKET), "line 2: "),
    ],
)
def test_a_failed_update_is_rolled_back_whole(stage: Stage, updated: str, second: str, words: str) -> None:
    lines, stats = listed(stage, updated), stage.describe_dataset(updated)["ImageStats"]
    after = update(stage, updated, [Picture(0, False).line(BUCKET, **{"class-name": "anomaly"}), second])
    assert after["Status"] == "UPDATE_FAILED_ROLLBACK_COMPLETE"
    assert words in after["StatusMessage"]
    assert "as it was before" in after["StatusMessage"]
    assert (listed(stage, updated), after["ImageStats"]) == (lines, stats)


def test_after_a_rollback_the_dataset_can_be_updated(stage: Stage, updated: str) -> None:
    assert update(stage, updated, ["nonsense"])["Status"] == "UPDATE_FAILED_ROLLBACK_COMPLETE"
    assert update(stage, updated, [Picture(0, False).line(BUCKET)])["Status"] == "UPDATE_COMPLETE"


def test_an_update_in_progress_is_a_conflict_to_others(stage: Stage) -> None:
    stage.project("busy")
    stage.vision.create_dataset(**_train("busy"))
    many = [picture.line(BUCKET) for picture in pictures(20, 20)]
    stage.vision.update_dataset_entries(**_train("busy"), Changes=changes(many))
    answers = [
        outcome(stage.vision.update_dataset_entries, **_train("busy"), Changes=changes(many)),
        outcome(stage.vision.delete_dataset, **_train("busy")),
        outcome(stage.create_model, project="busy"),
    ]
    assert [(code, status) for code, status, _ in answers] == [("ConflictException", 409)] * 3
    assert all("is UPDATE_IN_PROGRESS" in message for _, _, message in answers)
    assert stage.settled_dataset("busy")["ImageStats"]["Total"] == 40


def test_tokens_of_datasets(stage: Stage) -> None:
    stage.project("tokens")
    made = stage.vision.create_dataset(**_train("tokens"), ClientToken="a")["DatasetMetadata"]
    assert stage.vision.create_dataset(**_train("tokens"), ClientToken="a")["DatasetMetadata"] == made
    source = stage.manifest("manifests/tokens", [pictures(1, 0)[0].line(BUCKET)])
    code, _, message = outcome(stage.vision.create_dataset, **_train("tokens"), ClientToken="a", DatasetSource=source)
    assert (code, "use a new token" in message) == ("ConflictException", True)
    line = [pictures(1, 0)[0].line(BUCKET)]
    assert update(stage, "tokens", line, ClientToken="b")["ImageStats"]["Total"] == 1
    done = stage.describe_dataset("tokens")["LastUpdatedTimestamp"]
    assert update(stage, "tokens", line, ClientToken="b")["LastUpdatedTimestamp"] == done
    other = changes([pictures(2, 0)[1].line(BUCKET)])
    code, _, message = outcome(stage.vision.update_dataset_entries, **_train("tokens"), ClientToken="b", Changes=other)
    assert (code, "use a new token" in message) == ("ValidationException", True)
    for _ in range(2):
        stage.vision.delete_dataset(**_train("tokens"), ClientToken="c")
