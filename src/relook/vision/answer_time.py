"""What answers in the time that an answer may take: from an image's bytes to its prediction, on one thread of this CPU.

Each is measured a few times and its quickest answer counts, since other work on the machine can only make it slower.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import numpy as np

from relook.vision import graph
from relook.vision.backbones import Backbone
from relook.vision.calibration import Calibration
from relook.vision.candidates import Candidate
from relook.vision.exporting import export
from relook.vision.images import Size, load, resize
from relook.vision.memory_bank import DIMS
from relook.vision.predict import Predictor
from relook.vision.problem import Problem
from relook.vision.runtime import OpenVinoEngine, Precision
from relook.vision.samples import Sample

_ANSWERS = 5


class AnswerTime:
    """`milliseconds` that an answer may take; where that is infinite nothing is measured."""

    def __init__(self, backbone: Backbone, precision: Precision, milliseconds: float) -> None:
        self._backbone = backbone
        self._precision = precision
        self._milliseconds = milliseconds

    def sizes(self, sizes: Sequence[Size], rows: int, sample: Sample) -> tuple[list[Size], list[str]]:
        """Of `sizes`, the smallest first, those that answer `sample` in time, served together with the smallest and
        with `rows` in the memory; the smallest always. And a sentence on the others."""
        if math.isinf(self._milliseconds):
            return list(sizes), []
        smallest = self._looking(sizes[0], rows, sample)
        reading = _quickest(lambda: load(sample.load()))
        found = [sizes[0]]
        for size in sizes[1:]:
            if reading + smallest + self._looking(size, rows, sample) > self._milliseconds:
                largest = found[-1]
                return found, [
                    f"Working sizes above {largest.width}x{largest.height} were not tried: {self._too_slow}."
                ]
            found.append(size)
        return found, []

    def candidates(self, found: Sequence[Candidate], problem: Problem) -> tuple[list[Candidate], list[str]]:
        """Those of `found` that answer a training image in time; where none does, the quickest. And a sentence."""
        if math.isinf(self._milliseconds):
            return list(found), []
        times: dict[tuple[tuple[Size, bool], ...], float] = {}
        for each in found:
            views = _views(each)
            if views not in times:
                times[views] = self._answering(each, problem)
        fit = [each for each in found if times[_views(each)] <= self._milliseconds]
        if len(fit) == len(found):
            return fit, []
        if fit:
            return fit, [f"Left {len(found) - len(fit)} of {len(found)} candidates out: {self._too_slow}."]
        quickest = min(times.values())
        return [each for each in found if times[_views(each)] == quickest], [
            f"No candidate answers within the {self._milliseconds:g} milliseconds that an answer may take here "
            "(anomaly_milliseconds), on one thread of this CPU: the quickest was taken."
        ]

    @property
    def _too_slow(self) -> str:
        return (
            f"an answer would take longer than the {self._milliseconds:g} milliseconds that it may take "
            "(anomaly_milliseconds), on one thread of this CPU"
        )

    def _looking(self, size: Size, rows: int, sample: Sample) -> float:
        """Milliseconds of one size with a memory of noise, which takes as long as a real one."""
        rng = np.random.default_rng(0)
        projection = graph.Projection(
            rng.standard_normal((self._backbone.channels, DIMS), np.float32), np.zeros(DIMS, np.float32)
        )
        cells = graph.grid(self._backbone, size)
        bank = rng.standard_normal((rows, DIMS), np.float32)
        view = graph.View(size, projection, bank, np.ones(cells.height * cells.width, np.float32), None)
        model = graph.full_model(self._backbone, [view]).SerializeToString()
        engine = OpenVinoEngine(model, [size], self._precision, 1)
        pixels = load(sample.load()).pixels

        def look() -> None:
            engine.images[0][0] = resize(pixels, size)
            engine.run()

        return _quickest(look)

    def _answering(self, candidate: Candidate, problem: Problem) -> float:
        """Milliseconds, masks included."""
        data, card = export(candidate, problem, self._backbone, self._precision, Calibration(1.0, 0.0), 0.5)
        sizes = [view.size for view in card.views]
        predictor = Predictor(card, OpenVinoEngine(data, sizes, self._precision, 1))
        image = problem.samples[0].load()
        return _quickest(lambda: predictor.predict(image))


def _views(candidate: Candidate) -> tuple[tuple[Size, bool], ...]:
    """What its time depends on: scores differ by next to nothing."""
    return tuple((each.size, each.head is None) for each in candidate.views)


def _quickest(work: Callable[[], object]) -> float:
    """Milliseconds; the first time is not counted."""
    work()
    times = []
    for _ in range(_ANSWERS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return 1000 * min(times)
