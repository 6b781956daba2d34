"""Serving: an artifact and an image in, a prediction out. Imports the runtime and the decoders, nothing of training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from relook.vision import artifact, runtime
from relook.vision.descriptor import describe
from relook.vision.graph_names import DISTANCE, MASK_LOGITS, RESIDUAL
from relook.vision.images import Pixels, Size, decode, resize
from relook.vision.masks import BACKGROUND_COLOUR, BACKGROUND_NAME, ClassMap, encode_mask
from relook.vision.quiet_openvino import ov
from relook.vision.samples import Prediction, Region, Task

_SMOOTH_UP_TO = 1024
"""Logits are interpolated up to this side and classes repeated beyond: nothing is gained and time is."""


class Predictor:
    """One loaded model. Not for several threads at once."""

    def __init__(self, graph: bytes, card: artifact.Card, threads: int) -> None:
        self.card = card
        features, head = runtime.split(runtime.read(graph))
        precision = card.precision if runtime.native_precision() is runtime.Precision.BF16 else runtime.Precision.F32
        self._features = runtime.compile_model(features, precision, threads).create_infer_request()
        self._head = runtime.compile_model(head, runtime.Precision.F32, threads).create_infer_request()
        self._head.set_input_tensor(self._features.get_output_tensor(0))  # no copy between the two
        self._image = np.zeros((1, card.size.height, card.size.width, 3), np.uint8)
        self._features.set_input_tensor(ov.Tensor(self._image, shared_memory=True))
        self._weights = np.array(card.weights)
        self._colours = [BACKGROUND_COLOUR, *(entry.colour for entry in card.classes)]
        self._names = [BACKGROUND_NAME, *(entry.name for entry in card.classes)]

    @classmethod
    def load(cls, folder: Path, threads: int = 1) -> Predictor:
        """Read, compile and run once on a blank image. Raises ArtifactError."""
        predictor = cls(*artifact.read(folder), threads)
        predictor.raw_score(np.zeros((64, 64, 3), np.uint8))
        return predictor

    def predict(self, image: bytes) -> Prediction:
        """A JPEG's or PNG's prediction. Raises ImageError."""
        return self.predict_pixels(decode(image))

    def predict_pixels(self, pixels: Pixels) -> Prediction:
        """The same for decoded (height, width, 3) RGB."""
        score = self.card.calibration.apply(self.raw_score(pixels))
        anomalous = round(score, 4) >= round(self.card.threshold, 4)
        confidence = min(1.0, max(0.0, score if anomalous else 1 - score))
        height, width = pixels.shape[:2]
        regions: tuple[Region, ...] = ()
        mask = None
        if self.card.task is Task.SEGMENTATION:
            classes = self.class_map(Size(height, width))
            regions, mask = self._regions(classes), encode_mask(classes, self._colours)
        return Prediction(score, self.card.threshold, anomalous, confidence, width, height, regions, mask)

    def raw_score(self, pixels: Pixels) -> float:
        """The score before calibration; higher is more anomalous."""
        self._image[0] = resize(pixels, self.card.size)
        self._features.infer()
        self._head.infer()
        logits = self._output(MASK_LOGITS) if self.card.task is Task.SEGMENTATION else None
        return float(describe(self._output(DISTANCE), self._output(RESIDUAL), logits) @ self._weights + self.card.bias)

    def heat_map(self) -> npt.NDArray[np.float32]:
        """(rows, columns) distances of the last image's patches."""
        return self._output(DISTANCE).reshape(self.card.grid.height, self.card.grid.width).copy()

    def _output(self, name: str) -> npt.NDArray[np.float32]:
        values: npt.NDArray[np.float32] = self._head.get_tensor(name).data
        return values

    def class_map(self, size: Size) -> ClassMap:
        """Class indices of the last image at `size`: logits interpolated, the highest wins."""
        logits = self._output(MASK_LOGITS)
        grid = self.card.grid
        if not (logits.argmax(1) > 0).any():
            return np.zeros((size.height, size.width), np.uint8)
        shrink = min(1.0, _SMOOTH_UP_TO / max(size.height, size.width))
        smooth = (round(size.width * shrink), round(size.height * shrink))
        best = np.zeros((smooth[1], smooth[0]), np.float32)
        winner = np.zeros(best.shape, np.uint8)
        for at in range(1, logits.shape[1]):
            over = (logits[:, at] - logits[:, 0]).reshape(grid.height, grid.width)
            plane = np.asarray(Image.fromarray(over).resize(smooth, Image.Resampling.BILINEAR))
            better = plane > best
            winner[better] = at
            best = np.maximum(best, plane)
        if shrink == 1:
            return winner
        return np.asarray(Image.fromarray(winner).resize((size.width, size.height), Image.Resampling.NEAREST))

    def _regions(self, classes: ClassMap) -> tuple[Region, ...]:
        """The background first, then the classes present; areas sum to 1."""
        counts = [0] + [int(np.count_nonzero(classes == at)) for at in range(1, len(self._names))]
        counts[0] = classes.size - sum(counts)
        return tuple(
            Region(self._names[at], self._colours[at], count / classes.size)
            for at, count in enumerate(counts)
            if count or at == 0
        )
