"""The notebook of AWS's migration path with the SDK v2 as it comes: default bucket, STS, pictures of real cookies."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from lookout_stage import ACCOUNT, Stage
from sagemaker_calls import ROLE, arn
from sagemaker_sdk import run_script

COOKIE = Path(__file__).resolve().parents[3] / "shared" / "data" / "lookout_cookie"
PUBLIC = arn("algorithm", "lfv-public-algorithm-2025-02-0a1b2c3d", "865070037744")
LABEL = ["source-ref", "anomaly-label-metadata", "anomaly-label"]
RIGHT = 20
"""Of 22 pictures."""

pytestmark = [
    pytest.mark.clients,
    pytest.mark.slow,
    pytest.mark.shared,
    pytest.mark.skipif(not COOKIE.is_dir(), reason=f"{COOKIE} is absent"),
    pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed"),
]


def test_the_notebook_under_the_exports_for_the_sdk(stage: Stage, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "relook", "sagemaker", "env", "--data", str(stage.server.data), "--json"]
    exports = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    found = run_script(
        "notebook.py",
        exports,
        tmp_path,
        algorithm=PUBLIC,
        role=ROLE,
        kind="classification",
        manifest="s3://{bucket}/classification.manifest",
        attributes=LABEL,
        masks=False,
        images=str(COOKIE),
        every=4,
    )
    assert found["bucket"] == f"sagemaker-us-east-1-{ACCOUNT}"  # the SDK made it up from what STS said
    job = found["job"]
    assert (job["TrainingJobStatus"], job["EnableNetworkIsolation"]) == ("Completed", True)
    data = f"s3://{found['bucket']}/{job['TrainingJobName']}/output/model.tar.gz"
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == data
    assert "Completed - Training job completed" in found["log"]
    assert "Candidate " in found["log"]  # what the training wrote, through CloudWatch Logs
    assert found["hyperparameters"] == {"ModelType": "classification"}
    answers = found["transformed"]
    assert len(answers) == 22
    assert sum(answer["IsAnomalous"] == ("anomaly" in name) for name, answer in answers.items()) >= RIGHT
    assert len(found["predicted"]) == 6
    assert found["predicted"] == {name: answers[name] for name in found["predicted"]}
    assert found["left"] == []
