"""A live server with something in each state in which a call of Custom Labels is refused, and room for no more."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from running_stage import ACCOUNT, BUCKET, REGION, RunningStage

from relook.core.custom_labels.names import DatasetType
from relook.core.custom_labels.states import DatasetStatus, VersionStatus
from relook.core.names import Scope
from relook.datafolder import DataFolder
from relook.store import rekognition_datasets as datasets
from relook.store import rekognition_projects as projects
from relook.store import rekognition_versions as versions
from relook.store.engine import Store
from relook.store.rekognition_versions import NewVersion, Output
from relook.testing import LiveServer

PROJECTS = ("running", "idle", "training", "failed", "spare", "busy", "empty")
ROOM = {"PROJECTS": len(PROJECTS), "VERSIONS": 1, "POLICIES": 1, "RUNNING": 1}
POLICY = {
    "Effect": "Allow",
    "Principal": {"AWS": "111122223333"},
    "Action": "rekognition:CopyProjectVersion",
    "Resource": "*",
}
DOCUMENT = json.dumps({"Version": "2012-10-17", "Statement": [POLICY]})
_BY_NAME = f"arn:aws:rekognition:{REGION}:{ACCOUNT}:project/absent"
ABSENT = {
    "absent": f"{_BY_NAME}/1",
    "absent_version": f"{_BY_NAME}/version/v1/1",
    "absent_dataset": f"{_BY_NAME}/dataset/train/1",
}


@contextmanager
def refusing_stage(folder: Path) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """The server's exports; and the ARNs of what there is, and is not, by name.

    A project of each of PROJECTS under its name; `running_version`, `idle_version`, `training_version` and
    `failed_version` of four of them; of `busy` the datasets `updating` and `broken`, of `empty` the datasets `train`
    and `test`. `spare` has the policy `p`. What begins with `absent` is not there, with `foreign` not in this partition
    and with `theirs` another account's.
    """
    room = {f"RELOOK_LABEL_{name}": str(most) for name, most in ROOM.items()} | {"RELOOK_TRAININGS": "1"}
    with LiveServer(folder / "data", environment=room) as server:
        stage = RunningStage(server)
        try:
            yield server.variables, _absent() | _filled(stage)
        finally:
            stage.close()


def _absent() -> dict[str, str]:
    foreign = {name.replace("absent", "foreign"): arn.replace(":aws:", ":aws-cn:") for name, arn in ABSENT.items()}
    theirs = {name.replace("absent", "theirs"): arn.replace(ACCOUNT, "1" * 12) for name, arn in ABSENT.items()}
    return {**ABSENT, **foreign, **theirs}


def _filled(stage: RunningStage) -> dict[str, str]:
    client = stage.rekognition
    found = {f"{name}_version": stage.trained(name) for name in ("running", "idle")}
    stage.run(found["running_version"])
    for name in PROJECTS[2:]:
        client.create_project(ProjectName=name)
    listed = client.describe_projects()["ProjectDescriptions"]
    found |= {one["ProjectArn"].split("/")[1]: one["ProjectArn"] for one in listed}
    client.put_project_policy(ProjectArn=found["spare"], PolicyName="p", PolicyDocument=DOCUMENT)
    for kind in DatasetType:
        made = client.create_dataset(ProjectArn=found["empty"], DatasetType=kind.value)
        found[kind.lower()] = made["DatasetArn"]
    return found | _stuck(stage.server.data)


def _stuck(data: Path) -> dict[str, str]:
    """What a job works on, without the job: it never ends."""
    store, now, scope = Store.open(DataFolder(data).database), time.time_ns() // 1_000_000, Scope(ACCOUNT, REGION)
    found = {}
    try:
        with store.write() as connection:
            for name, status in (
                ("training", VersionStatus.TRAINING_IN_PROGRESS),
                ("failed", VersionStatus.TRAINING_FAILED),
            ):
                home = projects.named(connection, scope, name)
                assert home is not None
                new = NewVersion(home.id, "v1", status, "", Output(BUCKET, name), 1, auto_split=True)
                found[f"{name}_version"] = str(versions.create(connection, new, now).name)
            busy = projects.named(connection, scope, "busy")
            assert busy is not None
            for key, kind, state in (
                ("updating", DatasetType.TRAIN, DatasetStatus.UPDATE_IN_PROGRESS),
                ("broken", DatasetType.TEST, DatasetStatus.CREATE_FAILED),
            ):
                found[key] = str(datasets.create(connection, busy.id, kind, state, "", now).name)
    finally:
        store.close()
    return found
