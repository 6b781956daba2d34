"""`aws sagemaker` on models, configurations, packages and tags, with nothing but what `relook env` exports."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aws_clis import VERSIONS, Aws, cli
from lookout_stage import Stage
from sagemaker_calls import DATA, ROLE, arn, specification

pytestmark = pytest.mark.clients


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def aws(stage: Stage, version: str, tmp_path: Path) -> Aws:
    return partial(cli(version, stage.server.variables, tmp_path), "sagemaker")


def told(aws: Aws, *arguments: str) -> Any:
    return json.loads(aws(*arguments))


def test_from_a_model_to_its_deletion(aws: Aws, version: str) -> None:
    name = ["--model-name", f"Cli-{version}"]
    container = f"Image=builtin/python,ModelDataUrl={DATA},Environment={{MODE=fast}}"
    create = ["create-model", *name, "--execution-role-arn", ROLE, "--enable-network-isolation"]
    made = told(aws, *create, "--primary-container", container)["ModelArn"]
    assert made == arn("model", f"cli-{version}")
    found = told(aws, "describe-model", *name)
    assert found["PrimaryContainer"]["Environment"] == {"MODE": "fast"}
    assert found["EnableNetworkIsolation"] is True
    assert f'Cannot create already existing model "{made}".' in aws(
        *create, "--primary-container", container, succeeds=False
    )
    listed = told(aws, "list-models", "--name-contains", f"cli-{version}")["Models"]
    assert [each["ModelArn"] for each in listed] == [made]

    config = ["--endpoint-config-name", f"cli-{version}"]
    variant = f"VariantName=a,ModelName=Cli-{version},InitialInstanceCount=1,InstanceType=ml.m5.large"
    told(aws, "create-endpoint-config", *config, "--production-variants", variant)
    [described] = told(aws, "describe-endpoint-config", *config)["ProductionVariants"]
    assert described["InitialVariantWeight"] == 1.0
    assert aws("delete-endpoint-config", *config) == ""

    resource = ["--resource-arn", made]
    told(aws, "add-tags", *resource, "--tags", "Key=line,Value=A")
    assert told(aws, "list-tags", *resource)["Tags"] == [{"Key": "line", "Value": "A"}]
    aws("delete-tags", *resource, "--tag-keys", "line")
    assert told(aws, "list-tags", *resource)["Tags"] == []

    assert aws("delete-model", *name) == ""
    refusal = aws("describe-model", *name, succeeds=False)
    assert "(ValidationException)" in refusal
    assert f'Could not find model "{made}".' in refusal


def test_versions_of_a_group(aws: Aws, version: str) -> None:
    group = ["--model-package-group-name", f"cli-group-{version}"]
    told(aws, "create-model-package-group", *group)
    body = json.dumps(specification())
    made = told(aws, "create-model-package", *group, "--inference-specification", body)["ModelPackageArn"]
    assert made == arn("model-package", f"cli-group-{version}/1")
    told(aws, "update-model-package", "--model-package-arn", made, "--model-approval-status", "Approved")
    [summary] = told(aws, "list-model-packages", *group)["ModelPackageSummaryList"]
    assert (summary["ModelPackageVersion"], summary["ModelApprovalStatus"]) == (1, "Approved")
    assert "still has model packages" in aws("delete-model-package-group", *group, succeeds=False)
    assert aws("delete-model-package", "--model-package-name", made) == ""
    assert aws("delete-model-package-group", *group) == ""


def test_the_public_algorithm(aws: Aws) -> None:
    public = arn("algorithm", "lfv-public-algorithm-1", "865070037744")
    found = told(aws, "describe-algorithm", "--algorithm-name", public)
    assert found["AlgorithmStatus"] == "Completed"
    assert found["AlgorithmArn"] == public
    refusal = aws("describe-algorithm", "--algorithm-name", "nobody", succeeds=False)
    assert f"Algorithm {arn('algorithm', 'nobody')} does not exist." in refusal
