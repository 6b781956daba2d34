"""`relook sagemaker env`: a client that insists on Amazon's STS, as the SDK does, reaches this server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from lookout_stage import ACCOUNT, Stage

_ASK = """
import boto3, sys
address = sys.argv[1]
print(boto3.client("sts", region_name="eu-west-1", endpoint_url=address).get_caller_identity()["Account"])
"""
_SHOW = "import boto3, sys; print(boto3.client('sts', endpoint_url=sys.argv[1]).meta.endpoint_url)"


def exports(stage: Stage, **environment: str) -> dict[str, str]:
    command = [sys.executable, "-m", "relook", "sagemaker", "env", "--data", str(stage.server.data), "--json"]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found


def run(variables: dict[str, str], *arguments: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
    command = [sys.executable, "-c", *arguments]
    done = subprocess.run(command, env=kept | variables, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("address", ["https://sts.eu-west-1.amazonaws.com", "https://sts.amazonaws.com"])
def test_a_hard_wired_client_of_sts_reaches_us(stage: Stage, address: str) -> None:
    assert run(exports(stage), _ASK, address) == ACCOUNT


def test_the_clients_that_lead_elsewhere_are_left_alone(stage: Stage) -> None:
    found = exports(stage)
    assert run(found, _SHOW, "http://127.0.0.1:9") == "http://127.0.0.1:9"
    del found["AWS_ENDPOINT_URL"]
    assert run(found, _SHOW, "https://sts.us-east-1.amazonaws.com") == "https://sts.us-east-1.amazonaws.com"


def test_what_was_on_the_path_stays_there_and_runs(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.ran = True\n")
    found = exports(stage, PYTHONPATH=str(tmp_path))
    assert found["PYTHONPATH"].split(os.pathsep)[1:] == [str(tmp_path)]
    assert exports(stage, PYTHONPATH=found["PYTHONPATH"])["PYTHONPATH"] == found["PYTHONPATH"]
    assert run(found, f"import sys; assert sys.ran\n{_ASK}", "https://sts.us-east-1.amazonaws.com") == ACCOUNT


def test_the_configuration_of_the_sdk_opts_out_of_telemetry(stage: Stage) -> None:
    config = Path(exports(stage)["SAGEMAKER_USER_CONFIG_OVERRIDE"]).read_text()
    assert config.splitlines()[-1].strip() == "TelemetryOptOut: true"


def test_the_sdk_v3_is_told_not_to_ask_what_a_role_may_do(stage: Stage) -> None:
    assert exports(stage)["SAGEMAKER_VALIDATE_ROLE"] == "false"
