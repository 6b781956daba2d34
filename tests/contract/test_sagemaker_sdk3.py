"""The SageMaker SDK v3, unmodified, on the way from labelled pictures to answers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from lookout_pictures import UNSEEN_ANOMALY, UNSEEN_NORMAL
from lookout_stage import ACCOUNT, Stage
from sagemaker_calls import ROLE
from sagemaker_pictures import COOKIE, LABEL, MASK, PUBLIC, cookies, manifest
from sagemaker_sdk import exports, run_script

pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed"),
]
SEEN = {"normal.png": UNSEEN_NORMAL, "anomaly.png": UNSEEN_ANOMALY}


def prepare(stage: Stage, folder: Path, bucket: str, *, masked: bool) -> dict[str, Any]:
    """Labelled pictures, and two to look at in `bucket` and in `folder`; what the scripts want to be told."""
    stage.s3.create_bucket(Bucket=bucket)
    for name, picture in SEEN.items():
        stage.s3.put_object(Bucket=bucket, Key=f"look/{name}", Body=picture.png())
        (folder / name).write_bytes(picture.png())
    return {
        "algorithm": PUBLIC,
        "role": ROLE,
        "type": "segmentation" if masked else "classification",
        "manifest": manifest(stage, bucket, masked=masked),
        "attributes": LABEL + (MASK if masked else []),
        "images": f"s3://{bucket}/look/",
        "pictures": [str(folder / name) for name in SEEN],
    }


def check_answers(found: dict[str, Any], *, masked: bool) -> None:
    by_transform = [found["transformed"][f"{name}.out"] for name in SEEN]
    for answers in (by_transform, found["answers"]):
        assert [each["IsAnomalous"] for each in answers] == [False, True]
        assert all(each["Source"] == {"Type": "direct"} for each in answers)
        assert all(("AnomalyMask" in each) == masked for each in answers)


def test_trainer_and_builder(stage: Stage, tmp_path: Path) -> None:
    given = prepare(stage, tmp_path, "sdk3-trainer", masked=False)
    found = run_script("trainer.py", exports(stage), tmp_path, version=3, job="plates", content="image/png", **given)
    assert found["bucket"] == f"sagemaker-us-east-1-{ACCOUNT}"  # the SDK made it up from what STS said
    assert found["status"] == "Completed"
    assert found["data"] == f"s3://{found['bucket']}/plates/{found['job']}/output/model.tar.gz"
    check_answers(found, masked=False)
    assert found["left"] == []


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.skipif(not COOKIE.exists(), reason="needs ../shared/data/lookout_cookie")
@pytest.mark.parametrize("kind", ["classification", "segmentation"])
def test_trainer_and_builder_with_the_cookies_of_the_notebook(stage: Stage, tmp_path: Path, kind: str) -> None:
    masked = kind == "segmentation"
    bucket = f"sdk3-cookie-{kind}"
    stage.s3.create_bucket(Bucket=bucket)
    found = run_script(
        "trainer.py",
        exports(stage),
        tmp_path,
        version=3,
        job=f"cookies-v3-{kind}",
        algorithm=PUBLIC,
        role=ROLE,
        type=kind,
        manifest=cookies(stage, bucket, masked=masked),
        attributes=LABEL + (MASK if masked else []),
        images=f"s3://{bucket}/test-images/",
        pictures=[str(COOKIE / "test-images" / f"test-{name}-1.jpg") for name in ("normal", "anomaly")],
        content="image/jpeg",
    )
    assert [answer["IsAnomalous"] for answer in found["answers"]] == [False, True]
    outcomes = {key: answer["IsAnomalous"] for key, answer in found["transformed"].items()}
    assert len(outcomes) == 22
    assert sum(anomalous == ("anomaly" in key) for key, anomalous in outcomes.items()) >= 20, outcomes
    assert all(("AnomalyMask" in answer) == masked for answer in found["transformed"].values())
    assert found["left"] == []


def test_the_resource_classes(stage: Stage, tmp_path: Path) -> None:
    given = prepare(stage, tmp_path, "sdk3-resources", masked=True)
    found = run_script(
        "resources.py", exports(stage), tmp_path, version=3, bucket="sdk3-resources", job="sdk3-way", **given
    )
    assert found["algorithm"][1] == "Completed"
    assert found["algorithm"][0]  # a product of the marketplace: isolated
    assert (found["status"], found["isolated"]) == ("Completed", True)
    assert found["jobs"] == ["sdk3-way"]
    assert found["data"] == "s3://sdk3-resources/out/sdk3-way/output/model.tar.gz"
    check_answers(found, masked=True)
    assert found["weight"] == 2
    assert found["left"] == []


TRAIN = """
import json, os, sys

given = json.loads(os.environ["SM_HPS"])
with open(os.path.join(os.environ["SM_CHANNEL_NUMBERS"], "numbers.txt")) as file:
    total = sum(int(line) for line in file)
model = {"sum": total * given["factor"], "name": given["name"], "colour": os.environ["COLOUR"], "args": sys.argv[1:]}
with open(os.path.join(os.environ["SM_MODEL_DIR"], "model.json"), "w") as file:
    json.dump(model, file)
"""
SERVE = """
import json, os

def model_fn(model_dir):
    with open(os.path.join(model_dir, "model.json")) as file:
        return json.load(file)

def transform_fn(model, data, content_type, accept):
    return json.dumps(model | {"sum": model["sum"] + int(data)}), "application/json"
"""


def test_scripts_of_ones_own(stage: Stage, tmp_path: Path) -> None:
    for name, text in {"training/train.py": TRAIN, "serving/inference.py": SERVE, "data/numbers.txt": "1\n2\n"}.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    folders = {name: str(tmp_path / name) for name in ("training", "serving", "data")}
    found = run_script("scripts.py", exports(stage), tmp_path, version=3, role=ROLE, **folders)
    learned = {"name": "three fold", "colour": "red", "args": ["--factor", "3", "--name", "three fold"]}
    assert json.loads(found["answer"]) == learned | {"sum": 14}
    assert json.loads(found["later"]) == learned | {"sum": 16}
