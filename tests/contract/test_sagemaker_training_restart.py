"""kill -9 of the server, of the worker's job, and an orderly end, while a container trains."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from lookout_stage import Stage, until
from sagemaker_calls import ROLE

from relook.testing import LiveServer

BUCKET = "restarts"
PROGRAM = """
import os, sys, time
beacon = "/opt/ml/checkpoints/went-before"
if os.path.exists(beacon):
    open("/opt/ml/model/done", "w").write("done")
    sys.exit(0)
open(beacon, "w").write("1")
time.sleep(250)
"""
pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with LiveServer(tmp_path / "data") as server:
        made = Stage(server)
        made.s3.create_bucket(Bucket=BUCKET)
        made.s3.put_object(Bucket=BUCKET, Key="code/program.py", Body=PROGRAM.encode())
        yield made
        made.close()


def begin(stage: Stage) -> None:
    """Train until the checkpoint is in the bucket, by which the next attempt finds that it is one."""
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/code/"}}
    stage.client("sagemaker").create_training_job(
        TrainingJobName="job",
        RoleArn=ROLE,
        AlgorithmSpecification={
            "TrainingImage": "builtin/python",
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python3", "/opt/ml/input/data/code/program.py"],
        },
        InputDataConfig=[{"ChannelName": "code", "DataSource": source}],
        CheckpointConfig={"S3Uri": f"s3://{BUCKET}/checkpoints"},
        OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 240},
    )
    until(partial(stage.s3.list_objects_v2, Bucket=BUCKET, Prefix="checkpoints/"), lambda found: found["KeyCount"] == 1)


def describe(stage: Stage) -> dict[str, Any]:
    return dict(stage.client("sagemaker").describe_training_job(TrainingJobName="job"))


def completed(stage: Stage) -> list[str]:
    """The stages of the job once it has ended well."""
    found = until(partial(describe, stage), lambda found: found["TrainingJobStatus"] != "InProgress")
    assert found["TrainingJobStatus"] == "Completed", found.get("FailureReason")
    return [each["Status"] for each in found["SecondaryStatusTransitions"]]


def job_processes(data: Path) -> list[int]:
    """The process of the one job that runs on this data folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if "_job" in words and any(str(data) in word for word in words):
            found.append(int(path.parent.name))
    return found


def test_a_training_runs_again_after_its_process_was_killed(stage: Stage) -> None:
    begin(stage)
    (process,) = job_processes(stage.server.data)
    os.kill(process, signal.SIGKILL)
    stages = completed(stage)
    assert stages[-1] == "Completed"
    assert stages.count("Restarting") == 1
    assert not list((stage.server.data / "training").iterdir())


@pytest.mark.slow
def test_a_training_runs_again_after_the_server_was_killed(stage: Stage) -> None:
    begin(stage)
    stage.close()
    stage.server.kill()
    stage.server.start()
    again = Stage(stage.server)
    assert "Restarting" in completed(again)
    again.close()


@pytest.mark.slow
def test_a_training_that_a_stop_of_the_server_ended_runs_again_without_counting(stage: Stage) -> None:
    begin(stage)
    stage.restart()
    stages = completed(stage)
    assert stages.count("Training") == 2
    assert not list((stage.server.data / "training").iterdir())
