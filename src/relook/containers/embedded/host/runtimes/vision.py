"""An artifact of ours (model.onnx and model.json): an image in, what DetectAnomalies answers out, or for a classifier
or detector what DetectCustomLabels does."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

from relook.containers.embedded.host.codecs import JSON, kind
from relook.containers.embedded.host.errors import InferenceError, UnsupportedFormat
from relook.processes import return_memory
from relook.vision.artifact import CARD
from relook.vision.engine import Device
from relook.vision.label_answer import custom_labels
from relook.vision.labelled import LabelPrediction
from relook.vision.samples import ImageError, Prediction
from relook.vision.serving import AnyPrediction, Servable, load

_LINES = "application/jsonlines"
_IMAGES = ("image/jpeg", "image/png")
_NO_IMAGES = ("text/", "application/json", "application/x-np")


def model_fn(model_dir: str) -> Servable:
    """The artifact lies in the folder itself or in the only folder within. ArtifactError."""
    folder = Path(model_dir)
    if not (folder / CARD).exists():
        inside = [each.parent for each in folder.glob(f"*/{CARD}")]
        folder = inside[0] if len(inside) == 1 else folder
    model = load(folder, int(os.environ.get("OMP_NUM_THREADS") or 1), Device.CPU)
    return_memory()
    return model


def input_fn(body: bytes | str, content_type: str | None) -> bytes:
    """Bytes of whatever kind: the image's own first bytes tell what it is. UnsupportedFormat for text."""
    if isinstance(body, str) or kind(content_type).startswith(_NO_IMAGES):
        raise UnsupportedFormat(content_type, _IMAGES)
    return body


def predict_fn(image: bytes, model: Servable) -> AnyPrediction:
    """InferenceError (400) for bytes that are no usable image."""
    try:
        return model.predict(image)
    except ImageError as error:
        raise InferenceError(400, str(error), "Bad Request") from error


def output_fn(prediction: AnyPrediction, accept: str) -> tuple[bytes, str]:
    """JSON, or a line of it. UnsupportedFormat for what is neither."""
    told = _labels(prediction) if isinstance(prediction, LabelPrediction) else _anomalies(prediction)
    text = json.dumps(told).encode()
    accepted = {kind(each) for each in accept.split(",")}
    if accepted & {JSON, "*/*", "application/*"}:
        return text, JSON
    if _LINES in accepted:
        return text + b"\n", _LINES
    raise UnsupportedFormat(accept, (JSON, _LINES))


def _labels(prediction: LabelPrediction) -> dict[str, Any]:
    """DetectCustomLabels' members, at the thresholds of the labels."""
    return {"CustomLabels": custom_labels(prediction)}


def _anomalies(prediction: Prediction) -> dict[str, Any]:
    """DetectAnomalyResult's members; Anomalies and AnomalyMask for a segmentation model alone."""
    result: dict[str, Any] = {
        "Source": {"Type": "direct"},
        "IsAnomalous": prediction.anomalous,
        "Confidence": prediction.confidence,
    }
    if prediction.mask_png is not None:
        result["Anomalies"] = [
            {"Name": one.name, "PixelAnomaly": {"TotalPercentageArea": one.area, "Color": one.colour}}
            for one in prediction.regions
        ]
        result["AnomalyMask"] = base64.b64encode(prediction.mask_png).decode("ascii")
    return result
