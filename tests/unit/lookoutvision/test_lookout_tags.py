from __future__ import annotations

from pathlib import Path

from lookout_world import ACCOUNT, OTHER_ACCOUNT, OUTPUT, REGION, World

from relook.services.lookoutvision import Limits

ARN = f"arn:aws:lookoutvision:{REGION}:{ACCOUNT}:model/p/1"


def test_tags_are_set_listed_and_removed(world: World) -> None:
    world.trained()

    def tags() -> dict[str, str]:
        return {one["Key"]: one["Value"] for one in world.call("ListTagsForResource", ResourceArn=ARN)["Tags"]}

    assert (
        world.call("TagResource", ResourceArn=ARN, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}]) == {}
    )
    world.call("TagResource", ResourceArn=ARN, Tags=[{"Key": "a", "Value": "2"}])
    assert tags() == {"a": "2", "b": ""}
    world.call("UntagResource", ResourceArn=ARN, TagKeys=["a", "absent"])
    assert tags() == {"b": ""}


def test_tags_are_for_models_that_exist(world: World) -> None:
    world.trained()
    project = f"arn:aws:lookoutvision:{REGION}:{ACCOUNT}:project/p"
    for arn, code in (
        (project, "ValidationException"),
        ("junk", "ValidationException"),
        (ARN.replace("model/p/1", "model/p/0"), "ValidationException"),
        (ARN.replace("p/1", "p/2"), "ResourceNotFoundException"),
        (ARN.replace(ACCOUNT, OTHER_ACCOUNT), "ResourceNotFoundException"),
    ):
        assert world.refused("ListTagsForResource", ResourceArn=arn).code == code
        assert world.refused("TagResource", ResourceArn=arn, Tags=[]).code == code
        assert world.refused("UntagResource", ResourceArn=arn, TagKeys=[]).code == code


def test_tags_are_limited_unique_and_not_reserved(tmp_path: Path) -> None:
    world = World(tmp_path, limits=Limits(tags=2))
    world.trained()
    twice = [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]
    assert world.refused("TagResource", ResourceArn=ARN, Tags=twice).code == "ValidationException"
    reserved = [{"Key": "AWS:x", "Value": "1"}]
    assert world.refused("TagResource", ResourceArn=ARN, Tags=reserved).code == "ValidationException"
    world.call("TagResource", ResourceArn=ARN, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "1"}])
    error = world.refused("TagResource", ResourceArn=ARN, Tags=[{"Key": "c", "Value": "1"}])
    assert (error.status, error.members["ResourceId"]) == (402, "p/1")
    many = [{"Key": name, "Value": ""} for name in "abc"]
    assert world.refused("CreateModel", ProjectName="p", OutputConfig=OUTPUT, Tags=many).status == 402
    world.close()
