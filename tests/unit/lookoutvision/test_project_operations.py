from __future__ import annotations

import pytest
from lookout_world import ACCOUNT, HOURS, OTHER_ACCOUNT, REGION, START, World

ARN = f"arn:aws:lookoutvision:{REGION}:{ACCOUNT}:project/p"


def test_a_project_is_created_described_and_deleted(world: World) -> None:
    made = world.call("CreateProject", ProjectName="p")
    expected = {"ProjectArn": ARN, "ProjectName": "p", "CreationTimestamp": START / 1000}
    assert made == {"ProjectMetadata": expected}
    described = world.call("DescribeProject", ProjectName="p")
    assert described == {"ProjectDescription": {**expected, "Datasets": []}}
    assert world.call("DeleteProject", ProjectName="p") == {"ProjectArn": ARN}
    assert world.refused("DescribeProject", ProjectName="p").code == "ResourceNotFoundException"


def test_an_existing_name_is_a_conflict(world: World) -> None:
    world.project()
    error = world.refused("CreateProject", ProjectName="p")
    assert (error.code, error.members) == ("ConflictException", {"ResourceId": "p", "ResourceType": "PROJECT"})


@pytest.mark.parametrize("operation", ["DescribeProject", "DeleteProject"])
def test_an_absent_project_is_not_found(world: World, operation: str) -> None:
    error = world.refused(operation, ProjectName="p")
    assert (error.status, error.members) == (404, {"ResourceId": "p", "ResourceType": "PROJECT"})


def test_accounts_and_regions_do_not_see_each_other(world: World) -> None:
    world.project()
    assert world.refused("DescribeProject", OTHER_ACCOUNT, ProjectName="p").status == 404
    assert world.refused("DescribeProject", region="us-east-1", ProjectName="p").status == 404
    assert world.call("ListProjects", OTHER_ACCOUNT) == {"Projects": []}
    made = world.call("CreateProject", OTHER_ACCOUNT, ProjectName="p")
    assert made["ProjectMetadata"]["ProjectArn"] == f"arn:aws:lookoutvision:{REGION}:{OTHER_ACCOUNT}:project/p"


def test_a_project_with_children_is_not_deleted(world: World) -> None:
    world.project()
    world.call("CreateDataset", ProjectName="p", DatasetType="test")
    assert world.refused("DeleteProject", ProjectName="p").code == "ConflictException"
    world.call("DeleteDataset", ProjectName="p", DatasetType="test")
    assert world.call("DeleteProject", ProjectName="p") == {"ProjectArn": ARN}


def test_projects_are_listed_in_order_of_creation(world: World) -> None:
    for name in ("zebra", "ant", "mole"):
        world.project(name)
    first = world.call("ListProjects", MaxResults=2)
    assert [one["ProjectName"] for one in first["Projects"]] == ["zebra", "ant"]
    second = world.call("ListProjects", MaxResults=2, NextToken=first["NextToken"])
    assert [one["ProjectName"] for one in second["Projects"]] == ["mole"]
    assert "NextToken" not in second


def test_a_token_of_another_list_is_refused(world: World) -> None:
    for name in ("a", "b"):
        world.project(name)
    token = world.call("ListProjects", MaxResults=1)["NextToken"]
    for account, region in ((OTHER_ACCOUNT, REGION), (ACCOUNT, "us-east-1")):
        assert world.refused("ListProjects", account, region, NextToken=token).code == "ValidationException"
    assert world.refused("ListModels", ProjectName="a", NextToken=token).code == "ValidationException"
    assert world.refused("ListProjects", NextToken="AAAA").code == "ValidationException"


def test_a_repeated_token_replays_the_first_result(world: World) -> None:
    first = world.call("CreateProject", ProjectName="p", ClientToken="t")
    world.now += 8 * HOURS - 1
    assert world.call("CreateProject", ProjectName="p", ClientToken="t") == first


def test_a_token_is_forgotten_after_eight_hours(world: World) -> None:
    world.call("CreateProject", ProjectName="p", ClientToken="t")
    world.now += 8 * HOURS
    assert world.refused("CreateProject", ProjectName="p", ClientToken="t").code == "ConflictException"


def test_a_token_does_not_stand_for_what_is_gone(world: World) -> None:
    world.call("CreateProject", ProjectName="p", ClientToken="t")
    world.call("DeleteProject", ProjectName="p")
    world.now += 1000
    again = world.call("CreateProject", ProjectName="p", ClientToken="t")
    assert again["ProjectMetadata"]["CreationTimestamp"] == (START + 1000) / 1000


def test_a_repeated_deletion_replays_too(world: World) -> None:
    world.project()
    first = world.call("DeleteProject", ProjectName="p", ClientToken="t")
    assert world.call("DeleteProject", ProjectName="p", ClientToken="t") == first
    assert world.refused("DeleteProject", ProjectName="p", ClientToken="u").status == 404


def test_a_token_is_bound_to_account_region_and_resource(world: World) -> None:
    world.call("CreateProject", ProjectName="p", ClientToken="t")
    world.call("CreateProject", OTHER_ACCOUNT, ProjectName="p", ClientToken="t")
    world.call("CreateProject", region="us-east-1", ProjectName="p", ClientToken="t")
    made = world.call("CreateProject", ProjectName="q", ClientToken="t")
    assert made["ProjectMetadata"]["ProjectName"] == "q"


def test_packaging_is_refused_by_name(world: World) -> None:
    output = {"S3OutputLocation": {"Bucket": "bucket"}, "ComponentName": "c", "TargetDevice": "jetson_xavier"}
    calls = {
        "StartModelPackagingJob": {"ModelVersion": "1", "Configuration": {"Greengrass": output}},
        "DescribeModelPackagingJob": {"JobName": "j"},
        "ListModelPackagingJobs": {},
    }
    for name, members in calls.items():
        error = world.refused(name, ProjectName="p", **members)
        assert (error.code, name in error.message) == ("ValidationException", True)


def test_all_22_operations_have_a_handler(world: World) -> None:
    assert set(world.service.operations) == set(world.service.model.operation_names)
