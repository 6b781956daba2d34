"""What trainings need and survive: manifests, a killed worker, a cancellation; what two of them have in common."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from label_versions import VersionStage
from lookout_stage import BUCKET, Stage, until

from relook.testing import LiveServer


@pytest.fixture(scope="module")
def versions(stage: Stage) -> VersionStage:
    return VersionStage(stage, "ap-southeast-3")


def job_of(server: LiveServer, arn: str) -> dict[str, Any]:
    """The newest job's row, read as it is: the command line takes longer than a stage of so small a training."""
    with closing(sqlite3.connect(f"file:{server.data / 'relook.sqlite3'}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        rows = connection.execute("SELECT * FROM jobs WHERE subject = ? ORDER BY number DESC LIMIT 1", (arn,))
        return dict(rows.fetchone())


@pytest.mark.slow
def test_two_trainings_on_the_same_give_the_same_model(versions: VersionStage) -> None:
    project = versions.project()
    data = versions.legacy(versions.labelled(8, "red", "green"))
    digests = []
    for name in ("one", "two"):
        versions.create_version(project, name, **data)
        found = versions.settled_version(project, name)
        assert found["Status"] == "TRAINING_COMPLETED", found["StatusMessage"]
        digests.append(_newest_graph(versions.stage.server.data))
    assert digests[0] == digests[1]


def _newest_graph(data: Path) -> str:
    graphs = sorted((data / "artifacts").glob("*/model.onnx"), key=lambda path: path.stat().st_mtime_ns)
    return hashlib.sha256(graphs[-1].read_bytes()).hexdigest()


def test_a_training_tells_how_far_it_is_and_survives_a_kill(versions: VersionStage) -> None:
    project = versions.project()
    arn = versions.create_version(project, **versions.legacy(versions.labelled(10, "red", "green", prefix="killed")))
    server = versions.stage.server
    seen = until(lambda: job_of(server, arn), lambda job: "left" in job["stage"])
    assert "at most" in seen["stage"]
    [pid] = _processes(job_of(server, arn)["id"])
    os.kill(pid, signal.SIGKILL)
    found = versions.settled_version(project)
    assert found["Status"] == "TRAINING_COMPLETED", found["StatusMessage"]
    assert job_of(server, arn)["attempt"] == 2


def _processes(job: str) -> list[int]:
    """The processes that run a job."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            arguments = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if job.encode() in arguments:
            found.append(int(path.parent.name))
    return found


def test_a_training_can_be_cancelled(versions: VersionStage) -> None:
    project = versions.project()
    arn = versions.create_version(project, **versions.legacy(versions.labelled(20, "red", "green", prefix="ended")))
    server = versions.stage.server
    until(lambda: job_of(server, arn), lambda job: job["stage"] != "")
    cancel = [sys.executable, "-m", "relook", "jobs", "cancel", job_of(server, arn)["id"], "--data", str(server.data)]
    subprocess.run(cancel, capture_output=True, check=True)
    found = versions.settled_version(project)
    assert (found["Status"], found["StatusMessage"]) == ("TRAINING_FAILED", "It was cancelled.")
    assert job_of(server, arn)["state"] == "CANCELLED"


def test_ground_truths_own_multi_label_lines(versions: VersionStage) -> None:
    """Neither the original nor Relook takes them: the images are there, with an error each."""
    project = versions.project()
    lines = [
        _multilabel(line["source-ref"], place % 2) for place, line in enumerate(versions.labelled(5, "red", "green"))
    ]
    train = versions.dataset(lines, project)
    stats = {"LabeledEntries": 10, "TotalEntries": 10, "TotalLabels": 0, "ErrorEntries": 10}
    assert versions.describe(train)["DatasetStats"] == stats
    assert len(versions.entries(train, HasErrors=True)) == 10
    assert versions.client.list_dataset_labels(DatasetArn=train)["DatasetLabelDescriptions"] == []

    test = versions.create(project, kind="TEST")
    versions.client.distribute_dataset_entries(Datasets=[{"Arn": train}, {"Arn": test}])
    assert [versions.settled(arn)["Status"] for arn in (train, test)] == ["UPDATE_FAILED", "UPDATE_FAILED"]
    assert versions.describe(train)["DatasetStats"] == stats

    versions.create_version(project)
    found = versions.settled_version(project)
    message = "The manifest file contains too many invalid rows."
    assert (found["Status"], found["StatusMessage"]) == ("TRAINING_FAILED", message)
    assert versions.read(found["ManifestSummary"])["statistics"]["training"]["invalid_json_lines"] == 10
    assert "EvaluationResult" not in found


def _multilabel(source_ref: str, has: int) -> dict[str, Any]:
    """A line of a labelling job for several labels: an array of class ids, of which there may be none."""
    return {
        "source-ref": source_ref,
        "colours": [has],
        "colours-metadata": {
            "job-name": "labeling-job/colours",
            "class-map": {str(has): ("red", "green")[has]},
            "confidence-map": {str(has): 0.95},
            "human-annotated": "yes",
            "creation-date": "2020-03-06T17:46:39.176",
            "type": "groundtruth/image-classification-multilabel",
        },
    }


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="PyTorch is installed: detectors are trained")
def test_a_detector_needs_pytorch(versions: VersionStage) -> None:
    project = versions.project()
    versions.create_version(project, **versions.legacy(versions.boxed(8, "red")))
    found = versions.settled_version(project)
    assert found["Status"] == "TRAINING_FAILED"
    assert "pip install 'relook[train]'" in found["StatusMessage"]
    statistics = versions.read(found["ManifestSummary"])["statistics"]
    assert [statistics[name]["valid_json_lines"] for name in ("training", "testing")] == [6, 2]
    assert "EvaluationResult" not in found


@pytest.mark.slow
def test_a_server_killed_amid_a_training_and_a_copy(tmp_path: Path) -> None:
    with LiveServer(tmp_path / "data") as server:
        stage = Stage(server)
        stage.s3.create_bucket(Bucket=BUCKET)
        versions = VersionStage(stage, "us-east-1")
        project = versions.project()
        versions.dataset(versions.labelled(10, "red", "green"), project)
        arn = versions.create_version(project)
        until(lambda: job_of(server, arn), lambda job: "left" in job["stage"])
        stage.restart(killed=True)
        found = versions.settled_version(project)
        assert found["Status"] == "TRAINING_COMPLETED", found["StatusMessage"]
        assert found["TestingDataResult"]["Input"] == {"AutoCreate": True}
        [described] = versions.client.describe_projects()["ProjectDescriptions"]
        totals = [versions.describe(one["DatasetArn"])["DatasetStats"]["TotalEntries"] for one in described["Datasets"]]
        assert sorted(totals) == [4, 16]
        versions.client.copy_project_version(
            SourceProjectArn=project,
            SourceProjectVersionArn=arn,
            DestinationProjectArn=project,
            VersionName="copy",
            OutputConfig={"S3Bucket": BUCKET, "S3KeyPrefix": "copied"},
        )
        stage.restart(killed=True)
        assert versions.settled_version(project, "copy")["Status"] == "COPYING_COMPLETED"
        assert len(list((server.data / "artifacts").glob("*/model.json"))) == 2
        stage.close()
