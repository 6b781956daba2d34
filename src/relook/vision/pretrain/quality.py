"""How well a student speaks for its teacher: measured on generated pictures that it has not learnt from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from relook.vision import runtime
from relook.vision.backbones import Layer
from relook.vision.graph import DEVIATION, MEAN
from relook.vision.pretrain.pictures import SIDE, picture

HELD_OUT = 64
"""Pictures of the measure: with many thousand patches each, more of them move the figure by less than a point."""
Features = npt.NDArray[np.float32]


def explained(
    student: bytes,
    given: tuple[Layer, ...],
    teacher: bytes,
    wanted: tuple[Layer, ...],
    seed: int,
    first: int,
    count: int = HELD_OUT,
    threads: int = 1,
) -> dict[str, float]:
    """The share of the teacher's variance that the student explains: 1 is a copy, 0 says every channel's mean.

    `student` and `teacher` are ONNX graphs and `given` and `wanted` their layers, of equal strides and channels. Seen
    are the generated pictures `first` to `first + count - 1` of `seed`, computed in float32. The keys are the student's
    outputs; the values are summed over all channels and patches before they are divided.
    """
    sums = [_Sums() for _ in given]
    look, tell = _Network(student, given, threads), _Network(teacher, wanted, threads)
    for image in _images(seed, first, count):
        for total, imitation, original in zip(sums, look(image), tell(image), strict=True):
            total.add(imitation, original)
    return {layer.output: total.share() for layer, total in zip(given, sums, strict=True)}


@dataclass(slots=True)
class _Sums:
    """Of squares, in float64, so that the order of the pictures is nearly all the same."""

    error: float = 0.0
    patches: int = 0
    values: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(1))
    squares: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(1))

    def add(self, imitation: Features, original: Features) -> None:
        """Both (1, channels, h, w)."""
        wide = original[0].reshape(original.shape[1], -1).astype(np.float64)
        self.error += float(np.square(imitation[0].reshape(wide.shape) - wide).sum())
        self.patches += wide.shape[1]
        self.values = self.values + wide.sum(1)
        self.squares = self.squares + np.square(wide).sum(1)

    def share(self) -> float:
        variance = float((self.squares - np.square(self.values) / self.patches).sum())
        return 1 - self.error / variance


class _Network:
    def __init__(self, onnx: bytes, layers: tuple[Layer, ...], threads: int) -> None:
        model = runtime.read(onnx)
        model.reshape([1, 3, SIDE, SIDE])
        self._request = runtime.compile_model(model, runtime.Precision.F32, threads).create_infer_request()
        self._layers = layers

    def __call__(self, image: Features) -> list[Features]:
        self._request.infer([image])
        return [self._request.get_tensor(layer.output).data.copy() for layer in self._layers]


def _images(seed: int, first: int, count: int) -> Iterator[Features]:
    """(1, 3, SIDE, SIDE) each, normalised as ImageNet's."""
    mean, deviation = np.array(MEAN, np.float32), np.array(DEVIATION, np.float32)
    for index in range(first, first + count):
        pixels = picture(seed, index).astype(np.float32) / 255
        yield np.ascontiguousarray(((pixels - mean) / deviation).transpose(2, 0, 1)[None])
