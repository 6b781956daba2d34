"""The candidates: every view and some views together, with every score that fits, compared on held-out images."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from relook.vision.calibration import fit_platt
from relook.vision.metrics import auroc, best_f1
from relook.vision.problem import Positions, Problem, assign_folds
from relook.vision.samples import Progress, Task, TrainingError, counted
from relook.vision.score import Score
from relook.vision.scorers import SCORERS, UNTAUGHT
from relook.vision.scorers.base import Descriptors, Layout, Scorer
from relook.vision.view import View

REPEATS = 5
"""Scorers are compared over this many ways to deal out the folds: one way is luck with a few dozen images."""
PLANTED_MARGIN = 0.2
"""By so much a candidate must find planted defects better to be taken for that."""
MARGIN = 0.005
"""A costlier candidate must be better by this much. With .02 models were a fifth cheaper, but on boards the AUROC by
cross-validation fell from .945 to .938 (with our own weights from .983 to .953), and F1 from .92 to .87."""
Raw = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Candidate:
    """Views with a scorer: the score to serve, held-out raw scores, and how good these are.

    `quality` is the mean of AUROC, of `information` (the part of the label's uncertainty that the calibrated score
    takes away) and, with masks, of their overlap. F1 moves by whole images: for the report only.
    """

    views: tuple[View, ...]
    scorer: Scorer
    score: Score
    raw: Raw
    auroc: float
    f1: float
    information: float
    quality: float

    @property
    def sizes(self) -> str:
        """Such as `256x384 + 512x768 with a head`."""
        heads = {True: " with a head", False: ""}
        return " + ".join(f"{each.size.width}x{each.size.height}{heads[each.head is not None]}" for each in self.views)

    @property
    def overlap(self) -> float | None:
        """Of the view that draws the masks."""
        return _overlap(self.views)


def combinations(views: Sequence[View], masks: bool) -> list[tuple[View, ...]]:
    """Which views to try together, cheapest first: each alone, and the smallest with the largest, because others tell
    much the same. A head goes along with its view and the smallest, which it looks at too; with `masks` it always
    does."""
    last = len(views) - 1
    plain = [view.plain() for view in views]
    found = [[view] for view in plain]
    found += [[plain[0], plain[last]]] if last else []
    headed = next((at for at, view in enumerate(views) if view.head is not None), None)
    if headed is not None:
        sets = ({0, headed}, {0, headed, last})
        with_head = [[views[at] if at == headed else plain[at] for at in sorted(places)] for places in sets]
        found = with_head if masks else [*found, *with_head]
    distinct = {tuple((view.size, view.head is None) for view in entry): tuple(entry) for entry in found}
    return sorted(distinct.values(), key=lambda entry: sum(view.cost for view in entry))


def compare(problem: Problem, views: Sequence[View], progress: Progress) -> list[Candidate]:
    """All candidates, those of the cheapest views first."""
    wanted = [
        (together, scorer)
        for together in combinations(views, problem.task is Task.SEGMENTATION)
        for scorer in _usable(problem, Layout(tuple(view.layout for view in together)))
    ]
    if problem.ranked and problem.task is Task.CLASSIFICATION:
        wanted.append((_widest(views), UNTAUGHT))
    step = counted(progress, "compare", sum(repeats(scorer) for _, scorer in wanted))
    return [tried(problem, together, scorer, step) for together, scorer in wanted]


def _widest(views: Sequence[View]) -> tuple[View, ...]:
    """The smallest and the largest, without heads."""
    return tuple(view.plain() for view in views[:: max(1, len(views) - 1)])


def by_chance(labels: npt.NDArray[np.bool_]) -> float:
    """An AUROC that hardly any score without a meaning has: two deviations of what shuffled labels give (Mann and
    Whitney, 1947). `labels` has both."""
    anomalies, normals = int(labels.sum()), int((~labels).sum())
    return 0.5 + 2 * math.sqrt((anomalies + normals + 1) / (12 * anomalies * normals))


def choose(found: Sequence[Candidate], planted: bool, scorer: str | None = None, chance: float = 0.0) -> Candidate:
    """The best; within MARGIN the cheaper views and the plainer score.

    Where none that learned from the labels has an AUROC of `chance`, they have taught it noise, and distances alone are
    taken: of a drawn screw's 12 anomalies the taught ones reached .60 on unseen images, distances .77.

    With `planted` defects the smallest and the largest view together, else the largest, and the plainest score are
    taken unless another is better by PLANTED_MARGIN: planted defects are small and crisp, and real ones need not be.
    Raises TrainingError when `scorer` names none.
    """
    if planted and scorer is None:
        headless = [each for each in found if all(view.head is None for view in each.views)]
        # of the most views, or where there was no time for two of the largest, the first: the plainest score
        plainest = max(headless or found, key=lambda each: (len(each.views), each.views[-1].cost))
        best = max(found, key=lambda each: each.quality)
        return best if best.quality > plainest.quality + PLANTED_MARGIN else plainest
    named = [each for each in found if scorer in (None, each.scorer.name)]
    if not named:
        known = ", ".join(dict.fromkeys(each.scorer.name for each in found))
        raise TrainingError(f"no score is named {scorer!r} here; there are {known}")
    taught = [each for each in named if each.scorer.supervised]
    untaught = [each for each in named if not each.scorer.supervised]
    if taught and untaught:
        named = taught if max(each.auroc for each in taught) >= chance else untaught
    highest = max(each.quality for each in named)
    return next(each for each in named if each.quality >= highest - MARGIN)


def _usable(problem: Problem, layout: Layout) -> list[Scorer]:
    return [
        scorer for scorer in SCORERS if problem.ranked == scorer.supervised and (layout.head or not scorer.needs_head)
    ]


def repeats(scorer: Scorer) -> int:
    """How often `tried` calls its `step`."""
    return REPEATS if scorer.supervised else 1


def tried(problem: Problem, views: tuple[View, ...], scorer: Scorer, step: Callable[[], None]) -> Candidate:
    """These views with this scorer, on images held out from it."""
    descriptors = np.concatenate([view.descriptors for view in views], axis=1)
    raws, score = _held_out(problem, descriptors, Layout(tuple(view.layout for view in views)), scorer, step)
    labels = problem.anomalous
    both = bool(labels.any() and not labels.all())
    area = float(np.mean([auroc(raw, labels) or 0.0 for raw in raws])) if both else 0.0
    f1 = float(np.mean([best_f1(raw, labels) for raw in raws])) if both else 0.0
    information = float(np.mean([_information(raw, problem) for raw in raws])) if both else 0.0
    overlap = _overlap(views)
    parts = [area, information] if overlap is None else [area, information, overlap]
    return Candidate(views, scorer, score, np.mean(raws, axis=0), area, f1, information, float(np.mean(parts)))


def _overlap(views: Sequence[View]) -> float | None:
    return max((view.overlap for view in views if view.overlap is not None), default=None)


def _held_out(
    problem: Problem, descriptors: Descriptors, layout: Layout, scorer: Scorer, step: Callable[[], None]
) -> tuple[list[Raw], Score]:
    """Raw scores of images the scorer was not fitted on, once for each way to deal out the folds; and the score to
    serve: the mean of all that were fitted (bagging by cross-validation), because a threshold chosen on their
    held-out scores is right for them, and not for a score fitted on all images, which is steeper.
    """
    if not scorer.supervised:
        score = scorer.fit(descriptors, problem.anomalous, layout)
        step()
        return [score.apply(descriptors)], score
    raws, fitted = [], []
    for repeat in range(REPEATS):
        deal = problem.fold if repeat == 0 else _dealt(problem, repeat)
        raw = np.empty(len(descriptors))
        for fold in np.unique(deal):
            rest = deal != fold
            fitted.append(scorer.fit(descriptors[rest], problem.anomalous[rest], layout))
            raw[~rest] = fitted[-1].apply(descriptors[~rest])
        raws.append(raw)
        step()
    return raws, _mean(fitted)


def _mean(scores: Sequence[Score]) -> Score:
    weights, bias = [one.weights for one in scores], [one.bias for one in scores]
    return Score(np.mean(weights, 0), np.mean(bias, 0), float(np.mean([one.temperature for one in scores])))


def _dealt(problem: Problem, repeat: int) -> Positions:
    return assign_folds(problem.anomalous, problem.seed, repeat, problem.copy_of)


def _information(raw: Raw, problem: Problem) -> float:
    """1 - log-loss over the loss of always saying the labels' shares; 0 at worst."""
    calibration = fit_platt(raw, problem.anomalous)
    t = calibration.slope * raw + calibration.offset
    loss = float(np.mean(np.logaddexp(0.0, np.where(problem.anomalous, -t, t))))
    share = float(problem.anomalous.mean())
    prior = float(-(share * np.log(share) + (1 - share) * np.log(1 - share)))
    return max(0.0, 1 - loss / prior)
