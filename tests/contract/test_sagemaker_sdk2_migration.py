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
COOKIE = Path(__file__).parents[2].parent / "shared" / "data" / "lookout_cookie"


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


def cookies(stage: Stage, bucket: str, kind: str) -> str:
    """Upload AWS's own example with its manifest, completed for segmentation as the notebook says; its address."""
    for path in [*COOKIE.glob("*-images/*"), COOKIE / "dummy_anomaly_mask.png"]:
        stage.s3.put_object(Bucket=bucket, Key=path.relative_to(COOKIE).as_posix(), Body=path.read_bytes())
    lines = [json.loads(text) for text in (COOKIE / "template.manifest").read_text("utf-8").splitlines()]
    template = next(line for line in lines if MASK[1] in line)
    for line in lines:
        if kind == "segmentation":
            line.setdefault(MASK[1], "dummy_anomaly_mask.png")
            line.setdefault(MASK[0], template[MASK[0]])
        line |= {name: f"s3://{bucket}/{line[name]}" for name in ("source-ref", MASK[1]) if name in line}
    body = "\n".join(json.dumps(line) for line in lines)
    stage.s3.put_object(Bucket=bucket, Key="train.manifest", Body=body.encode())
    return f"s3://{bucket}/train.manifest"


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.skipif(not COOKIE.exists(), reason="needs ../shared/data/lookout_cookie")
@pytest.mark.parametrize("kind", ["classification-robust", "segmentation"])
def test_the_whole_way_with_the_cookies_of_the_notebook(stage: Stage, tmp_path: Path, kind: str) -> None:
    bucket = f"{OUT}-cookie-{kind}"
    stage.s3.create_bucket(Bucket=bucket)
    address = cookies(stage, bucket, kind)
    masked = kind == "segmentation"
    found = run_script(
        "migration.py",
        stage.server.variables,
        tmp_path,
        algorithm=PUBLIC,
        role=ROLE,
        bucket=bucket,
        job=f"cookies-{kind}",
        type=kind,
        attributes=LABEL + (MASK if masked else []),
        manifest=address,
        images=f"s3://{bucket}/test-images/",
        pictures=[str(COOKIE / "test-images" / f"test-{name}-1.jpg") for name in ("normal", "anomaly")],
    )
    assert [answer["IsAnomalous"] for answer in found["answers"]] == [False, True]
    outcomes = {key: answer["IsAnomalous"] for key, answer in found["transformed"].items()}
    assert len(outcomes) == 22
    right = sum(found == ("anomaly" in key) for key, found in outcomes.items())
    assert right >= 20, outcomes
    assert all(("AnomalyMask" in answer) == masked for answer in found["transformed"].values())
