"""Serving: the predictor that an artifact's card asks for, of whatever task.

Imported by the server for its types, so nothing that computes is loaded before `load`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from relook.vision.labelled import LabelPrediction, LabelTask
from relook.vision.samples import Prediction

if TYPE_CHECKING:
    from relook.vision.engine import Device

AnyPrediction = Prediction | LabelPrediction
"""An anomaly model's answer, or a classifier's or detector's."""


class Named(Protocol):
    @property
    def name(self) -> str:
        """For people: the runtime, the device and the precision."""


class Servable(Protocol):
    """One loaded model. Not for several threads at once."""

    @property
    def engine(self) -> Named: ...

    def predict(self, image: bytes) -> AnyPrediction:
        """A JPEG's or PNG's prediction. Raises `samples.ImageError`."""


def load(folder: Path, threads: int, device: Device) -> Servable:
    """Read, compile and run once on a blank image; `threads` are the CPU's.

    Raises `artifact.ArtifactError`, and `engine.DeviceError` where the device asked for cannot be had.
    """
    from relook.vision import label_artifact

    task = label_artifact.task_of(folder)
    if task is None:
        from relook.vision.predict import Predictor

        return Predictor.load(folder, threads, device)
    if task is LabelTask.DETECTION:
        from relook.vision.detect.predicting import Detector

        return Detector.load(folder, threads, device)
    from relook.vision.classify.predicting import Classifier

    return Classifier.load(folder, threads, device)
