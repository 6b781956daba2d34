"""Whether a network is torchvision's ImageNet ResNet-18, by what it makes of one generated picture.

Hashes would do for one file, but the same weights come in several: other containers, other rounding, folded or not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from relook.vision import runtime
from relook.vision.backbones import Layer

GROUP = 16
"""Channels whose values are taken together."""
TOLERANCE = 0.005
"""Part of a figure by which it may differ: above what rounding to 16 bits and other CPUs do, below further training."""
_SIZE = (96, 128)

IMAGENET = {
    8: [
        (0.18059, 0.31563),
        (0.15628, 0.26988),
        (0.26495, 0.33229),
        (0.25490, 0.35954),
        (0.15597, 0.26959),
        (0.21007, 0.34890),
        (0.20350, 0.30847),
        (0.25653, 0.36484),
    ],
    16: [
        (0.07505, 0.12889),
        (0.12574, 0.19978),
        (0.11756, 0.20384),
        (0.10826, 0.15751),
        (0.08335, 0.15890),
        (0.15269, 0.20833),
        (0.14889, 0.20505),
        (0.12147, 0.19652),
        (0.12166, 0.19599),
        (0.15769, 0.20359),
        (0.15000, 0.22270),
        (0.08132, 0.15899),
        (0.11965, 0.17868),
        (0.11505, 0.19781),
        (0.13564, 0.21724),
        (0.10640, 0.16205),
    ],
}
"""Stride: mean and deviation of every GROUP channels of torchvision's ResNet-18 (IMAGENET1K_V1), on `probe()`."""


def probe() -> npt.NDArray[np.float32]:
    """(1, 3, 96, 128): noise in blocks of 1, 4 and 16 pixels, about as strong as a normalised picture.

    From numpy's old generator, whose numbers are promised to stay the same.
    """
    rng = np.random.RandomState(18)
    picture = np.zeros((3, *_SIZE))
    for block in (1, 4, 16):
        noise = rng.random_sample((3, _SIZE[0] // block, _SIZE[1] // block)) - 0.5
        picture += np.kron(noise, np.ones((1, block, block))) * 2
    return picture[None].astype(np.float32)


def take(onnx: bytes, layers: Sequence[Layer]) -> dict[int, list[tuple[float, float]]]:
    """Stride of each layer: (mean, deviation) of every GROUP channels, on `probe()`."""
    model = runtime.read(onnx)
    model.reshape([1, 3, *_SIZE])
    request = runtime.compile_model(model, runtime.Precision.F32).create_infer_request()
    request.infer([probe()])
    found = {}
    for layer in layers:
        values = request.get_tensor(layer.output).data[0].astype(np.float64)
        groups = [values[at : at + GROUP] for at in range(0, len(values), GROUP)]
        with np.errstate(invalid="ignore"):  # of infinite values
            found[layer.stride] = [(float(group.mean()), float(group.std())) for group in groups]
    return found


def difference(onnx: bytes, layers: Sequence[Layer]) -> str | None:
    """None when the features are those of IMAGENET within TOLERANCE, else in words how they differ."""
    found = take(onnx, layers)
    for stride, expected in IMAGENET.items():
        given = found.get(stride, [])
        if len(given) != len(expected):
            return f"at stride {stride} it has {len(given) * GROUP} channels, not {len(expected) * GROUP}"
        apart = np.abs(np.array(given) / np.array(expected) - 1)
        if not apart.max() <= TOLERANCE:  # not a number is no match either
            return f"its features at stride {stride} differ by {apart.max():.1%} on a test picture"
    return None
