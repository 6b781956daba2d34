"""StartProjectVersion and StopProjectVersion by boto3, with real inference units."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, WaiterError
from lookout_stage import until
from running_stage import RunningStage, running_stage

from tiny_models import picture, plain, write_detector, write_stumbling

RED = picture(red=(1, 2))
SOON = {"Delay": 1, "MaxAttempts": 60}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStage]:
    with running_stage(tmp_path_factory.mktemp("labels")) as made:
        yield made


def test_a_version_is_started_asked_and_stopped(stage: RunningStage) -> None:
    arn = stage.trained("whole")
    units = {"MinInferenceUnits": 1, "MaxInferenceUnits": 2}
    answer = stage.rekognition.start_project_version(ProjectVersionArn=arn, **units)
    assert (answer["Status"], answer["ResponseMetadata"]["HTTPStatusCode"]) == ("STARTING", 200)
    waiter = stage.rekognition.get_waiter("project_version_running")
    waiter.wait(ProjectArn=stage.project_arn(arn), VersionNames=["v1"], WaiterConfig=SOON)
    found = stage.describe(arn)
    assert (found["Status"], found["StatusMessage"]) == ("RUNNING", "The model is running.")
    assert (found["MinInferenceUnits"], found["MaxInferenceUnits"]) == (1, 2)
    assert [one["Name"] for one in stage.detect(arn, RED)] == ["red part"]

    code, status, message = stage.refused("start_project_version", ProjectVersionArn=arn, MinInferenceUnits=1)
    assert (code, status, "is RUNNING" in message) == ("ResourceInUseException", 400, True)

    answer = stage.rekognition.stop_project_version(ProjectVersionArn=arn)
    assert answer["Status"] == "STOPPING"
    found = stage.settled(arn)
    assert (found["Status"], found["StatusMessage"]) == ("STOPPED", "The model is stopped.")
    assert not {"MinInferenceUnits", "MaxInferenceUnits"} & set(found)
    code, status, message = stage.refused("detect_custom_labels", ProjectVersionArn=arn, Image={"Bytes": RED})
    assert (code, status, "is STOPPED" in message) == ("ResourceNotReadyException", 400, True)
    assert stage.refused("stop_project_version", ProjectVersionArn=arn)[:2] == ("ResourceInUseException", 400)


def test_a_starting_version_can_be_stopped(stage: RunningStage) -> None:
    arn = stage.trained("hasty")
    stage.rekognition.start_project_version(ProjectVersionArn=arn, MinInferenceUnits=1)
    assert stage.rekognition.stop_project_version(ProjectVersionArn=arn)["Status"] == "STOPPING"
    assert stage.settled(arn)["Status"] == "STOPPED"


def test_a_version_that_does_not_come_up_is_failed_with_the_reason(stage: RunningStage) -> None:
    arn = stage.trained("broken")
    (stage.artifacts[arn] / "model.onnx").write_bytes(b"torn")
    stage.rekognition.start_project_version(ProjectVersionArn=arn, MinInferenceUnits=1)
    waiter = stage.rekognition.get_waiter("project_version_running")
    with pytest.raises(WaiterError):
        waiter.wait(ProjectArn=stage.project_arn(arn), VersionNames=["v1"], WaiterConfig=SOON)
    found = stage.describe(arn)
    assert found["Status"] == "FAILED"
    assert found["StatusMessage"].startswith("The model could not be started. ")
    assert "model.onnx is not the graph that model.json describes" in found["StatusMessage"]
    assert stage.refused("stop_project_version", ProjectVersionArn=arn)[0] == "ResourceInUseException"
    write_detector(stage.artifacts[arn])
    stage.run(arn)
    stage.rest(arn)


def test_what_may_not_be_asked_for(stage: RunningStage) -> None:
    arn = stage.trained("units")
    start = {"ProjectVersionArn": arn, "MinInferenceUnits": 2}
    code, status, message = stage.refused("start_project_version", **start, MaxInferenceUnits=1)
    assert (code, status, "MaxInferenceUnits 1 is less" in message) == ("InvalidParameterException", 400, True)
    code, status, message = stage.refused("start_project_version", **start, MaxInferenceUnits=6)
    assert (code, status, "6 inference units" in message) == ("LimitExceededException", 400, True)
    for other in (arn[:-1] + str(9 - int(arn[-1])), arn.replace("/v1/", "/v2/"), arn.replace("us-east-1", "eu-west-1")):
        for operation, more in (
            ("start_project_version", {"MinInferenceUnits": 1}),
            ("stop_project_version", {}),
            ("detect_custom_labels", {"Image": {"Bytes": RED}}),
        ):
            code, status, message = stage.refused(operation, ProjectVersionArn=other, **more)
            assert (code, status, other in message) == ("ResourceNotFoundException", 400, True)
    code, status, _ = stage.refused("stop_project_version", ProjectVersionArn=stage.project_arn(arn))
    assert (code, status) == ("ValidationException", 400)
    assert stage.describe(arn)["Status"] == "TRAINING_COMPLETED"


def test_no_more_than_two_models_run_at_once_and_what_runs_comes_back(stage: RunningStage) -> None:
    first, second, third = (stage.trained(name) for name in ("first", "second", "third"))
    stage.run(first)
    stage.run(second, MinInferenceUnits=2, MaxInferenceUnits=3)
    code, status, message = stage.refused("start_project_version", ProjectVersionArn=third, MinInferenceUnits=1)
    assert (code, status, "the most is 2" in message) == ("LimitExceededException", 400, True)
    before = stage.detect(second, RED)

    stage.restart()

    found = stage.describe(second)
    assert (found["Status"], found["MinInferenceUnits"], found["MaxInferenceUnits"]) == ("RUNNING", 2, 3)
    # No waiting here: a request that comes before the unit is up waits for it.
    assert stage.detect(second, RED) == before
    stage.rest(first)
    stage.run(third)
    stage.rest(second)
    stage.rest(third)


def test_a_kill_in_any_state_leaves_a_version_where_it_was_wanted(stage: RunningStage) -> None:
    arn = stage.trained("killed")
    stage.rekognition.start_project_version(ProjectVersionArn=arn, MinInferenceUnits=1)
    stage.restart(killed=True)
    assert stage.settled(arn)["Status"] == "RUNNING"
    expected = stage.detect(arn, RED)
    assert expected

    stage.restart(killed=True)
    assert stage.describe(arn)["Status"] == "RUNNING"
    assert stage.detect(arn, RED) == expected

    stage.rekognition.stop_project_version(ProjectVersionArn=arn)
    stage.restart(killed=True)
    assert stage.settled(arn)["Status"] == "STOPPED"
    stage.run(arn)
    assert stage.detect(arn, RED) == expected
    stage.rest(arn)


def test_a_model_that_fails_on_an_image_is_an_internal_error_and_runs_on(stage: RunningStage) -> None:
    """Its graph tells of a third label that the card does not know."""
    arn = stage.run(stage.trained("stumbling", write_stumbling))
    code, status, message = stage.refused("detect_custom_labels", ProjectVersionArn=arn, Image={"Bytes": RED})
    assert (code, status) == ("InternalServerError", 500)
    assert "the model failed on this image" in message
    assert stage.detect(arn, plain(0, 0, 0, 160, 128)) == []
    stage.rest(arn)


def test_more_requests_than_can_wait_exceed_the_throughput(stage: RunningStage) -> None:
    """One unit and 32 waiting requests: of a burst of large images some are turned away."""
    arn = stage.run(stage.trained("crowded"))
    body = picture(3000, 2000, red=(1, 2))
    callers = 64
    together = threading.Barrier(callers)

    def call(_: int) -> tuple[int, str]:
        together.wait(30)
        try:
            stage.detect(arn, body)
        except ClientError as error:
            return error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
        return 200, ""

    with ThreadPoolExecutor(callers) as pool:
        answers = Counter(pool.map(call, range(callers)))
    assert set(answers) == {(200, ""), (400, "ProvisionedThroughputExceededException")}
    assert answers[200, ""] >= 32
    assert stage.detect(arn, RED)
    assert len(units(stage, arn)) == 1, "without a maximum there are as many as at the start"
    stage.rest(arn)


def test_units_come_with_load_up_to_the_maximum_and_all_go_with_the_version(stage: RunningStage) -> None:
    """Eight callers, each of whom asks again as soon as it has an answer: one unit always has somebody waiting."""
    arn = stage.run(stage.trained("growing"), MinInferenceUnits=1, MaxInferenceUnits=2)
    assert len(units(stage, arn)) == 1
    body = plain(255, 0, 0, 3000, 2000)
    expected = stage.detect(arn, body)
    assert expected
    enough = threading.Event()

    def keep_asking(_: int) -> int:
        answers = 0
        while not enough.is_set():
            assert stage.detect(arn, body) == expected
            answers += 1
        return answers

    with ThreadPoolExecutor(8) as pool:
        callers = pool.map(keep_asking, range(8))
        try:
            until(partial(units, stage, arn), lambda found: len(found) == 2)
        finally:
            enough.set()
    assert all(callers), "everybody was answered"
    running = units(stage, arn)
    assert len(running) == 2
    assert all(map(alive, running))
    stage.rest(arn)
    assert not any(map(alive, running))


def units(stage: RunningStage, arn: str) -> set[int]:
    """The processes that became ready to answer for this version."""
    whole_lines = stage.server.log.read_text().rpartition("\n")[0].splitlines()
    ready = [json.loads(line) for line in whole_lines if "inference unit is ready" in line]
    return {line["unit"] for line in ready if line["deployment"] == arn}


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()
