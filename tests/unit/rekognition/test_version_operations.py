"""CreateProjectVersion, DescribeProjectVersions, DeleteProjectVersion: what is refused, listed and deleted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from version_world import ACCOUNT, BUCKET, OTHER_ACCOUNT, OUTPUT, REGION, World

from relook.core.custom_labels.states import VERSION_DELETABLE, VersionStatus
from relook.jobs import queue
from relook.services.rekognition import Limits
from relook.store.tables.rekognition import datasets as dataset_table
from relook.store.tables.rekognition import versions as version_table

MANIFEST = {"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Name": "the.manifest"}}}
LEGACY = {"TrainingData": {"Assets": [MANIFEST]}, "TestingData": {"AutoCreate": True}}


@pytest.fixture
def project(world: World) -> str:
    """A project with a train dataset."""
    arn = world.project()
    world.dataset(arn, world.labelled(5, "red", "green"))
    return arn


def refused(world: World, project: str, **more: Any) -> tuple[str, str]:
    members = {"ProjectArn": project, "VersionName": "v1", "OutputConfig": OUTPUT, **more}
    error = world.refused("CreateProjectVersion", **members)
    return error.code, error.message


def force(world: World, status: VersionStatus) -> None:
    with world.store.write() as connection:
        connection.execute(update(version_table).values(status=status))


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"KmsKeyId": "alias/key"}, "KmsKeyId"),
        ({"FeatureConfig": {"ContentModeration": {"ConfidenceThreshold": 5.0}}}, "FeatureConfig"),
        ({"OutputConfig": {"S3KeyPrefix": "out"}}, "S3Bucket"),
        ({"OutputConfig": OUTPUT | {"S3KeyPrefix": "é" * 500}}, "S3KeyPrefix"),
        ({"Tags": {f"key-{number}": "" for number in range(51)}}, "51 tags"),
        (LEGACY, "has datasets"),
    ],
    ids=["a key", "moderation", "no bucket", "long prefix", "tags", "manifests beside datasets"],
)
def test_what_is_refused_by_name(world: World, project: str, more: dict[str, Any], named: str) -> None:
    code, message = refused(world, project, **more)
    assert code == "InvalidParameterException"
    assert named in message
    assert world.call("DescribeProjectVersions", ProjectArn=project) == {"ProjectVersionDescriptions": []}


TWO = {"Assets": [MANIFEST, MANIFEST]}
HALF = {"Assets": [{"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET}}}]}


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({}, "no training dataset"),
        ({"TrainingData": {"Assets": [MANIFEST]}}, "without TestingData"),
        ({"TestingData": {"AutoCreate": True}}, "without TrainingData"),
        ({"TrainingData": {"Assets": []}, "TestingData": {"AutoCreate": True}}, "TrainingData.Assets"),
        ({"TrainingData": {}, "TestingData": {"AutoCreate": True}}, "TrainingData.Assets"),
        ({"TrainingData": TWO, "TestingData": {"AutoCreate": True}}, "TrainingData.Assets"),
        ({"TrainingData": HALF, "TestingData": {"AutoCreate": True}}, "TrainingData.Assets"),
        ({"TrainingData": {"Assets": [{}]}, "TestingData": {"AutoCreate": True}}, "TrainingData.Assets"),
        ({"TrainingData": {"Assets": [MANIFEST]}, "TestingData": {}}, "TestingData"),
        ({"TrainingData": {"Assets": [MANIFEST]}, "TestingData": {"AutoCreate": False}}, "TestingData"),
        ({"TrainingData": {"Assets": [MANIFEST]}, "TestingData": {"AutoCreate": True, **TWO}}, "TestingData"),
        ({"TrainingData": {"Assets": [MANIFEST]}, "TestingData": {"AutoCreate": True, **HALF}}, "TestingData"),
        (
            {"TrainingData": {"Assets": [MANIFEST]}, "TestingData": {"AutoCreate": True, "Assets": [MANIFEST]}},
            "either one",
        ),
    ],
    ids=str,
)
def test_an_empty_project_needs_manifests(world: World, more: dict[str, Any], named: str) -> None:
    code, message = refused(world, world.project(), **more)
    assert code == "InvalidParameterException"
    assert named in message


def test_empty_assets_beside_auto_create_are_fine(world: World) -> None:
    test = {"AutoCreate": True, "Assets": []}
    data = {"TrainingData": {"Assets": [world.manifest(world.labelled(5, "red", "green"))]}, "TestingData": test}
    assert world.train(world.project(), **data)["Status"] == "TRAINING_COMPLETED"


def test_a_test_dataset_alone_is_not_enough(world: World) -> None:
    arn = world.project()
    world.dataset(arn, world.labelled(2, "red"), "TEST")
    assert refused(world, arn)[0] == "InvalidParameterException"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("CREATE_IN_PROGRESS", "ResourceInUseException"),
        ("UPDATE_IN_PROGRESS", "ResourceInUseException"),
        ("CREATE_FAILED", "InvalidParameterException"),
    ],
)
def test_a_dataset_that_is_not_complete(world: World, project: str, status: str, code: str) -> None:
    with world.store.write() as connection:
        connection.execute(update(dataset_table).values(status=status))
    assert refused(world, project)[0] == code


def test_a_dataset_whose_update_failed_has_its_old_entries(world: World, project: str) -> None:
    with world.store.write() as connection:
        connection.execute(update(dataset_table).values(status="UPDATE_FAILED"))
    assert world.train(project)["Status"] == "TRAINING_COMPLETED"


def test_a_name_in_use(world: World, project: str) -> None:
    world.train(project)
    code, message = refused(world, project)
    assert code == "ResourceInUseException"
    assert "already has a version v1" in message
    world.now += 1
    other = world.project("other")
    world.dataset(other, world.labelled(5, "red", "green"))
    assert world.create(other)


def test_results_of_two_versions_do_not_replace_each_other(world: World) -> None:
    """The names of results have a hyphen between those of project and version, and no region."""
    arn = world.project("parts")
    world.dataset(arn, world.labelled(5, "red", "green"))
    first = world.create(arn, "v-1")
    world.run_jobs()
    other = world.project("parts-v")
    world.dataset(other, world.labelled(5, "red", "green"))
    code, message = refused(world, other, VersionName="1")
    assert code == "InvalidParameterException"
    assert f"OutputConfig: {first} has its results there under the same names; choose another S3KeyPrefix" in message
    assert refused(world, other, VersionName="1", OutputConfig=OUTPUT | {"S3KeyPrefix": "out/"})[0] == code
    world.create(other, "1", OutputConfig=OUTPUT | {"S3KeyPrefix": "others"})
    world.create(other, "2")
    world.run_jobs()
    world.call("DeleteProjectVersion", ProjectVersionArn=first)
    world.create(arn, "v-1")


def test_a_version_that_has_written_nothing_takes_no_names(world: World) -> None:
    lines, given = world.labelled(5, "red", "green"), {"S3Bucket": "made-later", "S3KeyPrefix": "out"}
    first, second = world.project("parts-v"), world.project("parts")
    for arn in (first, second):
        world.dataset(arn, lines)
    assert world.train(first, "1", OutputConfig=given)["StatusMessage"] == "Unable to write to output S3 bucket."
    world.blobs.buckets.create(ACCOUNT, REGION, "made-later")
    assert world.train(second, "v-1", OutputConfig=given)["Status"] == "TRAINING_COMPLETED"


def test_a_version_that_failed_keeps_the_names_of_what_it_left(world: World) -> None:
    world.from_manifests(world.labelled(5, "red"), world.labelled(3, "green", prefix="test/"), "parts-v", "1")
    assert world.document("ManifestSummary", "1", "parts-v")["errors"], "told why"
    other = world.project("parts")
    world.dataset(other, world.labelled(5, "red", "green"))
    code, message = refused(world, other, VersionName="v-1")
    assert code == "InvalidParameterException"
    assert "/parts-v/version/1/" in message


def test_a_version_in_training_holds_the_names_in_every_region(world: World) -> None:
    given = LEGACY | {"TrainingData": {"Assets": [world.manifest(world.labelled(5, "red", "green"))]}}
    first = world.create(world.project("p"), **given)
    theirs = world.call("CreateProject", region="us-west-2", ProjectName="p")["ProjectArn"]
    members = {"ProjectArn": theirs, "VersionName": "v1", "OutputConfig": OUTPUT, **given}
    assert first in world.refused("CreateProjectVersion", region="us-west-2", **members).message


def test_another_account_that_names_a_bucket_in_vain_takes_no_names_in_it(world: World) -> None:
    theirs = world.call("CreateProject", OTHER_ACCOUNT, ProjectName="p")["ProjectArn"]
    given = {"TrainingData": {"Assets": [world.manifest(world.labelled(5, "red", "green"))]}}
    given |= {"TestingData": {"AutoCreate": True}, "OutputConfig": OUTPUT}
    world.call("CreateProjectVersion", OTHER_ACCOUNT, ProjectArn=theirs, VersionName="v1", **given)
    world.run_jobs()
    [failed] = world.call("DescribeProjectVersions", OTHER_ACCOUNT, ProjectArn=theirs)["ProjectVersionDescriptions"]
    assert failed["Status"] == "TRAINING_FAILED"
    assert world.train(world.project("p"), **given)["Status"] == "TRAINING_COMPLETED"


def test_a_project_that_is_not_there(world: World, project: str) -> None:
    head, number = project.rsplit("/", 1)
    assert refused(world, f"{head}/{int(number) + 1}")[0] == "ResourceNotFoundException"
    foreign = world.refused("DescribeProjectVersions", account=OTHER_ACCOUNT, ProjectArn=project)
    assert foreign.code == "ResourceNotFoundException"
    assert world.refused("DeleteProjectVersion", ProjectVersionArn=f"{head}/version/v/1").code == foreign.code


def test_trainings_at_once(world: World, project: str) -> None:
    world.create(project, "a")
    world.create(project, "b")
    code, message = refused(world, project, VersionName="c")
    assert code == "LimitExceededException"
    assert "2 models are being trained" in message
    assert "the setting trainings" in message
    world.run_jobs()
    assert world.create(project, "c")


def test_versions_of_a_project(tmp_path: Path) -> None:
    world = World(tmp_path, limits=Limits(versions=1))
    arn = world.project()
    world.dataset(arn, world.labelled(5, "red", "green"))
    world.train(arn)
    code, message = refused(world, arn, VersionName="v2")
    assert code == "ServiceQuotaExceededException"
    assert "label_versions" in message
    world.call("DeleteProjectVersion", ProjectVersionArn=world.describe(arn)["ProjectVersionArn"])
    assert world.create(arn, "v2")
    world.close()


def test_pages_newest_first(world: World, project: str) -> None:
    for number in range(5):
        world.now += 1000
        world.train(project, f"v{number}")
    found: list[str] = []
    token: dict[str, str] = {"NextToken": ""}
    pages = []
    while token is not None:
        answer = world.call("DescribeProjectVersions", ProjectArn=project, MaxResults=2, **token)
        pages.append(len(answer["ProjectVersionDescriptions"]))
        found += [one["ProjectVersionArn"].split("/")[3] for one in answer["ProjectVersionDescriptions"]]
        if "NextToken" not in answer:
            break
        token = {"NextToken": answer["NextToken"]}
    assert pages == [2, 2, 1]
    assert found == ["v4", "v3", "v2", "v1", "v0"]
    named = world.call("DescribeProjectVersions", ProjectArn=project, VersionNames=["v1", "v3", "nothing"])
    assert [one["ProjectVersionArn"].split("/")[3] for one in named["ProjectVersionDescriptions"]] == ["v3", "v1"]
    only = world.call("DescribeProjectVersions", ProjectArn=project, VersionNames=["nothing"])
    assert only == {"ProjectVersionDescriptions": []}
    error = world.refused("DescribeProjectVersions", ProjectArn=project, VersionNames=["v1"], **token)
    assert error.code == "InvalidPaginationTokenException"


def test_the_prefix_is_echoed_and_may_be_empty(world: World, project: str) -> None:
    found = world.train(project, OutputConfig={"S3Bucket": BUCKET})
    assert found["OutputConfig"] == {"S3Bucket": BUCKET, "S3KeyPrefix": ""}
    assert found["ManifestSummary"]["S3Object"]["Name"] == "ManifestSummary-p-v1.json"
    found = world.train(project, "v2", OutputConfig={"S3Bucket": BUCKET, "S3KeyPrefix": "a/b/"})
    assert found["OutputConfig"]["S3KeyPrefix"] == "a/b/"
    assert found["ManifestSummary"]["S3Object"]["Name"] == "a/b/ManifestSummary-p-v2.json"


def test_a_version_is_deleted_with_its_artifact(world: World, project: str) -> None:
    arn = world.train(project)["ProjectVersionArn"]
    assert len(list(world.artifacts.iterdir())) == 1
    assert world.call("DeleteProjectVersion", ProjectVersionArn=arn) == {"Status": "DELETING"}
    assert world.call("DescribeProjectVersions", ProjectArn=project) == {"ProjectVersionDescriptions": []}
    assert list(world.artifacts.iterdir()) == []
    assert world.refused("DeleteProjectVersion", ProjectVersionArn=arn).code == "ResourceNotFoundException"
    # The files are the user's.
    assert world.read("EvaluationResultSummary")
    assert world.create(project)


@pytest.mark.parametrize("status", [one for one in VersionStatus if one is not VersionStatus.DELETING])
def test_what_is_busy_is_not_deleted(world: World, project: str, status: VersionStatus) -> None:
    arn = world.create(project)
    force(world, status)
    if status in VERSION_DELETABLE:
        assert world.call("DeleteProjectVersion", ProjectVersionArn=arn) == {"Status": "DELETING"}
    else:
        error = world.refused("DeleteProjectVersion", ProjectVersionArn=arn)
        assert error.code == "ResourceInUseException"
        assert status.value in error.message


def test_a_project_with_a_version_stays(world: World, project: str) -> None:
    arn = world.train(project)["ProjectVersionArn"]
    for dataset in world.call("DescribeProjects")["ProjectDescriptions"][0]["Datasets"]:
        world.call("DeleteDataset", DatasetArn=dataset["DatasetArn"])
    world.run_jobs()
    assert world.refused("DeleteProject", ProjectArn=project).code == "ResourceInUseException"
    world.call("DeleteProjectVersion", ProjectVersionArn=arn)
    assert world.call("DeleteProject", ProjectArn=project) == {"Status": "DELETING"}


def test_a_failed_training_can_be_deleted_and_its_job_is_told_of(world: World, project: str) -> None:
    arn = world.create(project)
    world.trainer.fails = RuntimeError("a bug")
    job = world.jobs.claim()
    assert job is not None
    assert (job.kind, job.subject) == ("label-training", arn)
    with pytest.raises(RuntimeError):
        world.jobs.run(job)
    with world.store.write() as connection:
        world.kinds[job.kind].fail(connection, job.payload, "internal error: RuntimeError: a bug")
        queue.fail(connection, job.claim, "internal error", world.now)
    found = world.describe(project)
    assert found["StatusMessage"] == "internal error: RuntimeError: a bug"
    assert world.call("DeleteProjectVersion", ProjectVersionArn=arn) == {"Status": "DELETING"}
