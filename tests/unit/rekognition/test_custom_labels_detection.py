"""DetectCustomLabels: where the image comes from, what is refused, and how errors of the fleet are worded."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running_world import ACCOUNT, BUCKET, OTHER_ACCOUNT, REGION, RunningWorld, play
from sqlalchemy import event

from relook.aws.errors import ServiceError
from relook.blobs.records import Versioning
from relook.core.custom_labels.manifest import MAX_IMAGE_BYTES
from relook.core.custom_labels.states import VersionStatus
from relook.fleet.api import BadInput, FleetError, NotDeployed, Overloaded, UnitLost
from relook.services.rekognition.detection import MAX_SENT_BYTES
from relook.vision.labelled import FoundLabel, LabelPrediction, Rectangle
from relook.vision.samples import ImageFault, Prediction

METADATA = "Unable to get object metadata from S3. Check object key, region and/or access permissions."
FORMAT, PARAMETERS = "Request has invalid image format", "Request has invalid parameters"
BYTES = {"Bytes": b"image"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[RunningWorld]:
    made = RunningWorld(tmp_path)
    made.force(made.arn, VersionStatus.RUNNING, min_units=1)
    yield made
    made.store.close()


def ask(world: RunningWorld, **members: Any) -> list[dict[str, Any]]:
    """The answer of a running version."""
    answers: list[list[dict[str, Any]]] = []

    async def scenario() -> None:
        answers.append(await world.detect(**members))

    play(world, scenario)
    return answers[0]


def refused(world: RunningWorld, image: dict[str, Any] | None = None) -> tuple[str, str]:
    """Code and message of a running version's refusal."""
    answers: list[tuple[str, str]] = []

    async def scenario() -> None:
        error = await world.refused("DetectCustomLabels", ProjectVersionArn=world.arn, Image=image or BYTES)
        answers.append((error.code, error.message))

    play(world, scenario)
    return answers[0]


def stored(name: str = "a", **more: str) -> dict[str, Any]:
    return {"S3Object": {"Bucket": BUCKET, "Name": name, **more}}


def test_a_classifier_tells_name_and_confidence_alone(world: RunningWorld) -> None:
    assert ask(world) == [{"Name": "cat", "Confidence": 75.0}]


@pytest.mark.parametrize(
    ("members", "names"),
    [
        ({"MinConfidence": 0}, ["cat", "dog"]),
        ({"MinConfidence": 0.0, "MaxResults": 1}, ["cat"]),
        ({"MinConfidence": 0, "MaxResults": 0}, []),
        ({"MinConfidence": 25}, ["cat", "dog"]),
        ({"MinConfidence": 100}, []),
        ({"MaxResults": 9}, ["cat"]),
    ],
)
def test_a_minimum_and_a_maximum_reach_the_answer(
    world: RunningWorld, members: dict[str, Any], names: list[str]
) -> None:
    assert [one["Name"] for one in ask(world, **members)] == names


def test_a_detector_tells_boxes_without_polygons(world: RunningWorld) -> None:
    world.fleet.answer = LabelPrediction(100, 50, (FoundLabel("cat", 0.75, 0.5, Rectangle(25, 10, 50, 20)),))
    box = {"Width": 0.5, "Height": 0.4000000059604645, "Left": 0.25, "Top": 0.20000000298023224}
    assert ask(world) == [{"Name": "cat", "Confidence": 75.0, "Geometry": {"BoundingBox": box}}]


def test_nothing_found_is_an_empty_list(world: RunningWorld) -> None:
    world.fleet.answer = LabelPrediction(100, 50, ())
    assert ask(world) == []


def test_labels_are_told_as_they_were_given(world: RunningWorld) -> None:
    name = 'Kätzchen 猫 / "x"'
    world.fleet.answer = LabelPrediction(100, 50, (FoundLabel(name, 1.0, 0.5),))
    assert ask(world) == [{"Name": name, "Confidence": 100.0}]


@pytest.mark.parametrize("image", [{}, {"Bytes": b"image", **stored()}])
def test_an_image_comes_from_one_place(world: RunningWorld, image: dict[str, Any]) -> None:
    members = {"ProjectVersionArn": world.arn, "Image": image}
    error = asyncio.run(world.refused("DetectCustomLabels", **members))
    assert error.code == "InvalidParameterException"
    assert error.message == f"{PARAMETERS} (Image: give either Bytes or S3Object)"


@pytest.mark.parametrize("given", [{}, {"Bucket": BUCKET}, {"Name": "a"}])
def test_an_object_needs_bucket_and_name(world: RunningWorld, given: dict[str, str]) -> None:
    assert refused(world, {"S3Object": given})[0] == "InvalidParameterException"


def test_bytes_of_up_to_4_mb_are_taken(world: RunningWorld) -> None:
    assert ask(world, image={"Bytes": bytes(MAX_SENT_BYTES)})
    code, message = refused(world, {"Bytes": bytes(MAX_SENT_BYTES + 1)})
    assert (code, "4,194,305 bytes" in message) == ("ImageTooLargeException", True)


def test_an_object_is_read_whole(world: RunningWorld) -> None:
    data = bytes(range(256)) * 8192
    world.blobs.put(ACCOUNT, BUCKET, "folder/ä b.jpg", data, "image/jpeg")
    assert ask(world, image=stored("folder/ä b.jpg"))
    assert world.fleet.images == [data]


def test_the_version_of_an_object_is_honoured(world: RunningWorld) -> None:
    world.blobs.buckets.set_versioning(ACCOUNT, BUCKET, Versioning.ENABLED)
    world.blobs.put(ACCOUNT, BUCKET, "a", b"old", "image/jpeg")
    old = world.blobs.objects.find(ACCOUNT, BUCKET, "a").id
    world.blobs.put(ACCOUNT, BUCKET, "a", b"new", "image/jpeg")
    ask(world, image=stored())
    ask(world, image=stored(Version=old))
    assert world.fleet.images == [b"new", b"old"]
    assert refused(world, stored(Version="absent"))[0] == "InvalidS3ObjectException"


@pytest.mark.parametrize("image", [stored("absent"), {"S3Object": {"Bucket": "absent", "Name": "a"}}])
def test_an_object_that_is_not_there(world: RunningWorld, image: dict[str, Any]) -> None:
    code, message = refused(world, image)
    assert (code, message.startswith(METADATA), "s3://" in message or "bucket absent" in message) == (
        "InvalidS3ObjectException", True, True,
    )  # fmt: skip


def test_an_object_of_another_account(world: RunningWorld) -> None:
    world.blobs.buckets.create(OTHER_ACCOUNT, REGION, "theirs")
    world.blobs.put(OTHER_ACCOUNT, "theirs", "a", b"image", "image/jpeg")
    code, message = refused(world, {"S3Object": {"Bucket": "theirs", "Name": "a"}})
    assert (code, message.startswith(METADATA)) == ("InvalidS3ObjectException", True)


def test_of_an_object_that_is_too_large_nothing_is_read(world: RunningWorld) -> None:
    world.blobs.put(ACCOUNT, BUCKET, "largest", bytes(MAX_IMAGE_BYTES), "image/jpeg")
    world.blobs.put(ACCOUNT, BUCKET, "larger", bytes(MAX_IMAGE_BYTES + 1), "image/jpeg")
    assert ask(world, image=stored("largest"))
    tracemalloc.start()
    code, message = refused(world, stored("larger"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (code, "15,728,641 bytes" in message) == ("ImageTooLargeException", True)
    assert peak < MAX_IMAGE_BYTES / 2


@pytest.mark.parametrize(
    ("failure", "code", "text"),
    [
        (BadInput("no JPEG or PNG"), "InvalidImageFormatException", f"{FORMAT} (no JPEG or PNG)"),
        (BadInput("5000 pixels", ImageFault.TOO_LARGE), "ImageTooLargeException", "5000 pixels"),
        (BadInput("63 pixels", ImageFault.SHAPE), "InvalidParameterException", f"{PARAMETERS} (63 pixels)"),
        (Overloaded("busy"), "ProvisionedThroughputExceededException", "every inference unit is busy"),
        (NotDeployed("gone"), "ResourceNotReadyException", "is not running"),
        (UnitLost("lost"), "InternalServerError", "lost"),
        (FleetError("odd"), "InternalServerError", "odd"),
        (Prediction(0.9, 0.5, True, 0.9, 4, 4), "InternalServerError", "not that of a classifier or detector"),
    ],
)
def test_errors_of_the_fleet_are_worded_for_clients(world: RunningWorld, failure: Any, code: str, text: str) -> None:
    world.fleet.answer = failure
    found = refused(world)
    assert (found[0], text in found[1]) == (code, True)


@pytest.mark.parametrize("status", sorted(set(VersionStatus) - {VersionStatus.RUNNING}))
def test_only_what_runs_answers(world: RunningWorld, status: VersionStatus) -> None:
    """Its state comes before its image: that one is not looked at."""
    world.force(world.arn, status)
    error = asyncio.run(world.refused("DetectCustomLabels", ProjectVersionArn=world.arn, Image={}))
    assert (error.code, f"is {status}" in error.message) == ("ResourceNotReadyException", True)


@pytest.mark.parametrize("status", sorted(set(VersionStatus) - {VersionStatus.RUNNING}))
def test_a_start_is_advised_where_it_would_be_accepted(world: RunningWorld, status: VersionStatus) -> None:
    world.force(world.arn, status)
    message = asyncio.run(world.refused("DetectCustomLabels", ProjectVersionArn=world.arn, Image={})).message
    try:
        asyncio.run(world.start())
    except ServiceError:
        assert "StartProjectVersion" not in message
        assert message.endswith(("there is no model to start", "wait until it is RUNNING", "wait until that has ended"))
    else:
        assert message.endswith("start it with StartProjectVersion")


def test_a_running_version_answers_without_the_database(world: RunningWorld) -> None:
    statements: list[str] = []

    @event.listens_for(world.store.engine, "before_cursor_execute")
    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        statements.append(statement)

    async def scenario() -> None:
        assert statements, "the start of the controller is not seen either"
        statements.clear()
        assert await world.detect()
        assert statements == []

    play(world, scenario)
