from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from lookout_world import BUCKET, START, World

from relook.core.datasets import DatasetLimits
from relook.core.states import DatasetStatus
from relook.jobs.api import JobFailed
from relook.store import lookoutvision_datasets as rows
from relook.store import lookoutvision_entries as entry_rows


def create(world: World, lines: list[str], kind: str = "train", **members: Any) -> dict[str, Any]:
    source = world.source(lines)
    answer = world.call("CreateDataset", ProjectName="p", DatasetType=kind, DatasetSource=source, **members)
    return dict(answer["DatasetMetadata"])


def entries(world: World, **filters: Any) -> list[str]:
    return list(world.call("ListDatasetEntries", ProjectName="p", DatasetType="train", **filters)["DatasetEntries"])


def update(world: World, *lines: str, **members: Any) -> dict[str, Any]:
    changes = "\n".join(lines).encode()
    return world.call("UpdateDatasetEntries", ProjectName="p", DatasetType="train", Changes=changes, **members)


def test_a_dataset_without_source_is_complete_at_once(world: World) -> None:
    world.project()
    made = world.call("CreateDataset", ProjectName="p", DatasetType="train")
    assert made["DatasetMetadata"] == {
        "DatasetType": "train",
        "CreationTimestamp": START / 1000,
        "Status": "CREATE_COMPLETE",
        "StatusMessage": "The dataset was created successfully.",
    }
    assert world.describe_dataset()["ImageStats"] == {"Total": 0, "Labeled": 0, "Normal": 0, "Anomaly": 0}
    assert entries(world) == []


def test_a_dataset_with_a_source_is_made_by_a_job(world: World) -> None:
    world.project()
    lines = [*world.lines(34, 10), world.line("x.jpg", None), world.line("y.jpg", "dented")]
    made = create(world, lines)
    assert (made["Status"], made["StatusMessage"]) == ("CREATE_IN_PROGRESS", "The dataset is creating.")
    assert world.woken == 1
    assert entries(world) == []
    world.now += 5000
    world.run_jobs()
    described = world.describe_dataset()
    assert described == {
        "ProjectName": "p",
        "DatasetType": "train",
        "CreationTimestamp": START / 1000,
        "LastUpdatedTimestamp": START / 1000 + 5,
        "Status": "CREATE_COMPLETE",
        "StatusMessage": "The dataset was created successfully.",
        "ImageStats": {"Total": 46, "Labeled": 44, "Normal": 34, "Anomaly": 10},
    }
    assert entries(world) == lines
    listed = world.call("DescribeProject", ProjectName="p")["ProjectDescription"]["Datasets"]
    assert [(one["DatasetType"], one["Status"]) for one in listed] == [("train", "CREATE_COMPLETE")]


def test_a_second_dataset_of_a_type_is_a_conflict(world: World) -> None:
    world.project()
    world.call("CreateDataset", ProjectName="p", DatasetType="train")
    error = world.refused("CreateDataset", ProjectName="p", DatasetType="train")
    assert (error.code, error.members) == ("ConflictException", {"ResourceId": "p/train", "ResourceType": "DATASET"})
    assert world.call("CreateDataset", ProjectName="p", DatasetType="test")["DatasetMetadata"]["DatasetType"] == "test"


def test_datasets_of_a_project_are_listed_train_first(world: World) -> None:
    world.project()
    for kind in ("test", "train"):
        world.call("CreateDataset", ProjectName="p", DatasetType=kind)
    listed = world.call("DescribeProject", ProjectName="p")["ProjectDescription"]["Datasets"]
    assert [one["DatasetType"] for one in listed] == ["train", "test"]


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("DescribeDataset", {}),
        ("DeleteDataset", {}),
        ("ListDatasetEntries", {}),
        ("UpdateDatasetEntries", {"Changes": b"junk"}),
    ],
)
def test_what_is_absent_is_named(world: World, operation: str, members: dict[str, Any]) -> None:
    error = world.refused(operation, ProjectName="p", DatasetType="test", **members)
    assert (error.status, error.members["ResourceType"]) == (404, "PROJECT")
    world.project()
    error = world.refused(operation, ProjectName="p", DatasetType="test", **members)
    assert (error.status, error.members) == (404, {"ResourceId": "p/test", "ResourceType": "DATASET"})


def test_a_source_without_its_object_is_refused(world: World) -> None:
    world.project()
    error = world.refused("CreateDataset", ProjectName="p", DatasetType="train", DatasetSource={})
    assert (error.code, "S3Object" in error.message) == ("ValidationException", True)


def test_a_deleted_dataset_makes_room_at_once(world: World) -> None:
    world.project()
    world.dataset(world.lines(2, 1))
    assert world.call("DeleteDataset", ProjectName="p", DatasetType="train") == {}
    create(world, world.lines(1, 0))
    world.run_jobs()
    assert world.describe_dataset()["ImageStats"]["Total"] == 1


def test_a_busy_dataset_is_neither_deleted_nor_updated(world: World) -> None:
    world.project()
    create(world, world.lines(1, 0))
    assert world.refused("DeleteDataset", ProjectName="p", DatasetType="train").code == "ConflictException"
    error = world.refused("UpdateDatasetEntries", ProjectName="p", DatasetType="train", Changes=b"{}")
    assert (error.code, "CREATE_IN_PROGRESS" in error.message) == ("ConflictException", True)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda lines: [*lines, "{broken"], "the.manifest, line 3: is not valid JSON"),
        (lambda lines: [lines[0], "", lines[1].replace("yes", "maybe")], 'line 3: "anomaly-label-metadata" needs'),
        (lambda lines: [*lines, lines[0].replace("s3://pictures", "s3://elsewhere")], "not in the bucket pictures"),
        (lambda lines: [], "there is no image in it"),
        (lambda lines: [lines[0], lines[1].replace("anomaly-0", "absent")], "line 2: s3://pictures/absent.jpg"),
    ],
)
def test_a_bad_manifest_fails_with_line_and_rule(world: World, spoil: Any, reason: str) -> None:
    world.project()
    create(world, spoil(world.lines(1, 1)))
    world.run_jobs()
    described = world.describe_dataset()
    assert described["Status"] == "CREATE_FAILED"
    assert reason in described["StatusMessage"]
    assert described["ImageStats"]["Total"] == 0
    assert world.refused("CreateModel", ProjectName="p", OutputConfig={"S3Location": {"Bucket": BUCKET}}).status == 409
    world.call("DeleteDataset", ProjectName="p", DatasetType="train")


@pytest.mark.parametrize(("bucket", "key"), [(BUCKET, "absent"), ("no-such-bucket", "m")])
def test_an_absent_manifest_fails_with_its_name(world: World, bucket: str, key: str) -> None:
    world.project()
    source = {"GroundTruthManifest": {"S3Object": {"Bucket": bucket, "Key": key}}}
    world.call("CreateDataset", ProjectName="p", DatasetType="train", DatasetSource=source)
    world.run_jobs()
    described = world.describe_dataset()
    assert (described["Status"], bucket in described["StatusMessage"]) == ("CREATE_FAILED", True)


def test_only_the_first_few_absent_images_are_named(world: World) -> None:
    world.project()
    line = world.line("a.jpg", "normal")
    create(world, [line.replace("a.jpg", f"absent-{i}.jpg") for i in range(50)])
    world.run_jobs()
    message = world.describe_dataset()["StatusMessage"]
    assert [f"absent-{i}.jpg" in message for i in range(7)] == [True] * 5 + [False] * 2


def test_an_image_over_8_mb_is_refused(world: World) -> None:
    world.project()
    lines = world.lines(1, 0)
    world.put("normal-0.jpg", bytes(8 * 1024**2 + 1))
    create(world, lines)
    world.run_jobs()
    assert "at most 8388608 (8 MB)" in world.describe_dataset()["StatusMessage"]


def test_the_number_of_images_is_limited(tmp_path: Path) -> None:
    world = World(tmp_path, dataset_limits=DatasetLimits(train=3, test=2))
    world.project()
    create(world, world.lines(3, 0))
    create(world, world.lines(3, 0), "test")
    world.run_jobs()
    assert world.describe_dataset("train")["Status"] == "CREATE_COMPLETE"
    assert "more than 2 images" in world.describe_dataset("test")["StatusMessage"]
    update(world, world.line("more.jpg", "normal"))
    world.run_jobs()
    assert "more than 3 images" in world.describe_dataset("train")["StatusMessage"]
    update(world, world.line("normal-1.jpg", "anomaly"))
    world.run_jobs()
    assert world.describe_dataset("train")["Status"] == "UPDATE_COMPLETE"
    world.close()


def test_an_update_replaces_by_source_ref_and_adds(world: World) -> None:
    world.project()
    lines = world.lines(2, 1)
    world.dataset(lines)
    replaced, added = world.line("normal-0.jpg", "Anomaly"), world.line("new.jpg", None)
    assert update(world, replaced, added) == {"Status": "UPDATE_IN_PROGRESS"}
    assert world.describe_dataset()["Status"] == "UPDATE_IN_PROGRESS"
    world.run_jobs()
    described = world.describe_dataset()
    assert (described["Status"], described["StatusMessage"]) == (
        "UPDATE_COMPLETE",
        "The dataset was updated successfully.",
    )
    assert described["ImageStats"] == {"Total": 4, "Labeled": 3, "Normal": 1, "Anomaly": 2}
    assert entries(world) == [replaced, *lines[1:], added]


def test_a_failed_update_is_rolled_back_whole(world: World) -> None:
    world.project()
    lines = world.lines(2, 0)
    world.dataset(lines)
    update(world, world.line("good.jpg", "normal"), "{}")
    world.run_jobs()
    described = world.describe_dataset()
    assert described["Status"] == "UPDATE_FAILED_ROLLBACK_COMPLETE"
    assert 'line 2: "source-ref" is required' in described["StatusMessage"]
    assert entries(world) == lines
    update(world, world.line("good.jpg", "normal"))
    world.run_jobs()
    assert len(entries(world)) == 3


def test_the_rollback_is_announced_and_survives_a_crash(world: World) -> None:
    world.project()
    world.dataset(world.lines(1, 0))
    update(world, "junk")
    kind, payload = world.kinds["dataset-update"], {"dataset": 1, "account": "123456789012"}
    for _ in range(2):
        with pytest.raises(JobFailed, match="line 1"):
            kind.run(object(), payload)  # type: ignore[arg-type]
        assert world.describe_dataset()["Status"] == "UPDATE_FAILED_ROLLBACK_IN_PROGRESS"
    assert world.refused("DeleteDataset", ProjectName="p", DatasetType="train").code == "ConflictException"
    world.run_jobs()
    assert world.describe_dataset()["Status"] == "UPDATE_FAILED_ROLLBACK_COMPLETE"


def test_images_of_an_update_stay_in_the_bucket(world: World) -> None:
    world.project()
    world.dataset(world.lines(1, 0))
    update(world, world.line("a.jpg", "normal").replace("s3://pictures", "s3://others"))
    world.run_jobs()
    assert "not in the bucket pictures" in world.describe_dataset()["StatusMessage"]


def test_the_first_update_of_an_empty_dataset_settles_the_bucket(world: World) -> None:
    world.project()
    world.call("CreateDataset", ProjectName="p", DatasetType="train")
    update(world, world.line("a.jpg", "normal"))
    world.run_jobs()
    with world.store.read() as connection:
        dataset = rows.get(connection, 1)
    assert dataset is not None
    assert (dataset.bucket, dataset.status) == (BUCKET, DatasetStatus.UPDATE_COMPLETE)


def test_the_last_of_repeated_source_refs_wins_at_the_first_place(world: World) -> None:
    world.project()
    first, other, last = world.line("a.jpg", "normal"), world.line("b.jpg", "normal"), world.line("a.jpg", "anomaly")
    world.dataset([first, other, last])
    assert entries(world) == [last, other]


def test_a_job_that_runs_again_changes_nothing(world: World) -> None:
    world.project()
    world.dataset(world.lines(2, 0))
    payload = {"dataset": 1, "account": "123456789012", "bucket": BUCKET, "key": "absent", "version": None}
    completion = world.kinds["dataset-create"].run(object(), payload)  # type: ignore[arg-type]
    with world.store.write() as connection:
        completion(connection)
        world.kinds["dataset-create"].fail(connection, payload, "late")
        world.kinds["dataset-update"].fail(connection, payload, "late")
        assert entry_rows.count(connection, 1) == 2
    assert world.describe_dataset()["Status"] == "CREATE_COMPLETE"


def test_filters_combine(world: World) -> None:
    world.project()
    early, late = "2020-01-01T00:00:00", "2021-01-01T00:00:00Z"
    lines = {
        "early": world.line("a/Early.jpg", "normal", **{"creation-date": early}),
        "late": world.line("a/late.jpg", "anomaly", **{"creation-date": late}),
        "bare": world.line("b/bare.jpg", None),
    }
    world.dataset(list(lines.values()))
    cases: list[tuple[dict[str, Any], list[str]]] = [
        ({"Labeled": True}, ["early", "late"]),
        ({"Labeled": False}, ["bare"]),
        ({"AnomalyClass": "anomaly"}, ["late"]),
        ({"AnomalyClass": "normal", "SourceRefContains": "late"}, []),
        ({"SourceRefContains": "a/"}, ["early", "late"]),
        ({"SourceRefContains": "early"}, []),
        ({"SourceRefContains": "%"}, []),
        ({"BeforeCreationDate": "2020-06-01"}, ["early"]),
        ({"AfterCreationDate": "2020-06-01"}, ["late", "bare"]),
        ({"AfterCreationDate": "2020-12-01", "BeforeCreationDate": "2021-02-01"}, ["late"]),
        ({"Labeled": False, "AnomalyClass": "normal"}, []),
    ]
    for filters, expected in cases:
        members = {
            name: datetime.fromisoformat(f"{value}T00:00:00+00:00") if "Date" in name else value
            for name, value in filters.items()
        }
        assert entries(world, **members) == [lines[name] for name in expected], filters


def test_entries_are_paged_and_filters_are_bound_to_the_token(world: World) -> None:
    world.project()
    lines = world.lines(5, 0)
    world.dataset(lines)
    members: dict[str, Any] = {"ProjectName": "p", "DatasetType": "train", "MaxResults": 2}
    seen: list[str] = []
    token: dict[str, str] = {}
    for _ in range(3):
        page = world.call("ListDatasetEntries", **members, **token)
        seen += page["DatasetEntries"]
        token = {"NextToken": page["NextToken"]} if "NextToken" in page else {}
    assert (seen, token) == (lines, {})
    token = {"NextToken": world.call("ListDatasetEntries", **members)["NextToken"]}
    assert world.refused("ListDatasetEntries", **members, **token, Labeled=True).code == "ValidationException"


def test_lines_come_back_verbatim(world: World) -> None:
    world.project()
    line = world.line("ä b.jpg", "normal").replace('": ', '" :  ')
    world.dataset(["\ufeff" + line + "\r", ""])
    assert entries(world) == [line]
    assert json.loads(line)["source-ref"] == "s3://pictures/ä b.jpg"


def test_a_token_replays_an_update_and_refuses_other_changes(world: World) -> None:
    world.project()
    world.dataset(world.lines(1, 0))
    line = world.line("a.jpg", "normal")
    first = update(world, line, ClientToken="t")
    world.run_jobs()
    assert update(world, line, ClientToken="t") == first
    assert world.describe_dataset()["Status"] == "UPDATE_COMPLETE"
    error = world.refused("UpdateDatasetEntries", ProjectName="p", DatasetType="train", Changes=b"{ }", ClientToken="t")
    assert (error.code, "ClientToken t" in error.message) == ("ValidationException", True)


def test_a_token_of_create_dataset_with_other_parameters_is_a_conflict(world: World) -> None:
    world.project()
    first = create(world, world.lines(1, 0), ClientToken="t")
    world.run_jobs()
    assert create(world, world.lines(1, 0), ClientToken="t") == first
    error = world.refused("CreateDataset", ProjectName="p", DatasetType="train", ClientToken="t")
    assert (error.code, "ClientToken" in error.message) == ("ConflictException", True)
