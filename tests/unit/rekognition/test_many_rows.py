"""Manifests of more rows than the original takes, as many as that really is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from version_world import World

MOST = 250_000
MESSAGE = "The manifest file has too many rows."


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def test_a_dataset_of_too_many(world: World) -> None:
    project = world.project()
    given = {"DatasetSource": world.manifest(["{}"] * (MOST + 1))}
    arn = str(world.call("CreateDataset", ProjectArn=project, DatasetType="TRAIN", **given)["DatasetArn"])
    world.run_jobs()
    found = world.describe_dataset(arn)
    assert (found["Status"], found["StatusMessage"]) == ("CREATE_FAILED", MESSAGE)
    assert world.jobs.contexts[-1].lines == ["The manifest has more than 250,000 lines."]


@pytest.mark.parametrize(
    ("rows", "code", "message"),
    [
        (MOST + 1, "ERROR_MANIFEST_ROWS_EXCEEDS_MAXIMUM", MESSAGE),
        pytest.param(
            MOST,
            "ERROR_TOO_MANY_INVALID_ROWS_IN_MANIFEST",
            "The manifest file contains too many invalid rows.",
            marks=pytest.mark.slow,
        ),
    ],
    ids=["one more", "as many as may be"],
)
def test_a_training_on_too_many(world: World, rows: int, code: str, message: str) -> None:
    """None names an image, so that those that are not too many fail it in another way."""
    found = world.from_manifests(["{}"] * rows, world.labelled(1, "red", "green"))
    assert (found["Status"], found["StatusMessage"]) == ("TRAINING_FAILED", message)
    told = world.document("ManifestSummary")["statistics"]["training"]
    assert (told["total_json_lines"], told["errors"][0]) == (rows, {"code": code, "message": message})
