"""DetectAnomalies."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from hosting_stage import JPEG, MODEL, Stage, image, play
from lookout_world import OTHER_ACCOUNT, Incoming, World

from perfect_trainer import PIXEL
from relook.fleet.api import BadInput, FleetError, Overloaded, UnitLost
from relook.services.lookoutvision import Limits
from relook.vision.samples import Prediction, Region


@pytest.fixture
def world(trained_world: World) -> World:
    return trained_world


def test_a_classification_answer_has_no_anomalies(world: World) -> None:

    async def scenario(stage: Stage) -> None:
        await stage.hosted()
        assert await stage.detect() == {"Source": {"Type": "direct"}, "IsAnomalous": True, "Confidence": 0.9}

    play(world, scenario)


def test_a_segmentation_answer_always_has_them(world: World) -> None:
    background = Region("background", "#FFFFFF", 1.0)
    world.fleet.answer = Prediction(0.1, 0.5, False, 0.9, 4, 4, (background,), PIXEL)

    async def scenario(stage: Stage) -> None:
        await stage.hosted()
        found = await stage.detect()
        assert base64.b64decode(found.pop("AnomalyMask")) == PIXEL
        assert found == {
            "Source": {"Type": "direct"},
            "IsAnomalous": False,
            "Confidence": 0.9,
            "Anomalies": [{"Name": "background", "PixelAnomaly": {"TotalPercentageArea": 1.0, "Color": "#FFFFFF"}}],
        }

    play(world, scenario)


@pytest.mark.parametrize(
    ("failure", "code", "text"),
    [
        (BadInput("no JPEG or PNG"), "ValidationException", "no JPEG or PNG"),
        (Overloaded("busy"), "ThrottlingException", "every inference unit is busy"),
        (UnitLost("lost"), "InternalServerException", "lost"),
        (FleetError("odd"), "InternalServerException", "odd"),
    ],
)
def test_errors_of_the_fleet_are_worded_for_clients(world: World, failure: Exception, code: str, text: str) -> None:
    world.fleet.answer = failure

    async def scenario(stage: Stage) -> None:
        await stage.hosted()
        error = await world.arefused("DetectAnomalies", **MODEL, **image())
        assert (error.code, text in error.message) == (code, True)
        if code in ("ThrottlingException", "InternalServerException"):
            assert error.headers == {"Retry-After": "1"}

    play(world, scenario)


def test_a_model_the_fleet_has_lost_is_a_conflict(world: World) -> None:

    async def scenario(stage: Stage) -> None:
        await stage.hosted()
        stage.fleet.deployed.clear()
        assert (await world.arefused("DetectAnomalies", **MODEL, **image())).code == "ConflictException"

    play(world, scenario)


def test_existence_then_state_then_content(world: World) -> None:
    junk = {"ContentType": "text/plain", "Body": Incoming(b"")}

    async def scenario(stage: Stage) -> None:
        members: dict[str, Any] = {"ProjectName": "absent", "ModelVersion": "1"}
        assert (await world.arefused("DetectAnomalies", **members, **junk)).members["ResourceType"] == "PROJECT"
        members = {"ProjectName": "p", "ModelVersion": "2"}
        assert (await world.arefused("DetectAnomalies", **members, **junk)).members["ResourceType"] == "MODEL"
        assert (await world.arefused("DetectAnomalies", **MODEL, **junk)).code == "ConflictException"
        await stage.hosted()
        error = await world.arefused("DetectAnomalies", **MODEL, **junk)
        assert error.code == "ValidationException"
        assert error.message == "content-type must be one of the following. image/jpeg, image/png"
        error = await world.arefused("DetectAnomalies", **MODEL, **{**junk, **JPEG})
        assert (error.code, "empty" in error.message) == ("ValidationException", True)
        assert (await world.arefused("DetectAnomalies", OTHER_ACCOUNT, **MODEL, **image())).status == 404

    play(world, scenario)


@pytest.mark.parametrize("told", [True, False])
def test_an_image_that_is_too_large_is_refused_early(world: World, tmp_path: Path, told: bool) -> None:
    world.close()
    world = World(tmp_path, limits=Limits(image_bytes=10))

    async def scenario(stage: Stage) -> None:
        await stage.hosted()
        await stage.detect(Body=Incoming(b"12345", b"67890", told=told))
        body = Incoming(b"12345", b"67890", b"1", b"never read", told=told)
        error = await world.arefused("DetectAnomalies", **MODEL, **JPEG, Body=body)
        assert (error.code, "larger than 10 bytes" in error.message) == ("ValidationException", True)
        assert body.read_bytes == (0 if told else 11)

    play(world, scenario)
    world.close()
