"""Datasets of Custom Labels when the server is killed while it works on them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from label_stage import LabelStage, manifest
from lookout_stage import BUCKET, Stage, until

from custom_labels_lines import image_level
from relook.datafolder import DataFolder
from relook.testing import LiveServer

IMAGES = 20_000


@pytest.mark.slow
def test_a_server_killed_amid_datasets(tmp_path: Path) -> None:
    lines = [image_level(f"image-{number}", f"label {number % 9}") for number in range(IMAGES)]
    with LiveServer(tmp_path / "data") as server:
        stage = Stage(server)
        stage.s3.create_bucket(Bucket=BUCKET)
        labels = LabelStage(stage, "us-east-1")
        kept = labels.dataset(lines[:100])
        large = labels.create(labels.project(), labels.upload(lines))
        labels.client.update_dataset_entries(DatasetArn=kept, Changes={"GroundTruth": manifest(lines[:3000])})
        until(lambda: _entries(server.data), lambda count: count > 3500)
        assert labels.describe(large)["Status"] == "CREATE_IN_PROGRESS"
        stage.restart(killed=True)

        found = [labels.settled(arn) for arn in (large, kept)]
        assert [one["Status"] for one in found] == ["CREATE_COMPLETE", "UPDATE_COMPLETE"]
        assert [one["DatasetStats"]["TotalEntries"] for one in found] == [IMAGES, 3000]

        project = labels.project()
        copy = labels.create(project, {"DatasetArn": large})
        stage.restart(killed=True)

        assert labels.settled(copy)["DatasetStats"]["TotalEntries"] == IMAGES
        labels.client.delete_dataset(DatasetArn=copy)
        stage.restart(killed=True)

        assert labels.client.delete_project(ProjectArn=project)["Status"] == "DELETING"
        until(lambda: _entries(server.data), lambda count: count == IMAGES + 3000)
        stage.close()


def _entries(data: Path) -> int:
    """Rows of all datasets, those of the deleted ones too."""
    with closing(sqlite3.connect(f"file:{DataFolder(data).database}?mode=ro", uri=True)) as database:
        return int(database.execute("SELECT count(*) FROM rekognition_entries").fetchone()[0])
