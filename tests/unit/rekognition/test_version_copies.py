"""CopyProjectVersion."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, update
from version_world import ACCOUNT, BUCKET, OTHER_ACCOUNT, REGION, START, World

from relook.aws.errors import ServiceError
from relook.core.custom_labels.states import VersionStatus
from relook.jobs.artifacts import fresh_folder
from relook.store.tables.rekognition import versions as version_table

OUTPUT = {"S3Bucket": BUCKET, "S3KeyPrefix": "copied"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Path:
    """A data folder with one trained model."""
    root = tmp_path_factory.mktemp("trained")
    shutil.copytree(pictures, root, dirs_exist_ok=True)
    made = World(root)
    made.trained(VersionDescription="Of line 3")
    made.close()
    return root


@pytest.fixture
def world(tmp_path: Path, trained: Path) -> Iterator[World]:
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    made = World(tmp_path)
    yield made
    made.close()


def source(world: World) -> dict[str, Any]:
    project = f"arn:aws:rekognition:{REGION}:{ACCOUNT}:project/p"
    return {
        "SourceProjectArn": f"{project}/{START}",
        "SourceProjectVersionArn": f"{project}/version/v1/{START}",
        "DestinationProjectArn": target(world),
        "VersionName": "copy",
        "OutputConfig": OUTPUT,
    }


def target(world: World, name: str = "q") -> str:
    found = world.call("DescribeProjects", ProjectNames=[name])["ProjectDescriptions"]
    return str(found[0]["ProjectArn"]) if found else world.project(name)


def policy(effect: str, account: str) -> str:
    statement = {
        "Effect": effect,
        "Principal": {"AWS": account},
        "Action": "rekognition:CopyProjectVersion",
        "Resource": "*",
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_a_model_is_copied_with_its_results(world: World) -> None:
    original = world.describe(f"arn:aws:rekognition:{REGION}:{ACCOUNT}:project/p/{START}")
    world.now += 60_000
    arn = world.call("CopyProjectVersion", **source(world), Tags={"line": "3"})["ProjectVersionArn"]
    assert arn.endswith(f":project/q/version/copy/{world.now}")
    found = world.describe(target(world), "copy")
    assert found == {
        "ProjectVersionArn": arn,
        "CreationTimestamp": world.now / 1000,
        "Status": "COPYING_IN_PROGRESS",
        "StatusMessage": "The model is being copied.",
        "OutputConfig": OUTPUT,
        "Feature": "CUSTOM_LABELS",
        "VersionDescription": "Of line 3",
        "SourceProjectVersionArn": original["ProjectVersionArn"],
    }
    world.run_jobs()
    done = world.describe(target(world), "copy")
    names = {"S3Object": {"Bucket": BUCKET, "Name": "copied/EvaluationResultSummary-q-copy.json"}}
    assert done == {
        **found,
        "Status": "COPYING_COMPLETED",
        "StatusMessage": "The model is ready to run.",
        "TrainingEndTimestamp": START / 1000,
        "ManifestSummary": {"S3Object": {"Bucket": BUCKET, "Name": "copied/ManifestSummary-q-copy.json"}},
        "EvaluationResult": {"F1Score": original["EvaluationResult"]["F1Score"], "Summary": names},
    }
    for name in ("EvaluationResultSummary", "TestingGroundTruth", "TrainingManifestWithValidation", "TrainingReport"):
        assert world.read(name, "copy", "q", "copied/") == world.read(name)
    folders = sorted(world.artifacts.iterdir())
    assert len(folders) == 2
    assert len({(folder / "model.json").read_bytes() for folder in folders}) == 1
    assert world.call("ListTagsForResource", ResourceArn=arn) == {"Tags": {"line": "3"}}


def test_a_copy_outlives_what_it_was_copied_from(world: World) -> None:
    given = source(world)
    world.call("CopyProjectVersion", **given)
    world.run_jobs()
    world.call("DeleteProjectVersion", ProjectVersionArn=given["SourceProjectVersionArn"])
    assert world.describe(target(world), "copy")["Status"] == "COPYING_COMPLETED"
    assert len(list(world.artifacts.glob("*/model.json"))) == 1
    again = given | {
        "SourceProjectArn": target(world),
        "SourceProjectVersionArn": world.describe(target(world), "copy")["ProjectVersionArn"],
        "VersionName": "second",
    }
    world.call("CopyProjectVersion", **again)
    world.run_jobs()
    assert world.describe(target(world), "second")["Status"] == "COPYING_COMPLETED"


def test_a_source_stays_until_it_is_copied(world: World) -> None:
    given = source(world)
    world.call("CopyProjectVersion", **given)
    arn = given["SourceProjectVersionArn"]
    with pytest.raises(ServiceError, match=r"is being copied to .*/copy/") as refused:
        world.call("DeleteProjectVersion", ProjectVersionArn=arn)
    assert refused.value.code == "ResourceInUseException"
    world.run_jobs()
    assert world.describe(target(world), "copy")["Status"] == "COPYING_COMPLETED"
    assert world.call("DeleteProjectVersion", ProjectVersionArn=arn) == {"Status": "DELETING"}


def test_a_source_that_goes_while_it_is_copied(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.call("CopyProjectVersion", **source(world))

    def amid_its_deletion(root: Path, artifact_id: str) -> Path:
        with world.store.write() as connection:
            connection.execute(delete(version_table).where(version_table.c.name == "v1"))
        [card] = world.artifacts.glob("*/model.json")
        card.unlink()
        return fresh_folder(root, artifact_id)

    monkeypatch.setattr("relook.services.rekognition.copying.fresh_folder", amid_its_deletion)
    world.run_jobs()
    found = world.describe(target(world), "copy")
    assert found["Status"] == "COPYING_FAILED"
    assert "has been deleted" in found["StatusMessage"]


@pytest.mark.parametrize("lost", ["model.json", "model.onnx", ""], ids=["card", "graph", "folder"])
def test_a_source_whose_files_are_lost_was_not_deleted(world: World, lost: str) -> None:
    given = source(world)
    world.call("CopyProjectVersion", **given)
    [artifact] = world.artifacts.iterdir()
    shutil.rmtree(artifact) if not lost else (artifact / lost).unlink()
    world.run_jobs()
    found = world.describe(target(world), "copy")
    path = "/".join(filter(None, ["artifacts", artifact.name, lost]))
    assert (found["Status"], found["StatusMessage"]) == (
        "COPYING_FAILED",
        f"The model that was to be copied, {given['SourceProjectVersionArn']}, is not complete: {path} is missing in "
        "the data folder. Bring it back from a backup, or train the model again.",
    )
    assert [folder.name for folder in world.artifacts.iterdir()] == ([artifact.name] if lost else [])


def test_an_output_bucket_that_is_not_there(world: World) -> None:
    world.call("CopyProjectVersion", **source(world) | {"OutputConfig": {"S3Bucket": "nowhere"}})
    world.run_jobs()
    found = world.describe(target(world), "copy")
    assert (found["Status"], found["StatusMessage"]) == ("COPYING_FAILED", "Unable to write to output S3 bucket.")
    told = "The output cannot be written: bucket nowhere: There is no bucket of this name."
    assert world.jobs.contexts[-1].lines == [told]


def test_a_copy_that_has_written_nothing_takes_no_names(world: World) -> None:
    given = {"S3Bucket": "made-later", "S3KeyPrefix": "copied"}
    first = source(world) | {"DestinationProjectArn": target(world, "parts-v"), "VersionName": "1"}
    second = source(world) | {"DestinationProjectArn": target(world, "parts"), "VersionName": "v-1"}
    world.call("CopyProjectVersion", **first | {"OutputConfig": given})
    assert "has its results there" in world.refused("CopyProjectVersion", **second | {"OutputConfig": given}).message
    world.run_jobs()
    assert world.describe(target(world, "parts-v"), "1")["Status"] == "COPYING_FAILED"
    world.blobs.buckets.create(ACCOUNT, REGION, "made-later")
    world.call("CopyProjectVersion", **second | {"OutputConfig": given})
    world.run_jobs()
    assert world.describe(target(world, "parts"), "v-1")["Status"] == "COPYING_COMPLETED"
    third = first | {"DestinationProjectArn": target(world, "parts-v"), "VersionName": "2"}
    world.call("CopyProjectVersion", **third | {"OutputConfig": given})
    world.run_jobs()
    taken = source(world) | {"DestinationProjectArn": target(world, "parts"), "VersionName": "v-2"}
    assert "/parts-v/version/2/" in world.refused("CopyProjectVersion", **taken | {"OutputConfig": given}).message


def test_results_that_the_user_has_deleted_are_not_copied(world: World) -> None:
    world.delete("out/EvaluationResultSummary-p-v1.json")
    world.call("CopyProjectVersion", **source(world))
    world.run_jobs()
    found = world.describe(target(world), "copy")
    assert found["Status"] == "COPYING_COMPLETED"
    assert "EvaluationResult" not in found
    assert "ManifestSummary" in found


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"KmsKeyId": "alias/key"}, "InvalidParameterException"),
        ({"OutputConfig": {"S3KeyPrefix": "x"}}, "InvalidParameterException"),
        ({"SourceProjectArn": f"arn:aws:rekognition:{REGION}:{ACCOUNT}:project/p/1"}, "ResourceNotFoundException"),
        (
            {"SourceProjectVersionArn": f"arn:aws:rekognition:{REGION}:{ACCOUNT}:project/p/version/v1/1"},
            "ResourceNotFoundException",
        ),
        ({"DestinationProjectArn": f"arn:aws:rekognition:{REGION}:{ACCOUNT}:project/q/1"}, "ResourceNotFoundException"),
        (
            {"DestinationProjectArn": f"arn:aws:rekognition:{REGION}:{OTHER_ACCOUNT}:project/q/1"},
            "ResourceNotFoundException",
        ),
        ({"SourceProjectArn": f"arn:aws:rekognition:us-west-2:{ACCOUNT}:project/p/1"}, "InvalidParameterException"),
        ({"SourceProjectArn": f"arn:aws:rekognition:{REGION}:{OTHER_ACCOUNT}:project/p/1"}, "AccessDeniedException"),
        ({"Tags": {f"key-{number}": "" for number in range(51)}}, "InvalidParameterException"),
    ],
    ids=["key", "bucket", "source", "version", "destination", "foreign destination", "region", "foreign", "tags"],
)
def test_what_is_refused(world: World, changed: dict[str, Any], code: str) -> None:
    assert world.refused("CopyProjectVersion", **source(world) | changed).code == code
    assert world.call("DescribeProjectVersions", ProjectArn=target(world)) == {"ProjectVersionDescriptions": []}


def test_a_version_of_another_project(world: World) -> None:
    error = world.refused("CopyProjectVersion", **source(world) | {"SourceProjectArn": target(world)})
    assert error.code == "ResourceNotFoundException"


def test_a_name_in_use(world: World) -> None:
    given = source(world)
    world.call("CopyProjectVersion", **given)
    assert world.refused("CopyProjectVersion", **given).code == "ResourceInUseException"


@pytest.mark.parametrize("status", ["TRAINING_IN_PROGRESS", "TRAINING_FAILED", "COPYING_FAILED", "DELETING"])
def test_what_is_not_trained_is_not_copied(world: World, status: str) -> None:
    with world.store.write() as connection:
        connection.execute(update(version_table).values(status=VersionStatus(status)))
    assert world.refused("CopyProjectVersion", **source(world)).code == "InvalidParameterException"


def test_another_account_needs_a_policy(world: World) -> None:
    given = source(world)
    mine = str(world.call("CreateProject", account=OTHER_ACCOUNT, ProjectName="q")["ProjectArn"])
    world.blobs.buckets.create(OTHER_ACCOUNT, REGION, "theirs")
    given |= {"DestinationProjectArn": mine, "OutputConfig": {"S3Bucket": "theirs", "S3KeyPrefix": ""}}
    error = world.refused("CopyProjectVersion", account=OTHER_ACCOUNT, **given)
    assert error.code == "AccessDeniedException"
    members = {"ProjectArn": given["SourceProjectArn"], "PolicyName": "share"}
    world.call("PutProjectPolicy", PolicyDocument=policy("Allow", OTHER_ACCOUNT), **members)
    arn = world.call("CopyProjectVersion", account=OTHER_ACCOUNT, **given)["ProjectVersionArn"]
    assert f":{OTHER_ACCOUNT}:" in arn
    world.run_jobs()
    answer = world.call("DescribeProjectVersions", account=OTHER_ACCOUNT, ProjectArn=mine)
    [found] = answer["ProjectVersionDescriptions"]
    assert found["Status"] == "COPYING_COMPLETED", found["StatusMessage"]
    assert world.blobs.read(OTHER_ACCOUNT, "theirs", "EvaluationResultSummary-q-copy.json")


def test_a_policy_can_deny_the_own_account(world: World) -> None:
    given = source(world)
    members = {"ProjectArn": given["SourceProjectArn"], "PolicyName": "never"}
    world.call("PutProjectPolicy", PolicyDocument=policy("Deny", ACCOUNT), **members)
    assert world.refused("CopyProjectVersion", **given).code == "AccessDeniedException"


def test_of_several_policies_one_that_denies_outweighs_those_that_allow(world: World) -> None:
    given = source(world)
    mine = str(world.call("CreateProject", account=OTHER_ACCOUNT, ProjectName="q")["ProjectArn"])
    given |= {"DestinationProjectArn": mine, "OutputConfig": OUTPUT | {"S3KeyPrefix": "theirs"}}
    project = {"ProjectArn": given["SourceProjectArn"]}
    for name, effect, account in (("a", "Allow", "*"), ("b", "Deny", OTHER_ACCOUNT), ("c", "Allow", OTHER_ACCOUNT)):
        world.call("PutProjectPolicy", PolicyName=name, PolicyDocument=policy(effect, account), **project)
    assert world.refused("CopyProjectVersion", account=OTHER_ACCOUNT, **given).code == "AccessDeniedException"
    world.call("CopyProjectVersion", **given | {"DestinationProjectArn": target(world), "OutputConfig": OUTPUT})
    world.call("DeleteProjectPolicy", PolicyName="b", **project)
    world.call("CopyProjectVersion", account=OTHER_ACCOUNT, **given)
    world.call("DeleteProjectPolicy", PolicyName="c", **project)
    world.call("CopyProjectVersion", account=OTHER_ACCOUNT, **given | {"VersionName": "by-another"})
    world.call("DeleteProjectPolicy", PolicyName="a", **project)
    assert world.refused("CopyProjectVersion", account=OTHER_ACCOUNT, **given).code == "AccessDeniedException"
