"""The jobs of datasets when they are ended midway, run again, or find the world changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from version_world import ACCOUNT, BUCKET, OTHER_ACCOUNT, REGION, World

from custom_labels_lines import boxes, image_level
from job_runs import Context
from relook.blobs.errors import NoRoom
from relook.jobs import queue
from relook.jobs.api import JobFailed, JobKind
from relook.jobs.child import CANCELLED_REASON
from relook.services.rekognition import Limits
from relook.services.rekognition.dataset_steps import SOURCE_CHANGED, SOURCE_GONE
from relook.store.tables.rekognition import changes, datasets, entries, labels

LINES = [image_level(f"image-{number}", "cat", "dog") for number in range(1200)]


class Killed(BaseException):
    """The process of a job is gone."""


class Dying(Context):
    """Dies at a report of progress, the first one if not told otherwise."""

    def __init__(self, job_id: str, after: int = 0) -> None:
        super().__init__(job_id)
        self._after = after

    def progress(self, stage: str, done: int, total: int) -> None:
        super().progress(stage, done, total)
        if len(self.stages) > self._after:
            raise Killed


class Meddling(Context):
    """Does something at its first report of progress."""

    def __init__(self, job_id: str, meddle: Callable[[], None]) -> None:
        super().__init__(job_id)
        self._meddle = meddle

    def progress(self, stage: str, done: int, total: int) -> None:
        if not self.stages:
            self._meddle()
        super().progress(stage, done, total)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, limits=Limits(images=2000))
    yield made
    made.close()


def _start(world: World, source: dict[str, Any] | None = None, kind: str = "TRAIN") -> str:
    """A dataset whose job is queued, in a project of its own."""
    project = world.project(f"p-{world.now}")
    world.now += 1
    given = {"DatasetSource": world.manifest(LINES) if source is None else source}
    return str(world.call("CreateDataset", ProjectArn=project, DatasetType=kind, **given)["DatasetArn"])


def _claimed(world: World) -> tuple[queue.Job, JobKind]:
    job = world.jobs.claim()
    assert job is not None
    return job, world.kinds[job.kind]


def _rows(world: World) -> list[int]:
    with world.store.read() as connection:
        return [len(connection.execute(table.select()).all()) for table in (datasets, entries, labels, changes)]


def test_a_job_that_died_midway_starts_over(world: World) -> None:
    arn = _start(world)
    job, kind = _claimed(world)
    with pytest.raises(Killed):
        kind.run(Dying(job.id), job.payload)
    assert _rows(world)[1] > 0
    found = world.describe_dataset(arn)
    assert (found["Status"], found["DatasetStats"]["TotalEntries"]) == ("CREATE_IN_PROGRESS", 0)
    world.jobs.run(job)
    found = world.describe_dataset(arn)
    assert (found["Status"], found["DatasetStats"]["TotalEntries"]) == ("CREATE_COMPLETE", 1200)
    assert _rows(world) == [1, 1200, 2400, 0]


def test_a_completion_that_was_not_written_is_made_again(world: World) -> None:
    arn = _start(world)
    job, kind = _claimed(world)
    kind.run(Context(job.id), job.payload)
    world.jobs.run(job)
    assert world.describe_dataset(arn)["DatasetStats"]["TotalEntries"] == 1200
    with world.store.write() as connection:
        kind.run(Context(job.id), job.payload)(connection)
    assert world.describe_dataset(arn)["DatasetStats"]["TotalEntries"] == 1200


def test_a_job_that_was_given_up_leaves_nothing(world: World) -> None:
    arn = _start(world)
    job, kind = _claimed(world)
    with pytest.raises(Killed):
        kind.run(Dying(job.id), job.payload)
    with world.store.write() as connection:
        kind.fail(connection, job.payload, "its process died")
        queue.fail(connection, job.claim, "its process died", world.now)
    found = world.describe_dataset(arn)
    assert (found["Status"], found["StatusMessage"]) == ("CREATE_FAILED", "its process died")
    assert found["StatusMessageCode"] == "SERVICE_ERROR"
    world.run_jobs()
    assert _rows(world) == [1, 0, 0, 0]
    with world.store.write() as connection:
        kind.run(Context(job.id), job.payload)(connection)
    assert _rows(world) == [1, 0, 0, 0], "one that lives on writes nothing"


def test_a_late_refusal_takes_back_what_was_written(world: World) -> None:
    lines = [*LINES, image_level("x", "cat", bucket="elsewhere")]
    arn = _start(world, world.manifest(lines))
    world.run_jobs()
    found = world.describe_dataset(arn)
    assert found["StatusMessage"] == "The manifest file contains images from multiple S3 buckets."
    assert _rows(world) == [1, 0, 0, 0]
    reading, removing = ([stage for stage, _, _ in one.stages] for one in world.jobs.contexts)
    assert reading == ["reading the manifest"] * 2
    assert set(removing) == {"removing entries"}


def test_a_manifest_that_went_before_it_was_read(world: World) -> None:
    arn = _start(world)
    world.delete("the.manifest")
    world.run_jobs()
    found = world.describe_dataset(arn)
    assert (found["Status"], found["StatusMessageCode"]) == ("CREATE_FAILED", "CLIENT_ERROR")
    assert found["StatusMessage"] == "The manifest file extension or contents are invalid."
    assert "the.manifest" in world.jobs.contexts[0].lines[0]


@pytest.mark.parametrize("taken", [False, True], ids=["gone", "another account's"])
def test_a_manifest_whose_bucket_went_before_it_was_read(world: World, taken: bool) -> None:
    arn = _start(world)
    world.delete("the.manifest")
    world.blobs.buckets.delete(ACCOUNT, BUCKET)
    if taken:
        world.blobs.buckets.create(OTHER_ACCOUNT, REGION, BUCKET)
        world.blobs.put(OTHER_ACCOUNT, BUCKET, "the.manifest", json.dumps(LINES[0]).encode(), "text/plain")
    world.run_jobs()
    found = world.describe_dataset(arn)
    assert (found["Status"], found["StatusMessageCode"]) == ("CREATE_FAILED", "CLIENT_ERROR")
    assert found["StatusMessage"] == "The S3 bucket permissions are incorrect."
    assert f"bucket {BUCKET}" in world.jobs.contexts[0].lines[0]
    assert _rows(world) == [1, 0, 0, 0]


def test_a_full_disk_does_not_fail_a_dataset(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    arn = _start(world)
    job, _ = _claimed(world)

    def full(*where: object) -> int:
        raise NoRoom

    with monkeypatch.context() as patched:
        patched.setattr(world.blobs, "size", full)
        with pytest.raises(NoRoom):
            world.jobs.run(job)
    assert world.describe_dataset(arn)["Status"] == "CREATE_IN_PROGRESS"
    world.jobs.run(job)
    assert world.describe_dataset(arn)["Status"] == "CREATE_COMPLETE"


def test_a_manifest_of_more_than_a_gigabyte(world: World) -> None:
    arn = _start(world)
    world.lengthen("the.manifest", 2**30 + 1)
    world.run_jobs()
    found = world.describe_dataset(arn)
    assert found["StatusMessage"] == "The manifest file size exceeds the maximum supported size."
    assert "1,073,741,825 bytes; at most 1,073,741,824 (1 GB)" in world.jobs.contexts[-1].lines[0]


def test_the_job_of_a_dataset_tells_which_lines_it_left_out(world: World) -> None:
    arn = _start(world, world.manifest([*LINES[:9], "{", LINES[0]]))
    world.run_jobs()
    found = world.describe_dataset(arn)
    assert (found["Status"], found["DatasetStats"]["TotalEntries"]) == ("CREATE_COMPLETE", 9)
    told = [
        "2 of the 11 lines of the manifest are invalid and left out; at most 2 (20%) may be.",
        "Line 10 of the manifest, without an image: The JSON Line has an invalid format.",
        "Line 11 of the manifest, s3://images/image-0.jpg: The source-ref is in an earlier line, which is used.",
    ]
    assert world.jobs.contexts[-1].lines == told
    arn = _start(world, world.manifest([*LINES[:9], "{", "", LINES[0]]))
    world.run_jobs()
    found = world.describe_dataset(arn)
    message = "The manifest file has too many terminal errors."
    assert (found["Status"], found["StatusMessage"]) == ("CREATE_FAILED", message)
    assert world.jobs.contexts[-1].lines[0].startswith("3 of the 12 lines of the manifest are invalid and left out")


def test_the_job_of_an_update_tells_which_lines_it_left_out(world: World) -> None:
    arn = _start(world)
    world.run_jobs()
    for changed, status in (([*LINES[:4], {}], "UPDATE_COMPLETE"), ([*LINES[:2], {}], "UPDATE_FAILED")):
        _update(world, arn, changed)
        world.run_jobs()
        assert world.describe_dataset(arn)["Status"] == status
        counted, line = world.jobs.contexts[-1].lines
        assert counted.startswith(f"1 of the {len(changed)} lines of the changes is invalid and left out; at most ")
        assert line == f"Line {len(changed)} of the changes, without an image: The source-ref key is missing."


def test_more_images_than_a_dataset_may_have(world: World) -> None:
    lines = [image_level(f"image-{number}", "cat") for number in range(2001)]
    arn = _start(world, world.manifest(lines))
    world.run_jobs()
    assert world.describe_dataset(arn)["StatusMessage"] == "The manifest file has too many rows."
    full = _start(world, world.manifest(lines[:2000]))
    world.run_jobs()
    for changed, status in ((lines[:2000], "UPDATE_COMPLETE"), (lines[1999:], "UPDATE_FAILED")):
        _update(world, full, changed)
        world.run_jobs()
        found = world.describe_dataset(full)
        assert (found["Status"], found["DatasetStats"]["TotalEntries"]) == (status, 2000)
    assert found["StatusMessage"] == "The manifest file has too many rows."
    assert world.jobs.contexts[-1].lines == ["With the changes there are 2,001 images; at most 2,000 may be."]


def _update(world: World, arn: str, lines: list[dict[str, Any]]) -> None:
    body = "\n".join(map(json.dumps, lines)).encode()
    world.call("UpdateDatasetEntries", DatasetArn=arn, Changes={"GroundTruth": body})


def test_an_update_is_written_once(world: World) -> None:
    arn = _start(world)
    world.run_jobs()
    _update(world, arn, [boxes("image-7", "bird", "bird"), image_level("new", "cat")])
    job, kind = _claimed(world)
    kind.run(Context(job.id), job.payload)
    assert world.describe_dataset(arn)["DatasetStats"]["TotalEntries"] == 1200
    world.jobs.run(job)
    assert _rows(world) == [1, 1201, 2400, 0]
    found = world.call("ListDatasetLabels", DatasetArn=arn)["DatasetLabelDescriptions"]
    assert found[0] == {"LabelName": "bird", "LabelStats": {"EntryCount": 1, "BoundingBoxCount": 1}}
    with world.store.write() as connection:
        kind.run(Context(job.id), job.payload)(connection)
    assert _rows(world) == [1, 1201, 2400, 0]


def test_an_update_that_was_given_up_changes_nothing(world: World) -> None:
    arn = _start(world)
    world.run_jobs()
    _update(world, arn, [image_level("new", "cat")])
    job, kind = _claimed(world)
    with world.store.write() as connection:
        kind.fail(connection, job.payload, CANCELLED_REASON)
    found = world.describe_dataset(arn)
    assert (found["Status"], found["StatusMessageCode"]) == ("UPDATE_FAILED", "CLIENT_ERROR")
    assert found["StatusMessage"] == "It was cancelled."
    assert _rows(world) == [1, 1200, 2400, 0]


def test_a_copy_whose_source_was_deleted(world: World) -> None:
    source = _start(world)
    world.run_jobs()
    copy = _start(world, {"DatasetArn": source}, "TEST")
    world.call("DeleteDataset", DatasetArn=source)
    world.run_jobs()
    found = world.describe_dataset(copy)
    assert (found["Status"], found["StatusMessage"]) == ("CREATE_FAILED", SOURCE_GONE)
    assert found["StatusMessageCode"] == "CLIENT_ERROR"


def test_a_copy_whose_source_is_changed_amid(world: World) -> None:
    source = _start(world)
    world.run_jobs()
    copy = _start(world, {"DatasetArn": source}, "TEST")
    job, kind = _claimed(world)
    world.now += 1
    with pytest.raises(JobFailed, match=SOURCE_CHANGED):
        kind.run(Meddling(job.id, lambda: _update(world, source, LINES[:1])), job.payload)
    world.jobs.run(job)
    world.run_jobs()
    found = world.describe_dataset(copy)
    assert (found["Status"], found["StatusMessage"]) == ("CREATE_FAILED", SOURCE_CHANGED)
    assert _rows(world)[:2] == [2, 1200]


def test_a_copy_that_died_midway_starts_over(world: World) -> None:
    source = _start(world)
    world.run_jobs()
    copy = _start(world, {"DatasetArn": source}, "TEST")
    job, kind = _claimed(world)
    with pytest.raises(Killed):
        kind.run(Dying(job.id), job.payload)
    assert _rows(world)[1] == 1700
    world.jobs.run(job)
    assert world.describe_dataset(copy)["DatasetStats"] == world.describe_dataset(source)["DatasetStats"]
    assert _rows(world) == [2, 2400, 4800, 0]


def test_a_copy_is_made_once(world: World) -> None:
    source = _start(world)
    world.run_jobs()
    copy = _start(world, {"DatasetArn": source}, "TEST")
    job, kind = _claimed(world)
    world.jobs.run(job)
    with world.store.write() as connection:
        kind.run(Context(job.id), job.payload)(connection)
    assert world.describe_dataset(copy)["DatasetStats"]["TotalEntries"] == 1200
    assert _rows(world) == [2, 2400, 4800, 0]


def test_a_purge_that_died_midway_goes_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relook.services.rekognition.datasets._REMOVED_AT_ONCE", 100)
    monkeypatch.setattr("relook.services.rekognition.dataset_steps.AT_ONCE", 500)
    arn = _start(world)
    world.run_jobs()
    world.call("DeleteDataset", DatasetArn=arn)
    assert _rows(world)[:2] == [1, 1200]
    job, kind = _claimed(world)
    with pytest.raises(Killed):
        kind.run(Dying(job.id), job.payload)
    assert _rows(world)[:2] == [1, 700]
    world.jobs.run(job)
    assert _rows(world) == [0, 0, 0, 0]


def test_a_purge_that_was_given_up_is_done_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relook.services.rekognition.datasets._REMOVED_AT_ONCE", 100)
    arn = _start(world)
    world.run_jobs()
    world.call("DeleteDataset", DatasetArn=arn)
    job, kind = _claimed(world)
    with world.store.write() as connection:
        kind.fail(connection, job.payload, "its process died")
    assert _rows(world) == [0, 0, 0, 0]


@pytest.mark.parametrize("ending", ["run twice", "died midway", "given up"])
def test_a_distribution(world: World, monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    monkeypatch.setattr("relook.services.rekognition.distribution._BEFORE_THE_ANSWER", 100)
    train = _start(world)
    world.run_jobs()
    project = world.call("DescribeProjects")["ProjectDescriptions"][0]["ProjectArn"]
    test = str(world.call("CreateDataset", ProjectArn=project, DatasetType="TEST")["DatasetArn"])
    assert world.call("DistributeDatasetEntries", Datasets=[{"Arn": train}, {"Arn": test}]) == {}
    assert world.describe_dataset(test)["Status"] == "UPDATE_IN_PROGRESS"
    job, kind = _claimed(world)
    if ending != "run twice":
        monkeypatch.setattr("relook.services.rekognition.distribution.AT_ONCE", 100)
        with pytest.raises(Killed):
            kind.run(Dying(job.id, after=1), job.payload)
        assert world.describe_dataset(test)["DatasetStats"]["TotalEntries"] == 100
    if ending == "given up":
        with world.store.write() as connection:
            kind.fail(connection, job.payload, CANCELLED_REASON)
    else:
        kind.run(Context(job.id), job.payload)
        world.jobs.run(job)
        with world.store.write() as connection:
            kind.run(Context(job.id), job.payload)(connection)
    found = [world.describe_dataset(arn) for arn in (train, test)]
    totals = [one["DatasetStats"]["TotalEntries"] for one in found]
    expected = ("UPDATE_FAILED", [1200, 0]) if ending == "given up" else ("UPDATE_COMPLETE", [960, 240])
    assert ({one["Status"] for one in found}, totals) == ({expected[0]}, expected[1])


def test_the_bucket_of_images_may_be_another_than_the_manifests(world: World) -> None:
    arn = _start(world, world.manifest([image_level("a", "cat", bucket="far-away")]))
    world.run_jobs()
    assert world.describe_dataset(arn)["Status"] == "CREATE_COMPLETE"
    assert BUCKET != "far-away"


def test_a_dataset_stays_while_a_version_is_trained(world: World) -> None:
    """Its entries are what it is trained on."""
    arn = _start(world)
    world.run_jobs()
    project = world.call("DescribeProjects")["ProjectDescriptions"][0]["ProjectArn"]
    world.create(project)
    assert world.refused("DeleteDataset", DatasetArn=arn).code == "ResourceInUseException"
    assert world.refused("DeleteProject", ProjectArn=project).code == "ResourceInUseException"
