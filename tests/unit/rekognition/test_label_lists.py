"""ListDatasetLabels, a page after the other, while the dataset changes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from version_world import World

from custom_labels_lines import image_level


@pytest.fixture
def dataset(world: World) -> str:
    """With the labels b, d, f and h, each on an image of its name."""
    return world.dataset(world.project(), [image_level(name, name) for name in "bdfh"])


def page(world: World, dataset: str, most: int, token: str = "") -> tuple[list[str], str]:
    given: dict[str, Any] = {"DatasetArn": dataset, "MaxResults": most, "NextToken": token}
    found = world.call("ListDatasetLabels", **given)
    assert len(found.get("NextToken", "")) <= 1024, "the most that a client may send back"
    return [label["LabelName"] for label in found["DatasetLabelDescriptions"]], found.get("NextToken", "")


def relabel(world: World, dataset: str, **labels: str) -> None:
    """Other labels for the images of these names, or for new images."""
    lines = [json.dumps(image_level(image, label)) for image, label in labels.items()]
    world.call("UpdateDatasetEntries", DatasetArn=dataset, Changes={"GroundTruth": "\n".join(lines).encode()})
    world.run_jobs()


@pytest.mark.parametrize(
    ("changed", "then"),
    [
        ({"b": "f"}, ["f", "h"]),
        ({"new": "a"}, ["f", "h"]),
        ({"d": "e"}, ["e", "f", "h"]),
        ({"b": "z"}, ["f", "h", "z"]),
    ],
    ids=["one less", "one more", "the last one gone", "one moved"],
)
def test_an_update_between_two_pages_moves_no_other_labels(
    world: World, dataset: str, changed: dict[str, str], then: list[str]
) -> None:
    first, token = page(world, dataset, 2)
    assert first == ["b", "d"]
    relabel(world, dataset, **changed)
    assert page(world, dataset, 100, token) == (then, "")


def test_pages_of_long_names_are_whole(world: World) -> None:
    """Of 255 letters of four bytes each, and the same but for the last one: more than a token has room for."""
    names = sorted([*("a", "z"), *("\N{RED APPLE}" * 254 + last for last in "xyz"), "\N{RED APPLE}" * 200])
    dataset = world.dataset(world.project(), [image_level(f"{number}", name) for number, name in enumerate(names)])
    listed, token = page(world, dataset, 1)
    while token:
        found, token = page(world, dataset, 1, token)
        listed += found
    assert listed == names


def test_a_token_is_of_one_dataset(world: World, dataset: str) -> None:
    other = world.dataset(world.project("other"), [image_level(name, name) for name in "bdfh"])
    _, token = page(world, dataset, 2)
    for arn, given in ((other, token), (dataset, token[:-4]), (dataset, "Mg==")):
        error = world.refused("ListDatasetLabels", DatasetArn=arn, NextToken=given)
        assert error.code == "InvalidPaginationTokenException"
