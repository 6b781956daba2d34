"""Wrong labels: anomalies among the images that are labelled normal, how many of them are named, and what they cost.

The wrong ones are drawn by a seed from the labelled anomalies, those of a smaller share being among those of a larger
one; the anomalies that keep their label are the same for every share, and so are the test images.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from bench import fewshot, given, judge, sets
from bench.bed import Bed
from bench.kept import Steps
from bench.results import Figure, Result, Table, Unavailable
from bench.sets import DataSet
from relook.vision import artifact
from relook.vision.backbones import Backbone
from relook.vision.check import Kind, check
from relook.vision.metrics import auroc
from relook.vision.runtime import native_precision
from relook.vision.samples import Sample

SHARES = (0.0, 0.05, 0.15)
"""Of the normal images: so many anomalies are put among them."""
SEEDS = (0, 1)
ALONE, BESIDE = "normals only", "and labelled anomalies"
_COLUMNS = ("set", "training", "normal images", "wrong among them", "named", "left out", "wrongly named")
_COLUMNS += ("AUROC", "lowest", "F1")


@dataclass(frozen=True, slots=True)
class Case:
    """`share` of wrong labels; `how` it is trained."""

    share: float
    how: str

    @property
    def name(self) -> str:
        return f"{self.how}, {self.share:.0%} wrong"


def measure(bed: Bed) -> Result:
    """Every set, kind of training, share and seed, with the weights as installed; with --only those with the word."""
    given.need_real(bed)
    chosen = [given.drawn()] if bed.quick else [sets.board(), sets.cookie(), fewshot.aliens()]
    backbone = given.backbones(bed)[given.OWN]
    seeds = SEEDS[:1] if bed.quick else SEEDS
    found: dict[tuple[str, Case], list[dict[str, Any]]] = {}
    with given.steps("contaminated", bed) as steps:
        for data in chosen:
            for case in cases(bed.quick):
                if some := _found(steps, data, backbone, case, seeds):
                    found[data.name, case] = some
    if not found:
        raise Unavailable(f"no step is left with --only {bed.only!r}")
    table = Table(
        "Wrong labels, mean of the seeds; AUROC and F1 on the official test images",
        _COLUMNS,
        [_row(name, case, each) for (name, case), each in found.items()],
    )
    notes = [
        "Named: of the wrong ones those that `relook check` says may be mislabelled or look unlike the others; left "
        "out: those of them that training does not learn from. Wrongly named: the same of the normal ones.",
        "From normals alone nothing is left out: whether a strange one is a mistake or a rare good part nobody can say "
        "there. As many anomalies as are wrong at most are never given as anomalies. No masks are given.",
        "Aliens: as in the bench of few images.",
        *given.weights_notes({given.OWN: backbone}),
    ]
    return Result("Wrong labels", list(_figures(found)), [table], notes, {"first": SEEDS[0]})


def cases(quick: bool = False) -> Iterator[Case]:
    for how in (BESIDE,) if quick else (ALONE, BESIDE):
        for share in SHARES[::2] if quick else SHARES:
            yield Case(share, how)


def mislabelled(data: DataSet, case: Case, seed: int) -> tuple[list[Sample], set[str]]:
    """The training images in the set's order, without masks, and the keys of those whose label is wrong."""
    normals = sum(not sample.anomalous for sample in data.training)
    keys = sorted(sample.key for sample in data.training if sample.anomalous)
    drawn = [keys[at] for at in np.random.default_rng([seed, 4]).permutation(len(keys))]
    aside = set(drawn[: _wrong(normals, SHARES[-1])])
    wrong = set(drawn[: _wrong(normals, case.share)])
    taken = []
    for sample in data.training:
        if not sample.anomalous or sample.key in wrong:
            taken.append(replace(sample, anomalous=False, mask=None))
        elif case.how == BESIDE and sample.key not in aside:
            taken.append(replace(sample, mask=None))
    return taken, wrong


def _wrong(normals: int, share: float) -> int:
    """How many anomalies are added to so many normal images."""
    return round(share * normals)


def _found(steps: Steps, data: DataSet, backbone: Backbone, case: Case, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """What each seed found; empty unless all are there."""
    names = [" / ".join((data.name, case.name, f"seed {seed}", backbone.sha256[:8])) for seed in seeds]
    work = [partial(_tried, data, backbone, case, seed) for seed in seeds]
    found = [steps.run(name, each) for name, each in zip(names, work, strict=True)]
    whole = [each for each in found if each is not None]
    return whole if len(whole) == len(found) else []


def _tried(data: DataSet, backbone: Backbone, case: Case, seed: int) -> dict[str, Any]:
    bare = replace(data, classes=(), masked=())
    training, wrong = mislabelled(data, case, seed)
    told = check(
        training, [], backbone, seed=seed, precision=native_precision(), progress=lambda stage, done, total: None
    )
    kinds = (Kind.MISLABELLED, Kind.UNUSUAL)
    named = {key for finding in told.findings if finding.kind in kinds for key in finding.images}
    with TemporaryDirectory() as folder:
        answers = judge.answers(bare, training, bare.test, backbone, Path(folder), seed)
        left_out = set(artifact.read(Path(folder))[1].record["left_out"])
    scores, labels = np.array(answers["scores"]), np.array(answers["labels"], bool)
    return {
        "normals": sum(not sample.anomalous for sample in training) - len(wrong),
        "wrong": len(wrong),
        "named": len(named & wrong),
        "left_out": len(left_out & wrong),
        "wrongly": len((named | left_out) - wrong),
        "auroc": auroc(scores, labels),
        "f1": judge.f1(np.array(answers["said"], bool), labels),
    }


def _row(name: str, case: Case, found: Sequence[dict[str, Any]]) -> list[str | float]:
    def mean(what: str) -> float:
        return statistics.mean(each[what] for each in found)

    counts = [round(mean(what), 1) for what in ("wrong", "named", "left_out", "wrongly")]
    cells: list[str | float] = [name, case.how, round(mean("normals")), *counts]
    return [*cells, round(mean("auroc"), 3), round(min(each["auroc"] for each in found), 3), round(mean("f1"), 3)]


def _figures(found: dict[tuple[str, Case], list[dict[str, Any]]]) -> Iterator[Figure]:
    """Of all sets together, for each kind of training: what is named, and what the wrong labels cost."""
    for how in (ALONE, BESIDE):
        by_share = {
            share: [each for (_, case), some in found.items() if case == Case(share, how) for each in some]
            for share in SHARES
        }
        wrong = [each for some in by_share.values() for each in some if each["wrong"]]
        if total := sum(each["wrong"] for each in wrong):
            named = sum(each["named"] for each in wrong)
            yield Figure(f"wrong labels that are named, {how}", round(100 * named / total, 1), "%")
        for share, some in by_share.items():
            if some:
                area = statistics.mean(each["auroc"] for each in some)
                yield Figure(f"mean AUROC with {share:.0%} of the normals wrong, {how}", round(area, 3))
