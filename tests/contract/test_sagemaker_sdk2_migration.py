"""The SageMaker SDK v2, unmodified, on the whole way off Lookout for Vision."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from lookout_pictures import UNSEEN_ANOMALY, UNSEEN_NORMAL
from lookout_stage import Stage
from sagemaker_calls import ROLE
from sagemaker_pictures import COOKIE, LABEL, MASK, PUBLIC, cookies, manifest
from sagemaker_sdk import run_script

pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed"),
]
OUT = "sdk-migration"


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
        manifest=manifest(stage, f"sdk-{kind}", masked=kind == "segmentation"),
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


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.skipif(not COOKIE.exists(), reason="needs ../shared/data/lookout_cookie")
@pytest.mark.parametrize("kind", ["classification-robust", "segmentation"])
def test_the_whole_way_with_the_cookies_of_the_notebook(stage: Stage, tmp_path: Path, kind: str) -> None:
    bucket = f"{OUT}-cookie-{kind}"
    stage.s3.create_bucket(Bucket=bucket)
    masked = kind == "segmentation"
    address = cookies(stage, bucket, masked=masked)
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
