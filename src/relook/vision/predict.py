"""Serving: an artifact and an image in, a prediction out. Imports the runtime and the decoders, nothing of training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from relook.vision import artifact, runtime
from relook.vision.descriptor import describe
from relook.vision.engine import Device, Engine, open_engine
from relook.vision.graph_names import DISTANCE, LOGITS, RESIDUAL, numbered
from relook.vision.images import Loaded, Pixels, Size, load, resize
from relook.vision.masks import BACKGROUND_COLOUR, BACKGROUND_NAME, ClassMap, encode_mask
from relook.vision.samples import Prediction, Region, Task
from relook.vision.score import Score

_SMOOTH_UP_TO = 1024
"""Logits are interpolated up to this side and classes repeated beyond: nothing is gained and time is."""
_HEAT_OF_LOGIT = 1.0
"""Deviations of a normal cell's distance that a unit of a head's logit is worth in the heat map."""
_HEAT_BLUR = 1 / 64
"""Of the longer side: deviation of the Gaussian over the heat map, as PatchCore's 4 pixels of 256. One cell alone that
is far from normal is noise more often than a defect, and finer grids have more of them."""

Floats = npt.NDArray[np.float32]


class Predictor:
    """One loaded model. Not for several threads at once."""

    def __init__(self, card: artifact.Card, engine: Engine) -> None:
        self.card = card
        self.engine = engine
        self._score = Score(np.array(card.weights), np.array(card.bias), card.temperature)
        self._colours = [BACKGROUND_COLOUR, *(entry.colour for entry in card.classes)]
        self._names = [BACKGROUND_NAME, *(entry.name for entry in card.classes)]

    @classmethod
    def load(cls, folder: Path, threads: int = 1, device: Device = Device.CPU) -> Predictor:
        """Read, compile and run once on a blank image. Raises ArtifactError, and DeviceError as `open_engine` does."""
        graph, card = artifact.read(folder)
        if why := runtime.lacks(card.precision) if card.precision is runtime.Precision.INT8 else None:
            raise artifact.ArtifactError(f"the model computes in int8: {why}, and train it again")
        sizes = [view.size for view in card.views]
        predictor = cls(card, open_engine(graph, sizes, card.precision, device, threads))
        predictor.raw_score(np.zeros((64, 64, 3), np.uint8))
        return predictor

    def predict(self, image: bytes) -> Prediction:
        """A JPEG's or PNG's prediction. Raises ImageError."""
        return self.predict_loaded(load(image))

    def predict_pixels(self, pixels: Pixels) -> Prediction:
        """The same for decoded (height, width, 3) RGB."""
        return self.predict_loaded(Loaded(pixels, Size(*pixels.shape[:2])))

    def predict_loaded(self, image: Loaded) -> Prediction:
        """The same for an image as `images.load` gives it."""
        raw = self.raw_score(image.pixels)
        score = self.card.calibration.apply(raw)
        anomalous = round(score, 4) >= round(self.card.threshold, 4)
        confidence = min(1.0, max(0.0, score if anomalous else 1 - score))
        regions: tuple[Region, ...] = ()
        mask = None
        if self.card.task is Task.SEGMENTATION:
            classes = self.class_map(image.size)
            regions, mask = self._regions(classes), encode_mask(classes, self._colours)
        size = image.size
        return Prediction(score, self.card.threshold, anomalous, confidence, size.width, size.height, regions, mask)

    def raw_score(self, pixels: Pixels) -> float:
        """The score before calibration; higher is more anomalous."""
        for image, view in zip(self.engine.images, self.card.views, strict=True):
            image[0] = resize(pixels, view.size)
        self.engine.run()
        described = [
            describe(
                self._output(DISTANCE, at), self._output(RESIDUAL, at), self._output(LOGITS, at) if view.head else None
            )
            for at, view in enumerate(self.card.views)
        ]
        return float(self._score.apply(np.concatenate(described)[None])[0])

    def heat_map(self) -> Floats:
        """(rows, columns) of the finest view for the last image: how far from normal, in deviations of normal cells.

        Distances of all views and, where there are heads, what they see; the highest of the views counts. Blurred.
        """
        from scipy.ndimage import gaussian_filter  # for reports: an inference unit never needs it

        finest = max((view.grid for view in self.card.views), key=lambda grid: grid.height * grid.width)
        heat = np.full((finest.height, finest.width), -np.inf, np.float32)
        for at, view in enumerate(self.card.views):
            mean, deviation = view.heat
            plane = (self._output(DISTANCE, at) - np.float32(mean)) / np.float32(deviation)
            if view.head:
                plane = plane + np.float32(_HEAT_OF_LOGIT) * _defect(self._output(LOGITS, at))
            image = Image.fromarray(plane.reshape(view.grid.height, view.grid.width))
            whole = np.asarray(image.resize((finest.width, finest.height), Image.Resampling.BILINEAR))
            heat = np.maximum(heat, whole)
        blurred: Floats = gaussian_filter(heat, _HEAT_BLUR * max(heat.shape), mode="nearest")
        return blurred

    def _output(self, name: str, view: int) -> Floats:
        return self.engine.output(numbered(name, view))

    def class_map(self, size: Size) -> ClassMap:
        """Class indices of the last image at `size`: logits interpolated, the highest wins."""
        assert self.card.masks_from is not None
        logits = self._output(LOGITS, self.card.masks_from)
        grid = self.card.views[self.card.masks_from].grid
        if not (logits.argmax(1) > 0).any():
            return np.zeros((size.height, size.width), np.uint8)
        shrink = min(1.0, _SMOOTH_UP_TO / max(size.height, size.width))
        smooth = (round(size.width * shrink), round(size.height * shrink))
        best = np.zeros((smooth[1], smooth[0]), np.float32)
        winner = np.zeros(best.shape, np.uint8)
        for at in range(1, logits.shape[1]):
            over = (logits[:, at] - logits[:, 0]).reshape(grid.height, grid.width)
            if over.max() <= 0:
                continue  # nor is anything between its cells
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


def _defect(logits: Floats) -> Floats:
    """(cells,): the logit of the likeliest defect over the background's."""
    over: Floats = logits[:, 1:].max(1) - logits[:, 0]
    return over
