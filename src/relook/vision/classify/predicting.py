"""Serving a classifier: an image in, the scores of all labels out. Imports the runtime, nothing of training."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from relook.vision import artifact, label_artifact, runtime
from relook.vision.classify.names import SCORES
from relook.vision.engine import Device, Engine, open_engine
from relook.vision.images import Loaded, load_upright, resize
from relook.vision.label_artifact import Fit, LabelCard
from relook.vision.labelled import FoundLabel, LabelPrediction, LabelTask


class Classifier:
    """One loaded model. Not for several threads at once."""

    def __init__(self, card: LabelCard, engine: Engine) -> None:
        self.card = card
        self.engine = engine

    @classmethod
    def load(cls, folder: Path, threads: int = 1, device: Device = Device.CPU) -> Classifier:
        """Read, compile and run once on a blank image. Raises ArtifactError, and DeviceError as `open_engine` does."""
        graph, card = label_artifact.read(folder)
        if card.task is LabelTask.DETECTION or len(card.sizes) != 1 or card.fit is not Fit.STRETCH:
            raise artifact.ArtifactError(f"{folder} holds no classifier of this version; train again")
        if why := runtime.lacks(card.precision) if card.precision is runtime.Precision.INT8 else None:
            raise artifact.ArtifactError(f"the model computes in int8: {why}, and train it again")
        classifier = cls(card, open_engine(graph, card.sizes, card.precision, device, threads))
        classifier.engine.run()
        return classifier

    def predict(self, image: bytes) -> LabelPrediction:
        """A JPEG's or PNG's prediction. Raises ImageError."""
        return self.predict_loaded(load_upright(image))

    def predict_loaded(self, image: Loaded) -> LabelPrediction:
        """The same for an image as `images.load_upright` gives it."""
        self.engine.images[0][0] = resize(image.pixels, self.card.sizes[0])
        self.engine.run()
        values = self.engine.output(SCORES)[0].astype(np.float64)
        found = [
            FoundLabel(label, float(score), threshold)
            for label, score, threshold in zip(self.card.labels, values, self.card.thresholds, strict=True)
        ]
        found.sort(key=lambda each: -each.score)
        return LabelPrediction(image.size.width, image.size.height, tuple(found))
