"""The SageMaker SDK v2, unmodified, on the whole way off Lookout for Vision."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from lookout_pictures import UNSEEN_ANOMALY, UNSEEN_NORMAL, Picture, pictures
from lookout_stage import BUCKET, Stage
from sagemaker_calls import ROLE, arn
from sagemaker_sdk import run_script

pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed"),
]
PUBLIC = arn("algorithm", "lfv-public-algorithm-2025-02-0a1b2c3d", "865070037744")
LABEL = ["source-ref", "anomaly-label-metadata", "anomaly-label"]
MASK = ["anomaly-mask-ref-metadata", "anomaly-mask-ref"]
OUT = "sdk-migration"


def manifest(stage: Stage, kind: str) -> str:
    """Every line has every attribute, as in the manifests that AWS ships with its notebook; its address."""
    masked = kind == "segmentation"
    template = json.loads(Picture(500, True).line(BUCKET, masked=True))
    lines = []
    for picture in pictures(20, 20 if masked else 10):
        line = json.loads(picture.line(BUCKET, masked=masked))
        if masked and not picture.anomalous:
            line |= {name: template[name] for name in MASK}
        lines.append(json.dumps(line))
    stage.manifest(f"manifests/sdk-{kind}", lines)
    return f"s3://{BUCKET}/manifests/sdk-{kind}"


@pytest.mark.parametrize("kind", ["classification", "segmentation"])
def test_fit_attach_transform_deploy_predict_delete(stage: Stage, tmp_path: Path, kind: str) -> None:
    bucket = f"{OUT}-{kind}"
    stage.s3.create_bucket(Bucket=bucket)
    seen = {"normal.png": UNSEEN_NORMAL, "anomaly.png": UNSEEN_ANOMALY}
    for name, picture in seen.items():
        stage.s3.put_object(Bucket=bucket, Key=f"look/{name}", Body=picture.png())
        (tmp_path / name).write_bytes(picture.png())
    found = run_script(
        "migration.py",
        stage.server.variables,
        tmp_path,
        algorithm=PUBLIC,
        role=ROLE,
        bucket=bucket,
        job=f"sdk-{kind}",
        type=kind,
        attributes=LABEL + (MASK if kind == "segmentation" else []),
        manifest=manifest(stage, kind),
        images=f"s3://{bucket}/look/",
        pictures=[str(tmp_path / name) for name in seen],
    )
    assert found["data"] == f"s3://{bucket}/sdk-{kind}/output/model.tar.gz"
    assert "test:f1=1" in found["shown"]
    assert "Completed - Training job completed" in found["shown"]
    by_transform = [found["transformed"][f"transformed/{name}.out"] for name in seen]
    for answers in (by_transform, found["answers"]):
        assert [each["IsAnomalous"] for each in answers] == [False, True]
        assert all(each["Source"] == {"Type": "direct"} for each in answers)
        assert all(("AnomalyMask" in each) == (kind == "segmentation") for each in answers)
