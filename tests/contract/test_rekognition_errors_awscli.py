"""`aws rekognition` tells by its exit what failed while a model was trained, started or asked.

What is refused at once is in test_rekognition_refusals_awscli.py.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from aws_clis import VERSIONS, Aws, cli
from botocore.exceptions import ClientError
from label_versions import VersionStage
from lookout_stage import BUCKET, REGION, Stage
from running_stage import RunningStage, running_stage

from tiny_models import picture, write_stumbling

pytestmark = pytest.mark.clients
REFUSED = {"v1": 255, "v2": 254}
WAITED_IN_VAIN = 255
FILES = {"red.png": picture(red=(1, 2))}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStage]:
    with running_stage(tmp_path_factory.mktemp("labels")) as made:
        yield made


@pytest.fixture(scope="module")
def failed(stage: RunningStage) -> str:
    """A project whose version v1 could not be trained."""
    made = Stage(stage.server)
    made.s3.create_bucket(Bucket=BUCKET)
    versions = VersionStage(made, REGION)
    project = versions.project()
    versions.create_version(project, **versions.legacy(versions.labelled(1, "red", "green")))
    assert versions.settled_version(project)["Status"] == "TRAINING_FAILED"
    made.close()
    return project


@pytest.fixture(scope="module")
def torn(stage: RunningStage) -> str:
    """A project whose version v1 could not be started."""
    version = stage.trained("torn")
    (stage.artifacts[version] / "model.onnx").write_bytes(b"torn")
    stage.rekognition.start_project_version(ProjectVersionArn=version, MinInferenceUnits=1)
    assert stage.settled(version)["Status"] == "FAILED"
    return stage.project_arn(version)


@pytest.fixture(scope="module")
def stumbles(stage: RunningStage) -> str:
    """A version whose model fails on red pictures."""
    return stage.trained("stumbling", write_stumbling)


@pytest.fixture
def stumbling(stage: RunningStage, stumbles: str) -> Iterator[str]:
    """It, running: no more than two may at once."""
    yield stage.run(stumbles)
    stage.rest(stumbles)


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def aws(stage: RunningStage, version: str, tmp_path: Path) -> Aws:
    for name, data in FILES.items():
        (tmp_path / name).write_bytes(data)
    return partial(cli(version, stage.server.variables, tmp_path), "rekognition")


def test_a_model_that_fails_on_an_image(stage: RunningStage, aws: Aws, version: str, stumbling: str) -> None:
    asked = ["--project-version-arn", stumbling, "--image-bytes", "fileb://red.png"]
    said = aws("detect-custom-labels", *asked, exits=REFUSED[version])
    assert "An error occurred (InternalServerError) when calling the DetectCustomLabels operation" in said


def test_more_requests_than_can_wait(stage: RunningStage, version: str, tmp_path: Path) -> None:
    """One unit and 32 waiting requests, whose places are taken again as soon as they are free."""
    aws = cli(version, {**stage.server.variables, "AWS_MAX_ATTEMPTS": "1"}, tmp_path)
    crowded, body = stage.run(stage.trained(f"crowded-{version}")), picture(3000, 2000, red=(1, 2))
    (tmp_path / "red.png").write_bytes(FILES["red.png"])
    enough = threading.Event()

    def keep_asking(_: int) -> None:
        while not enough.is_set():
            with contextlib.suppress(ClientError):
                stage.detect(crowded, body)

    asked = [
        "rekognition",
        "detect-custom-labels",
        "--project-version-arn",
        crowded,
        "--image-bytes",
        "fileb://red.png",
    ]
    said = ""
    with ThreadPoolExecutor(64) as pool:
        callers = pool.map(keep_asking, range(64))
        try:
            while not said:
                said = aws(*asked, exits=(0, REFUSED[version]))
        finally:
            enough.set()
        list(callers)
    assert "(ProvisionedThroughputExceededException) when calling the DetectCustomLabels operation" in said
    stage.rest(crowded)


def test_a_waiter_for_a_training_that_failed(aws: Aws, failed: str) -> None:
    of_version = ["--project-arn", failed, "--version-names", "v1"]
    said = aws("wait", "project-version-training-completed", *of_version, exits=WAITED_IN_VAIN)
    assert "Waiter ProjectVersionTrainingCompleted failed" in said
    assert "TRAINING_FAILED" in said


def test_a_waiter_for_a_version_that_does_not_come_up(aws: Aws, torn: str) -> None:
    said = aws("wait", "project-version-running", "--project-arn", torn, "--version-names", "v1", exits=WAITED_IN_VAIN)
    assert "Waiter ProjectVersionRunning failed" in said
    assert "FAILED" in said
