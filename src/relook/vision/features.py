"""Patch features of images, for training: the serving graph's first half, several images at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from relook.vision import graph, runtime
from relook.vision.backbones import Backbone
from relook.vision.images import Pixels, Size, resize
from relook.vision.parallel import threads
from relook.vision.quiet_openvino import ov

Patches = npt.NDArray[np.float32]
"""(patches, channels), row by row."""


class Extractor:
    """Features of images at one working size."""

    def __init__(self, backbone: Backbone, size: Size, precision: runtime.Precision) -> None:
        self.size = size
        self._backbone, self._precision = backbone, precision
        self.grid = graph.grid(backbone, size)
        self._streams = threads()
        model = runtime.read(graph.feature_model(backbone, size).SerializeToString())
        self._compiled = runtime.compile_model(model, precision, threads=self._streams, streams=self._streams)

    def sideways(self) -> Extractor:
        """For images whose height and width have changed places."""
        height, width = self.size.height, self.size.width
        return self if height == width else Extractor(self._backbone, Size(width, height), self._precision)

    def each(self, images: Iterable[Pixels]) -> Iterator[Patches]:
        """The patches of every image, in order. The next images are computed while the caller uses the last."""
        free = deque(self._compiled.create_infer_request() for _ in range(self._streams))
        running = deque[ov.InferRequest]()
        for pixels in images:
            if not free:
                yield _finish(running, free)
            request = free.popleft()
            request.set_input_tensor(ov.Tensor(resize(pixels, self.size)[None].copy()))
            request.start_async()
            running.append(request)
        while running:
            yield _finish(running, free)


def _finish(running: deque[ov.InferRequest], free: deque[ov.InferRequest]) -> Patches:
    request = running.popleft()
    request.wait()
    patches: Patches = request.get_output_tensor(0).data.copy()
    free.append(request)
    return patches
