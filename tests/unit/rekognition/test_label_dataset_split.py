"""The fifth of a large dataset that a training splits off: moved in steps, and by the job that has to end them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from version_world import OUTPUT, World

from custom_labels_lines import image_level
from job_runs import Context
from relook.core.custom_labels.names import parse_dataset
from relook.services.rekognition.dataset_split import move_test_images
from relook.services.rekognition.distribution import fits_a_transaction
from relook.store import rekognition_datasets as datasets
from relook.store import rekognition_entries as entries

IMAGES = 50
VERSION = 1
BOUND = "relook.services.rekognition.distribution._BEFORE_THE_ANSWER"


class Killed(BaseException):
    """The process of a job is gone."""


class Dying(Context):
    """Dies at its second report of progress."""

    def progress(self, stage: str, done: int, total: int) -> None:
        super().progress(stage, done, total)
        if len(self.stages) == 2:
            raise Killed


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def totals(world: World, project: str) -> dict[str, tuple[str, int]]:
    """Of both datasets the status and the number of entries."""
    [found] = world.call("DescribeProjects")["ProjectDescriptions"]
    assert found["ProjectArn"] == project
    described = {one["DatasetType"]: world.describe_dataset(one["DatasetArn"]) for one in found["Datasets"]}
    return {kind: (one["Status"], one["DatasetStats"]["TotalEntries"]) for kind, one in described.items()}


@pytest.mark.parametrize("given_up", [False, True], ids=["run again", "given up"])
def test_many_images_are_moved_by_a_job(world: World, monkeypatch: pytest.MonkeyPatch, given_up: bool) -> None:
    monkeypatch.setattr("relook.services.rekognition.distribution.AT_ONCE", 4)
    project = world.project()
    train = world.dataset(project, [image_level(f"image-{number}", "cat", "dog") for number in range(IMAGES)])
    with world.store.write() as connection:
        found = datasets.find(connection, parse_dataset(train))
        assert found is not None
        chosen = [item.key for item in entries.items(connection, found.id)[1][::5]]
        monkeypatch.setattr(BOUND, 3 * IMAGES)
        assert fits_a_transaction(connection, found.id), "each entry counts, and each of its labels"
        monkeypatch.setattr(BOUND, 3 * IMAGES - 1)
        assert move_test_images(connection, found.project_id, VERSION, chosen, world.now)
    assert totals(world, project) == {"TRAIN": ("UPDATE_IN_PROGRESS", 50), "TEST": ("UPDATE_IN_PROGRESS", 0)}
    members = {"ProjectArn": project, "VersionName": "v", "OutputConfig": OUTPUT}
    assert world.refused("CreateProjectVersion", **members).code == "ResourceInUseException"
    job = world.jobs.claim()
    assert job is not None
    kind = world.kinds[job.kind]
    with pytest.raises(Killed):
        kind.run(Dying(job.id), job.payload)
    assert totals(world, project)["TEST"] == ("UPDATE_IN_PROGRESS", 4)
    if given_up:
        with world.store.write() as connection:
            kind.fail(connection, job.payload, "its process died")
        assert totals(world, project) == {"TRAIN": ("UPDATE_FAILED", 50), "TEST": ("UPDATE_FAILED", 0)}
        return
    world.jobs.run(job)
    assert totals(world, project) == {"TRAIN": ("UPDATE_COMPLETE", 40), "TEST": ("UPDATE_COMPLETE", 10)}
    with world.store.write() as connection:
        assert move_test_images(connection, found.project_id, VERSION, chosen, world.now), "done already"
    world.jobs.run_all()
    assert totals(world, project)["TEST"] == ("UPDATE_COMPLETE", 10)


def test_a_training_that_splits_many_images(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BOUND, 1)
    project = world.project()
    world.dataset(project, world.labelled(10, "red", "green"))
    found = world.train(project)
    assert found["Status"] == "TRAINING_COMPLETED", found["StatusMessage"]
    assert (len(world.trainer.training), len(world.trainer.test)) == (16, 4)
    assert totals(world, project) == {"TRAIN": ("UPDATE_COMPLETE", 16), "TEST": ("UPDATE_COMPLETE", 4)}
