"""What training does with the check of its data: its warnings are told, and suspects are not learned from as normal."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from relook.vision.backbones import Backbone
from relook.vision.check import Kind, Report, Severity, check
from relook.vision.check.report import listed, told
from relook.vision.runtime import Precision
from relook.vision.samples import Progress, Sample
from relook.vision.survey import FEWEST_NORMALS

MOST_LEFT_OUT = 0.1
"""Share of the normals: where more are strange, they are rather the product's other kinds than mistakes."""
_TOLD_ELSEWHERE = (Kind.SIZES,)
"""The survey has a sentence on them already."""


@dataclass(frozen=True, slots=True)
class Sifted:
    """`samples` are to be learned from; `notes` are plain sentences; `left_out` keys, worst first."""

    samples: list[Sample]
    notes: tuple[str, ...]
    left_out: tuple[str, ...] = ()


def sift(
    training: Sequence[Sample],
    test: Sequence[Sample],
    backbone: Backbone,
    *,
    seed: int,
    precision: Precision,
    progress: Progress,
) -> Sifted:
    """Check the data, and leave likely mislabelled normals out. Nothing of `test` has a part in which."""

    def step(stage: str, done: int, total: int) -> None:
        progress(f"check: {stage}", done, total)

    report = check(training, test, backbone, seed=seed, precision=precision, progress=step, test_teaches=False)
    notes = tuple(_warnings(report))
    suspects = report.suspects
    normals = sum(not sample.anomalous for sample in training)
    if not suspects:
        return Sifted(list(training), notes)
    if len(suspects) > MOST_LEFT_OUT * normals or normals - len(suspects) < FEWEST_NORMALS:
        kept = (
            f"{len(suspects)} of {normals} normal images look unlike the others; that many are hardly mistakes, "
            f"so all were learned from: {listed(suspects)}."
        )
        return Sifted(list(training), (*notes, kept))
    gone = (
        f"Left {len(suspects)} of {normals} normal images out of what is learned as normal, because they may be "
        f"mislabelled: {listed(suspects)}."
    )
    return Sifted(_without(training, set(suspects)), (*notes, gone), suspects)


def _warnings(report: Report) -> list[str]:
    wanted = (entry for entry in report.findings if entry.kind not in _TOLD_ELSEWHERE)
    return [told(entry) for entry in wanted if entry.severity is not Severity.INFO]


def _without(training: Sequence[Sample], suspects: Collection[str]) -> list[Sample]:
    return [sample for sample in training if sample.anomalous or sample.key not in suspects]
