"""`aws iam`, `aws logs` and `aws application-autoscaling`, with nothing but what `relook env` exports."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from aws_clis import VERSIONS, Aws, cli
from lookout_stage import ACCOUNT, REGION, Stage

from relook.core.clock import system_clock
from relook.core.names import Scope
from relook.datafolder import DataFolder
from relook.store import logs
from relook.store.engine import Store

pytestmark = pytest.mark.clients
TRUST = {
    "Version": "2012-10-17",
    "Statement": {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"},
}
FULL = "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def aws(stage: Stage, version: str, tmp_path: Path) -> Aws:
    return cli(version, stage.server.variables, tmp_path)


def test_a_role(aws: Aws, version: str, tmp_path: Path) -> None:
    name = ["--role-name", f"Cli-{version}"]
    (tmp_path / "trust.json").write_text(json.dumps(TRUST))
    made = json.loads(aws("iam", "create-role", *name, "--assume-role-policy-document", "file://trust.json"))["Role"]
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/Cli-{version}"
    assert made["AssumeRolePolicyDocument"] == TRUST
    aws("iam", "attach-role-policy", *name, "--policy-arn", FULL)
    assert "DeleteConflict" in aws("iam", "delete-role", *name, succeeds=False)
    aws("iam", "detach-role-policy", *name, "--policy-arn", FULL)
    aws("iam", "delete-role", *name)
    assert "NoSuchEntity" in aws("iam", "get-role", *name, succeeds=False)


def test_logs(stage: Stage, aws: Aws, version: str) -> None:
    group = f"/aws/sagemaker/Cli-{version}"
    now = system_clock()
    store = Store.open(DataFolder(stage.server.data).database)
    with store.write() as connection:
        lines = [(now - 2000, "first line"), (now - 1000, "second line")]
        logs.append(connection, Scope(ACCOUNT, REGION), group, "job/algo-1", lines)
    store.close()
    found = json.loads(aws("logs", "get-log-events", "--log-group-name", group, "--log-stream-name", "job/algo-1"))
    assert [event["message"] for event in found["events"]] == ["first line", "second line"]
    found = json.loads(aws("logs", "filter-log-events", "--log-group-name", group, "--filter-pattern", "second"))
    assert [event["message"] for event in found["events"]] == ["second line"]
    if version == "v2":
        assert [line.split(" ", 2)[1:] for line in aws("logs", "tail", group).splitlines()] == [
            ["job/algo-1", "first line"],
            ["job/algo-1", "second line"],
        ]


def test_scalable_targets(aws: Aws) -> None:
    listed = aws("application-autoscaling", "describe-scalable-targets", "--service-namespace", "sagemaker")
    assert json.loads(listed) == {"ScalableTargets": []}
    what = [
        "--resource-id",
        "endpoint/none/variant/a",
        "--scalable-dimension",
        "sagemaker:variant:DesiredInstanceCount",
    ]
    bounds = ["--min-capacity", "1", "--max-capacity", "2"]
    command = ["register-scalable-target", "--service-namespace", "sagemaker", *what, *bounds]
    assert "There is no production variant" in aws("application-autoscaling", *command, succeeds=False)
