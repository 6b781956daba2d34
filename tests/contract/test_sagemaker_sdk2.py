"""The SageMaker SDK v2, unmodified, on our algorithms, model packages, models and configurations."""

from __future__ import annotations

from pathlib import Path

import pytest
from lookout_stage import Stage
from sagemaker_calls import DATA, IMAGE, ROLE, arn
from sagemaker_sdk import run_script

pytestmark = pytest.mark.clients
PUBLIC = arn("algorithm", "lfv-public-algorithm-2025-02-0a1b2c3d", "865070037744")


def test_from_an_algorithm_to_models(stage: Stage, tmp_path: Path) -> None:
    found = run_script(
        "registry.py",
        stage.server.variables,
        tmp_path,
        algorithm=PUBLIC,
        role=ROLE,
        image=IMAGE,
        data=DATA,
        bucket="sdk-registry",
    )
    assert found["hyperparameters"] == {"ModelType": "segmentation"}
    assert found["isolated"] == [True, True]
    assert found["package"] == arn("model-package", "sdk-group/1")
    from_algorithm, from_group, plain, pipe, many = found["models"]
    assert from_algorithm["EnableNetworkIsolation"] is True
    assert list(from_algorithm["Containers"][0]) == ["Environment", "ModelPackageName"]
    assert from_group["Containers"][0]["ModelPackageName"] == found["package"]
    assert plain["PrimaryContainer"]["Image"] == IMAGE
    assert len(pipe["Containers"]) == 2
    assert many["PrimaryContainer"]["Mode"] == "MultiModel"
    assert found["config"]["ProductionVariants"][0]["ModelName"] == "sdk-plain"
    assert found["left"] == [True, True, False, True, True]
