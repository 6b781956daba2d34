"""The getting-started set through the API, as Lookout's users did it: from a manifest to cracks found and marked."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from relook.demo import client
from relook.demo.client import Clients
from relook.demo.server import import_weights
from relook.testing import LiveServer

SHARED = Path(__file__).resolve().parents[3] / "shared"
COOKIE = SHARED / "data" / "lookout_cookie"
WEIGHTS = SHARED / "weights" / "resnet18_imagenet_layer1-3.onnx"
BUCKET, PROJECT = "cookies", "getting-started"
TARGET_F1 = 0.93

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not (COOKIE.is_dir() and WEIGHTS.is_file()), reason=f"{COOKIE} or {WEIGHTS.name} is absent"),
]


@pytest.fixture
def clients(tmp_path: Path):
    import_weights(WEIGHTS, tmp_path / "data")
    with LiveServer(tmp_path / "data") as live:
        yield client.connect(live.variables)


def upload(clients: Clients) -> None:
    """The images, their masks, and the set's own manifest with the bucket written before every reference."""
    client.create_bucket(clients, BUCKET)
    for folder, kind in (("training-images", "image/jpeg"), ("mask-images", "image/png")):
        for file in sorted((COOKIE / folder).iterdir()):
            client.put(clients, BUCKET, f"{folder}/{file.name}", file.read_bytes(), kind)
    text = (COOKIE / "template.manifest").read_text()
    for folder in ("training-images/", "mask-images/"):
        text = text.replace(f'-ref": "{folder}', f'-ref": "s3://{BUCKET}/{folder}')
    client.put(clients, BUCKET, "train.manifest", text.encode(), "application/x-ndjson")


def test_from_the_manifest_to_found_and_marked_cracks(clients: Clients) -> None:
    upload(clients)
    client.create_project(clients, PROJECT)
    stats = client.create_dataset(clients, PROJECT, "train", BUCKET, "train.manifest")
    assert (stats["Total"], stats["Labeled"], stats["Normal"] + stats["Anomaly"]) == (63, 63, 63)

    model = client.train(clients, PROJECT, BUCKET, "output/", lambda message: None)
    metrics = client.get_json(clients, model["EvaluationResult"])["AggregatedEvaluationResults"]["Metrics"]
    assert model["Performance"]["F1Score"] == pytest.approx(metrics["F1Score"], abs=1e-4)

    client.host(clients, PROJECT, model["ModelVersion"])
    hits, wrong = 0, []
    for file in sorted((COOKIE / "test-images").iterdir()):
        answer = client.detect(clients, PROJECT, model["ModelVersion"], file.read_bytes(), "image/jpeg")
        check_mask(answer, file)
        if answer["IsAnomalous"] != ("anomaly" in file.name):
            wrong.append(file.name)
        hits += answer["IsAnomalous"] and "anomaly" in file.name
    f1 = 2 * hits / (2 * hits + len(wrong))
    assert f1 >= TARGET_F1, wrong
    client.stop(clients, PROJECT, model["ModelVersion"])
    status = clients.vision.describe_model(ProjectName=PROJECT, ModelVersion=model["ModelVersion"])
    assert status["ModelDescription"]["Status"] == "TRAINED"


def check_mask(answer: dict, file: Path) -> None:
    """The mask has the image's size and just the colours that the answer names, in the shares that it names."""
    with Image.open(file) as image, Image.open(io.BytesIO(answer["AnomalyMask"])) as mask:
        assert (mask.size, mask.mode) == (image.size, "RGB")
        counted = {f"#{red:02X}{green:02X}{blue:02X}": count for count, (red, green, blue) in mask.getcolors()}
        pixels = mask.width * mask.height
    named = {entry["PixelAnomaly"]["Color"]: entry["PixelAnomaly"] for entry in answer["Anomalies"]}
    shares = {colour: entry["TotalPercentageArea"] for colour, entry in named.items() if entry["TotalPercentageArea"]}
    assert shares == pytest.approx({colour: count / pixels for colour, count in counted.items()}, abs=1e-4)
    assert {entry["Name"] for entry in answer["Anomalies"]} <= {"background", "cracked"}
