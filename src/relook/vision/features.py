"""Patch features of images, for training: the serving graph's first half, several images at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt

from relook.vision import graph, runtime
from relook.vision.backbones import Backbone
from relook.vision.images import Pixels, Size, resize
from relook.vision.quiet_openvino import ov

Patches = npt.NDArray[np.float32]
"""(patches, channels), row by row."""


class Extractor:
    """Features of images at one working size."""

    def __init__(self, backbone: Backbone, size: Size, precision: runtime.Precision) -> None:
        self.size = size
        self.grid = graph.grid(backbone, size)
        streams = max(1, min(4, len(os.sched_getaffinity(0))))
        model = runtime.read(graph.feature_model(backbone, size).SerializeToString())
        compiled = runtime.compile_model(model, precision, threads=streams, streams=streams)
        self._queue = ov.AsyncInferQueue(compiled, streams)

    def each(self, images: Iterable[Pixels], take: Callable[[int, Patches], None]) -> None:
        """Call `take(position, patches)` for every image, in any order, one call at a time."""
        self._queue.set_callback(lambda request, at: take(at, request.get_output_tensor(0).data.copy()))
        for position, pixels in enumerate(images):
            self._queue.start_async(resize(pixels, self.size)[None].copy(), position)
        self._queue.wait_all()
