"""A detector at work: an image's bytes in, its boxes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from relook.vision import label_artifact, runtime
from relook.vision.detect.geometry import fit, in_image, place
from relook.vision.detect.names import INPUT, OUTPUTS, RAW
from relook.vision.engine import Device, DeviceError
from relook.vision.images import Loaded, Size, load_upright
from relook.vision.label_artifact import LabelCard
from relook.vision.labelled import FoundLabel, LabelPrediction, Rectangle
from relook.vision.quiet_openvino import ov
from relook.vision.runtime import Precision, served


class Engine:
    """A graph of `exporting`, compiled: the network in `precision`, boxes always in float32."""

    def __init__(self, graph: bytes, size: Size, precision: Precision, threads: int) -> None:
        network, boxes = runtime.split(runtime.read(graph), RAW)
        self._network = runtime.compile_model(network, served(precision), threads).create_infer_request()
        self._boxes = runtime.compile_model(boxes, Precision.F32, threads).create_infer_request()
        for output in network.outputs:
            name = next(name for name in output.get_names() if name.startswith(RAW))
            self._boxes.set_tensor(name, self._network.get_tensor(name))  # no copy between the two
        self.name = f"OpenVINO {ov.__version__.split('-')[0]} on the CPU, {served(precision)}"
        self.image = np.zeros((1, size.height, size.width, 3), np.uint8)
        self._network.set_tensor(INPUT, ov.Tensor(self.image, shared_memory=True))

    def run(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """Boxes (n, 4), scores (n,) and labels (n,) of what `image` holds; overwritten by the next run."""
        self._network.infer(share_outputs=True)  # what it would copy nobody reads
        self._boxes.infer(share_outputs=True)
        boxes, scores, labels = (self._boxes.get_tensor(name).data for name in OUTPUTS)
        return boxes, scores, labels


@dataclass(frozen=True, slots=True)
class Detector:
    """One loaded model. Not for several threads at once."""

    card: LabelCard
    engine: Engine

    @classmethod
    def load(cls, folder: Path, threads: int, device: Device) -> Self:
        """Read, compile and run once on a blank image. Raises `artifact.ArtifactError`, and DeviceError for GPU."""
        if device is Device.GPU:
            raise DeviceError("object detectors are served on the CPU alone: take device cpu or auto")
        graph, card = label_artifact.read(folder)
        return cls.of(graph, card, threads)

    @classmethod
    def of(cls, graph: bytes, card: LabelCard, threads: int) -> Self:
        """The same from what was read."""
        detector = cls(card, Engine(graph, card.sizes[0], card.precision, threads))
        detector.engine.run()
        return detector

    def predict(self, image: bytes) -> LabelPrediction:
        """A JPEG's or PNG's. Raises `samples.ImageError`."""
        return self.predict_loaded(load_upright(image))

    def predict_loaded(self, image: Loaded) -> LabelPrediction:
        """The same for an image as `images.load_upright` gives it."""
        fitted = fit(image.pixels, image.size, self.card.sizes[0])
        place(fitted.pixels, self.engine.image[0])
        boxes, scores, labels = self.engine.run()
        corners = in_image(boxes, (fitted.x, fitted.y), image.size)
        found = [
            FoundLabel(self.card.labels[label], score, self.card.thresholds[label], _rectangle(corner))
            for label, score, corner in zip(labels.tolist(), scores.tolist(), corners.tolist(), strict=True)
            if corner[2] > corner[0] and corner[3] > corner[1]
        ]
        return LabelPrediction(image.size.width, image.size.height, tuple(found))


def _rectangle(corner: Sequence[float]) -> Rectangle:
    left, top, right, bottom = corner
    return Rectangle(left, top, right - left, bottom - top)
