"""Whole lives of versions on real pictures: things told apart, good boards from bad ones, blood cells found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bench.boxed import blood_cells
from boxes_told import check_answers, check_report, report_of, told_on
from label_versions import SOON, VersionStage
from lookout_stage import BUCKET, Stage

from label_pictures import Box, box_line, label_line
from relook.testing import LiveServer
from relook.vision.labelled import LabelledImage

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
COOKIES, ALIENS, BOARDS = (DATA / f"lookout_{name}" for name in ("cookie", "aliens", "circuitboard_1000px"))
SIZE = 640, 480
"""Of the pictures of blood cells."""

pytestmark = [
    pytest.mark.shared,
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.is_dir(), reason="the real images of ../shared/data are not there"),
    pytest.mark.timeout(1800),
]


@pytest.fixture(scope="module")
def versions(stage: Stage) -> VersionStage:
    return VersionStage(stage, "eu-south-2")


def lines(versions: VersionStage, folder: Path, label: str, every: int = 1) -> list[dict[str, Any]]:
    """Lines of every so manyth image of a folder, which are put into the bucket."""
    found = sorted(path for path in folder.rglob("*.*") if path.suffix in (".jpg", ".png"))[::every]
    keys = [path.relative_to(DATA).as_posix() for path in found]
    return [label_line(versions.put(key, (DATA / key).read_bytes()), label) for key in keys]


def life(versions: VersionStage, project: str, minimum: float) -> str:
    """Train on the datasets of a project, and start the version; its ARN."""
    arn = versions.create_version(project)
    waiter = versions.client.get_waiter("project_version_training_completed")
    waiter.wait(ProjectArn=project, VersionNames=["v1"], WaiterConfig=SOON | {"Delay": 5, "MaxAttempts": 300})
    found = versions.describe_version(project)
    assert found["EvaluationResult"]["F1Score"] >= minimum
    versions.client.start_project_version(ProjectVersionArn=arn, MinInferenceUnits=1)
    assert versions.settled_version(project)["Status"] == "RUNNING"
    return arn


def end(versions: VersionStage, project: str, arn: str) -> None:
    versions.client.stop_project_version(ProjectVersionArn=arn)
    assert versions.settled_version(project)["Status"] == "STOPPED"
    assert versions.client.delete_project_version(ProjectVersionArn=arn)["Status"] == "DELETING"


def told(versions: VersionStage, arn: str, line: dict[str, Any]) -> str:
    """The surest label of the image of a line, asked from S3."""
    key = line["source-ref"].removeprefix(f"s3://{BUCKET}/")
    image = {"S3Object": {"Bucket": BUCKET, "Name": key}}
    [found] = versions.client.detect_custom_labels(ProjectVersionArn=arn, Image=image, MinConfidence=0, MaxResults=1)[
        "CustomLabels"
    ]
    assert set(found) == {"Name", "Confidence"}
    return str(found["Name"])


def test_three_kinds_of_things(versions: VersionStage) -> None:
    project = versions.project()
    train = [
        *lines(versions, COOKIES / "training-images", "cookie", every=4),
        *lines(versions, ALIENS / "train", "alien", every=3),
        *lines(versions, BOARDS / "train", "board", every=3),
    ]
    versions.dataset(train, project)
    arn = life(versions, project, 1.0)
    unseen = [
        *lines(versions, COOKIES / "test-images", "cookie", every=2),
        *lines(versions, ALIENS / "test", "alien", every=8),
        *lines(versions, BOARDS / "test", "board", every=4),
    ]
    truth = [line["label-0-metadata"]["class-name"] for line in unseen]
    assert [told(versions, arn, line) for line in unseen] == truth
    end(versions, project, arn)


def test_good_boards_and_bad_ones(versions: VersionStage) -> None:
    project = versions.project()
    for kind, folder in (("TRAIN", "train"), ("TEST", "test")):
        found = [
            *lines(versions, BOARDS / folder / "good", "good"),
            *lines(versions, BOARDS / folder / "anomaly", "bad"),
        ]
        dataset = versions.create(project, versions.upload(found), kind)
        assert versions.settled(dataset)["Status"] == "CREATE_COMPLETE"
    arn = life(versions, project, 0.95)
    end(versions, project, arn)


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[VersionStage]:
    """A server whose detectors learn for three minutes or so: by steps, for what a machine does in them differs."""
    environment = {"RELOOK_DETECTOR_STEPS": "200", "RELOOK_DETECTOR_MINUTES": "20"}
    with LiveServer(tmp_path / "data", environment=environment) as server:
        stage = Stage(server)
        stage.s3.create_bucket(Bucket=BUCKET)
        yield VersionStage(stage, "us-east-1")
        stage.close()


@pytest.mark.torch
def test_blood_cells(quick: VersionStage) -> None:
    cells = blood_cells()
    project = quick.project()
    for kind, images in (("TRAIN", cells.training), ("TEST", cells.test)):
        dataset = quick.create(project, quick.upload([_boxed(quick, image) for image in images]), kind)
        assert quick.settled(dataset)["Status"] == "CREATE_COMPLETE"
    # How good it becomes in half an hour the bench tells.
    arn = life(quick, project, 0.3)
    described = quick.describe_version(project)
    summary = quick.read(described["EvaluationResult"]["Summary"])
    assert summary["EvaluationDetails"]["NumberOfTestingImages"] == len(cells.test)
    assert summary["AggregatedEvaluationResults"]["AveragePrecision"] >= 0.3
    report, truths = report_of(quick, described), Counter(one.label for image in cells.test for one in image.boxes)
    check_report(report, truths, len(cells.test))
    pictures = [(image.load(), _true(image)) for image in cells.test]
    check_answers(report, *told_on(quick, arn, pictures, SIZE))
    found = quick.detect(arn, cells.test[0].load())
    assert {one["Name"] for one in found} <= set(cells.labels)
    assert all(set(one["Geometry"]) == {"BoundingBox"} for one in found)
    assert found
    end(quick, project, arn)


def _boxed(versions: VersionStage, image: LabelledImage) -> dict[str, Any]:
    return box_line(versions.put(f"cells/{image.key}", image.load()), SIZE, _true(image))


def _true(image: LabelledImage) -> list[tuple[str, Box]]:
    return [(one.label, (one.box.left, one.box.top, one.box.width, one.box.height)) for one in image.boxes]
