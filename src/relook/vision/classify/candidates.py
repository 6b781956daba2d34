"""The candidates: at each working size several sets of blocks under a linear head, compared on held-out images."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax

from relook.vision import graph
from relook.vision.backbones import Backbone
from relook.vision.classify import regression
from relook.vision.classify.looking import Look
from relook.vision.classify.pooling import DEVIATION, MEAN, PEAK, QUARTERS, Blocks, evidence_blocks
from relook.vision.classify.problem import FOLDS, LabelProblem, Positions, deal
from relook.vision.classify.regression import Linear, Matrix, Scaling
from relook.vision.images import Size
from relook.vision.memory_bank import BANK_ROWS, DIMS
from relook.vision.metrics import auroc

STRENGTHS = (1.0, 10.0, 100.0)
"""Of the head, scikit-learn's C: tried on held-out images for every candidate."""
MARGIN = 0.005
"""A candidate must be better by so much for each doubling of the time it takes to answer."""
REPEATS, REPEATED_UP_TO = 5, 200
"""With few images, one way to deal out the folds is luck: of 40 boards, what three ways said of the size that they
chose, a quality of .775, fell to .763 with five and .753 with twenty."""

AVERAGE = (MEAN,)
STATISTICS = (MEAN, DEVIATION, PEAK)
PLACES = (*STATISTICS, QUARTERS)


@dataclass(frozen=True, slots=True)
class Recipe:
    """Which blocks are looked at, and which groups' memories these need."""

    name: str
    blocks: tuple[str, ...]
    groups: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """`logits` (repeats, images, labels) are of images held out. `quality` is the mean of `area` (AUROC, averaged over
    labels) and `information` (the part of the labels' uncertainty that the calibrated scores take away)."""

    look: Look
    recipe: Recipe
    strength: float
    scaling: Scaling
    logits: npt.NDArray[np.float64]
    area: float
    information: float

    @property
    def quality(self) -> float:
        return (self.area + self.information) / 2

    @property
    def cost(self) -> float:
        """Of an answer, in cells of the backbone: about 5 microseconds each, as is a memory of BANK_ROWS for a cell."""
        cells = self.look.grid.height * self.look.grid.width
        assert self.recipe.groups == () or self.look.memories is not None
        banks = self.look.memories.banks if self.look.memories is not None else ()
        rows = sum(banks[group].rows.size for group in self.recipe.groups)
        return cells * (1 + rows / (BANK_ROWS * DIMS))

    @property
    def merit(self) -> float:
        """What the best candidate has most of."""
        return _merit(self.quality, self.cost)

    def __str__(self) -> str:
        return f"{self.look.size.width}x{self.look.size.height} '{self.recipe.name}'"


def recipes(look: Look) -> list[Recipe]:
    """What can be tried at a size, cheapest first."""
    found = [Recipe("average", AVERAGE), Recipe("statistics", STATISTICS), Recipe("places", PLACES)]
    if look.memories is None:
        return found
    groups = tuple(range(len(look.memories.banks)))
    sets = [*((group,) for group in groups), groups] if len(groups) == 2 else [groups]
    for chosen in sets:
        memories = tuple(name for group in chosen for name in evidence_blocks(group))
        which = "" if len(chosen) > 1 else f" of {look.memories.names[chosen[0]]}"
        found.append(Recipe(f"average and memory{which}", (*AVERAGE, *memories), chosen))
        found.append(Recipe(f"statistics and memory{which}", (*STATISTICS, *memories), chosen))
    return found


def compare(problem: LabelProblem, look: Look, step: Callable[[], None]) -> list[Candidate]:
    """Every recipe at this size; `step` is called after each."""
    kernels = {name: _kernel(values) for name, values in look.blocks.items()}
    found = []
    for recipe in recipes(look):
        found.append(_tried(problem, look, recipe, [kernels[name] for name in recipe.blocks]))
        step()
    return found


def tried(problem: LabelProblem, look: Look, recipe: Recipe) -> Candidate:
    """One recipe at this size."""
    return _tried(problem, look, recipe, [_kernel(look.blocks[name]) for name in recipe.blocks])


def heads(images: int) -> int:
    """How many are learned from parts of so many images to compare one candidate."""
    return FOLDS * _repeats(images) * len(STRENGTHS)


def _repeats(images: int) -> int:
    return REPEATS if images <= REPEATED_UP_TO else 1


def uncompared(problem: LabelProblem, look: Look) -> Candidate:
    """What is taken where nothing can be compared: the weakest head, not calibrated. Learned from one image of each
    label it was right and half sure (.74) of things that look unlike, and of defects cut out of boards as often right
    (.33) as it was sure (.32); where it could tell nothing, of whole boards, it was too sure (.90)."""
    labels = len(problem.labels)
    scaling = Scaling(np.ones(labels), np.zeros(labels))
    recipe = Recipe("statistics", STATISTICS)
    return Candidate(look, recipe, STRENGTHS[0], scaling, np.empty((0, len(problem.images), labels)), 0.5, 0.0)


def choose(found: Sequence[Candidate]) -> Candidate:
    """That of the most merit; of equal ones the first."""
    return max(found, key=lambda each: each.merit)


def hopeless(backbone: Backbone, size: Size, found: Sequence[Candidate]) -> bool:
    """Whether not even a perfect candidate at this size would be chosen."""
    grid = graph.grid(backbone, size)
    return _merit(1.0, grid.height * grid.width) <= choose(found).merit


def _merit(quality: float, cost: float) -> float:
    return quality - MARGIN * math.log2(cost)


def standard(blocks: Blocks, names: Sequence[str]) -> tuple[Matrix, Matrix]:
    """Mean and gain of the values of these blocks, one after the other, by which every block counts alike."""
    parts = [blocks[name].astype(np.float64) for name in names]
    gains = [1 / ((part.std(0) + 1e-6) * math.sqrt(part.shape[1])) for part in parts]
    return np.concatenate([part.mean(0) for part in parts]), np.concatenate(gains)


def values_of(blocks: Blocks, names: Sequence[str]) -> Matrix:
    """(rows, values) of these blocks, one after the other."""
    return np.concatenate([blocks[name].astype(np.float64) for name in names], axis=1)


@dataclass(frozen=True, slots=True)
class Taught:
    """A recipe's head: logits = ((values - mean) * gain) @ linear.weight + linear.bias."""

    names: tuple[str, ...]
    mean: Matrix
    gain: Matrix
    linear: Linear

    def logits(self, blocks: Blocks) -> Matrix:
        """(rows, labels) of what `blocks` (rows, values) say."""
        return self.linear.apply((values_of(blocks, self.names) - self.mean) * self.gain)


def taught(problem: LabelProblem, look: Look, chosen: Candidate, images: Positions) -> Taught:
    """The head of `chosen`, learned from the images of `problem` at these positions, with all their flips."""
    flips = len(look.flips)
    rows = (images[:, None] * flips + np.arange(flips)).ravel()
    blocks = {name: look.blocks[name][rows] for name in chosen.recipe.blocks}
    mean, gain = standard(blocks, chosen.recipe.blocks)
    values = (values_of(blocks, chosen.recipe.blocks) - mean) * gain
    truths = np.repeat(problem.truths[images], flips, axis=0)
    fitted = regression.fit_reduced(values, truths, chosen.strength / flips, problem.single)
    return Taught(chosen.recipe.blocks, mean, gain, fitted)


def _kernel(values: npt.NDArray[np.float32]) -> Matrix:
    """(rows, rows): products of the standardised values."""
    mean, gain = standard({"": values}, ("",))
    centred = (values - mean) * gain
    products: Matrix = centred @ centred.T
    return products


def _tried(problem: LabelProblem, look: Look, recipe: Recipe, kernels: Sequence[Matrix]) -> Candidate:
    kernel: Matrix = np.sum(kernels, axis=0)
    repeats = _repeats(len(problem.images))
    held_out = [_held_out(problem, kernel, len(look.flips), repeat) for repeat in range(repeats)]
    best: Candidate | None = None
    rows = problem.judged
    judged = problem.part(rows)
    truths = np.tile(judged.truths, (repeats, 1))
    for at, strength in enumerate(STRENGTHS):
        logits = np.stack([each[at] for each in held_out])
        asked = logits[:, rows]
        scaling = regression.calibrate(asked.reshape(len(truths), -1), truths, problem.single, repeats)
        area, information = judge(judged, asked, scaling)
        found = Candidate(look, recipe, strength, scaling, logits, area, information)
        if best is None or found.quality > best.quality + 1e-9:
            best = found
    assert best is not None
    return best


def _held_out(problem: LabelProblem, kernel: Matrix, flips: int, repeat: int) -> list[Matrix]:
    """(images, labels) logits for each of STRENGTHS. Of held-out images only the unflipped ones are asked."""
    fold = np.repeat(deal(problem, repeat), flips)
    truths = np.repeat(problem.truths, flips, axis=0)
    plain = np.arange(len(fold)) % flips == 0
    found = [np.empty(problem.truths.shape) for _ in STRENGTHS]
    for each in np.unique(fold):
        rest, asked = fold != each, (fold == each) & plain
        squares, axes = np.linalg.eigh(kernel[np.ix_(rest, rest)])
        kept = squares > regression.RANK * squares[-1]
        roots, axes = np.sqrt(squares[kept]), axes[:, kept]
        learned, shown = axes * roots, kernel[np.ix_(asked, rest)] @ (axes / roots)
        head: Linear | None = None
        for at, strength in enumerate(STRENGTHS):
            head = regression.fit(learned, truths[rest], strength / flips, problem.single, head)
            found[at][asked[plain]] = head.apply(shown)
    return found


def judge(problem: LabelProblem, logits: npt.NDArray[np.float64], scaling: Scaling) -> tuple[float, float]:
    """AUROC and information of `logits` (repeats, images, labels), averaged over the repeats."""
    areas = [_area(each, problem) for each in logits]
    told = [regression.information(each, problem.truths, scaling, problem.single) for each in logits]
    return float(np.mean(areas)), float(np.mean(told))


def _area(logits: Matrix, problem: LabelProblem) -> float:
    """Mean over the labels of how well each is told from the rest."""
    order = log_softmax(logits, axis=1) if problem.single else logits
    found = [auroc(order[:, at], problem.truths[:, at]) for at in range(logits.shape[1])]
    known = [area for area in found if area is not None]
    return float(np.mean(known)) if known else 0.5
