"""One working size tried on the training images: features, and what every usable model learns from them, held out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from relook.vision import descriptor, foreground, graph, turns
from relook.vision.backbones import Backbone
from relook.vision.embeddings import Embeddings, project, remember
from relook.vision.features import Extractor
from relook.vision.images import Size
from relook.vision.memory_bank import BANK_ROWS, MemoryBank
from relook.vision.metrics import auroc
from relook.vision.models import MEMORY, Cells, Model
from relook.vision.problem import Problem
from relook.vision.runtime import Precision
from relook.vision.samples import Progress, counted, stepping
from relook.vision.scorers.base import ViewLayout
from relook.vision.survey import pixels_of
from relook.vision.turns import Turn

Floats = npt.NDArray[np.float32]

ASKED_IMAGES, FEWEST_ASKED = 40, 4
"""Normal images that are turned to see whether they look alike; with fewer nothing is said."""
TOLD_APART = 0.65
"""AUROC of telling turned pictures from others, above which they are not alike. On fifteen products, 20 to 40 normal
images each, it was .23 to .55 for turns that leave them alike, and .72 (a pill's imprint, mirrored) to 1 for others."""
HEAT_FROM = 200
"""Normal images whose distances say what a heat map's zero and unit are."""


@dataclass(frozen=True, slots=True)
class View:
    """Everything needed to export this working size, and the descriptors (images, values) of the training images.

    `heat` is the mean and the deviation of the distances of normal cells: what makes heat maps of several views alike.
    """

    size: Size
    grid: Size
    projection: graph.Projection
    bank: MemoryBank
    weight: Floats
    head: graph.CellNet | None
    overlap: float | None
    descriptors: npt.NDArray[np.float64]
    heat: tuple[float, float]

    @property
    def layout(self) -> ViewLayout:
        return ViewLayout(self.bank.rows.shape[1], self.head is not None)

    def plain(self) -> View:
        """Without its head."""
        if self.head is None:
            return self
        return replace(self, head=None, overlap=None, descriptors=self.descriptors[:, :-1])

    @property
    def cost(self) -> int:
        """Cells, which the time of an answer is about proportional to."""
        return self.grid.height * self.grid.width

    def parts(self) -> graph.View:
        """What goes into the graph."""
        return graph.View(self.size, self.projection, self.bank.rows, self.weight, self.head)


def product(problem: Problem, extractor: Extractor, progress: Progress) -> Floats | None:
    """Where the product lies, seen at the extractor's size; see `foreground`."""
    normal = np.random.default_rng([problem.seed, 10]).permutation(problem.normal)[: foreground.IMAGES]
    some = np.sort(normal)
    source = problem.source[some]
    step = counted(progress, "background", 2 * len(some))
    pixels = (pixels_of(problem.samples[int(at)]) for at in some)
    found = foreground.weights(stepping(pixels, step), source, extractor.size, problem.seed)
    if found is None:
        progress("background", 2 * len(some), 2 * len(some))
        return None
    embeddings = Embeddings(problem.samples, extractor, project(problem.samples, normal, extractor, problem.seed))
    seen = (each for _, each in stepping(embeddings.each(some), step))
    inside = foreground.within(seen, source, extractor.grid, problem.seed)
    height, width = inside.shape
    return np.minimum(inside, foreground.spread(found, Size(height, width)).reshape(height, width))


def alike(problem: Problem, extractor: Extractor, where: Floats | None, progress: Progress) -> tuple[Turn, ...]:
    """The turns after which normal images look no stranger than normal ones, seen at the extractor's size; `where` is
    `product`'s.

    No turn where there are too few images to tell, or so many that they show the product as it lies.
    """
    normal = problem.distinct
    if not FEWEST_ASKED <= len(normal) < turns.MOST_SEEN:
        return ()
    some = np.sort(np.random.default_rng([problem.seed, 13]).permutation(normal)[:ASKED_IMAGES])
    embeddings = Embeddings(problem.samples, extractor, project(problem.samples, normal, extractor, problem.seed))
    shown = turns.in_order((int(at), turn) for at in some for turn in turns.TURNS)
    step = counted(progress, "turns", 2 * len(some) + len(shown))
    images = stepping(embeddings.each(some), step)
    bank = remember(images, len(some), BANK_ROWS, problem.seed, problem.source)
    weight = foreground.spread(where, extractor.grid)

    placed = weight.reshape(extractor.grid.height, extractor.grid.width)
    weights = {turn: turn.apply(placed).ravel() for turn in turns.TURNS}
    others = {int(at): bank.without(int(problem.source[at])) for at in some}
    images = stepping(embeddings.each(some), step)
    plain = [descriptor.peak(others[at].distances(each) * weight) for at, each in images]
    strangest: dict[Turn, list[float]] = {turn: [] for turn in turns.TURNS}
    for (at, turn), each in zip(shown, embeddings.turned(shown), strict=True):
        strangest[turn].append(descriptor.peak(others[at].distances(each) * weights[turn]))
        step()
    labels = np.arange(2 * len(plain)) >= len(plain)
    told = {turn: auroc(np.array([*plain, *found]), labels) or 0.0 for turn, found in strangest.items()}
    return tuple(turn for turn in turns.TURNS if told[turn] <= TOLD_APART)


def look(
    problem: Problem,
    backbone: Backbone,
    size: Size,
    precision: Precision,
    where: Floats | None,
    coarse: Cells | None,
    step: Callable[[], None],
) -> tuple[View, Cells]:
    """What the memory bank learns at `size`, and what a head can learn from. Deterministic for a problem and its seed.

    `where` is `product`'s answer; `coarse` is the second result for the smallest size. `step` is called
    `MEMORY.steps(problem)` times. Memory is bounded by the bank, the sampled patches and `KEPT_BYTES` of embeddings,
    here and of `coarse`, but for 4 bytes a patch; time is linear in the images.
    """
    extractor = Extractor(backbone, size, precision)
    projection = project(problem.samples, problem.normal, extractor, problem.seed)
    embeddings = Embeddings(problem.samples, extractor, projection)
    cells = Cells(problem, embeddings, foreground.spread(where, extractor.grid), coarse=coarse)
    learned = MEMORY.learn(cells, step)
    assert learned.bank is not None
    normal = np.concatenate([cells.distances[at] for at in problem.normal[:HEAT_FROM]])
    heat = (float(normal.mean()), float(normal.std()) + 1e-6)
    bank, values = learned.bank, learned.values
    return View(size, extractor.grid, projection, bank, cells.weight, None, None, values, heat), cells


def taught(view: View, cells: Cells, model: Model, step: Callable[[], None]) -> View:
    """`view` with the head that `model` learns from `cells`, both of one look."""
    learned = model.learn(cells, step)
    descriptors = np.concatenate([view.descriptors, learned.values], axis=1)
    return replace(view, head=learned.head, overlap=learned.overlap, descriptors=descriptors)
