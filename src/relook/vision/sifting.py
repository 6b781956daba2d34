"""What training does with the check of its data: images that cannot be used are refused, warnings are told, and
normals that look like the labelled anomalies are not learned from.

Normals that are merely strange are told and kept: without labelled anomalies nobody can say whether such a one is a
mistake or a rare good part, and the model of a clean set is the worse for having lost the latter. They are suspects, of
which no turned copies are made (docs/adr/0008-turned-copies.md).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from relook.vision.backbones import Backbone
from relook.vision.check import Kind, Report, Severity, check
from relook.vision.check.report import told
from relook.vision.naming import NAMED, listed
from relook.vision.problem import FOLDS, too_alike
from relook.vision.runtime import Precision
from relook.vision.samples import Progress, Sample, TrainingError
from relook.vision.survey import FEWEST_NORMALS

MOST_LEFT_OUT = 0.1
"""Share of the normals: where more look like anomalies, the labels are told apart by something finer."""
_TOLD_ELSEWHERE = (Kind.SIZES,)
"""The survey has a sentence on them already."""


@dataclass(frozen=True, slots=True)
class Sifted:
    """`samples` are to be learned from; `notes` are plain sentences; `left_out` keys, worst first; `suspects` those of
    normals that may be mislabelled and are learned from; `copies` as in the check's report."""

    samples: list[Sample]
    notes: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    suspects: tuple[str, ...] = ()
    copies: tuple[tuple[str, ...], ...] = ()


def sift(
    training: Sequence[Sample],
    test: Sequence[Sample],
    backbone: Backbone,
    *,
    seed: int,
    precision: Precision,
    progress: Progress,
) -> Sifted:
    """Check the data, and leave out normals that are likely mislabelled. Nothing of `test` has a part in which.

    Raises TrainingError, which names them, where images cannot be used.
    """

    def step(stage: str, done: int, total: int) -> None:
        progress(f"check: {stage}", done, total)

    report = check(training, test, backbone, seed=seed, precision=precision, progress=step, teaching=True)
    _refuse_damaged(report)
    alike = report.alike
    normals = sum(not sample.anomalous for sample in training)
    notes = (*_warnings(report), *_repeated(training, report.copies))
    if 0 < report.judged < normals:
        notes += (
            f"Wrong labels were looked for among {report.judged} of the {normals} normal images, drawn by the seed; "
            "`relook check` looks at all.",
        )
    if not alike:
        return Sifted(list(training), notes, suspects=report.suspects, copies=report.copies)
    if len(alike) > MOST_LEFT_OUT * normals or normals - len(alike) < FEWEST_NORMALS:
        kept = (
            f"{len(alike)} of {normals} normal images look like the anomalies; that many are hardly mistakes, "
            f"so all were learned from: {listed(alike)}."
        )
        return Sifted(list(training), (*notes, kept), suspects=report.suspects, copies=report.copies)
    gone = (
        f"Left {len(alike)} of {normals} normal images out, because they look like the anomalies and unlike the "
        f"other normals: {listed(alike)}."
    )
    suspects = tuple(key for key in report.suspects if key not in alike)
    return Sifted(_without(training, set(alike)), (*notes, gone), alike, suspects, report.copies)


def _refuse_damaged(report: Report) -> None:
    wanted = (entry for entry in report.findings if entry.kind is Kind.DAMAGED)
    if reasons := [told(entry) for entry in wanted if entry.severity is Severity.ERROR]:
        raise TrainingError(" ".join(reasons[:NAMED]))


def _warnings(report: Report) -> list[str]:
    wanted = (entry for entry in report.findings if entry.kind not in _TOLD_ELSEWHERE)
    return [told(entry) for entry in wanted if entry.severity is not Severity.INFO]


def _repeated(training: Sequence[Sample], copies: Sequence[Sequence[str]]) -> Iterator[str]:
    """What copies among the training images do to the figures."""
    for word, anomalous in (("normal", False), ("anomalous", True)):
        keys = {sample.key for sample in training if sample.anomalous == anomalous}
        inside = [count for count in (len(keys.intersection(group)) for group in copies) if count > 1]
        pictures = len(keys) - sum(inside) + len(inside)
        if inside and len(keys) >= FOLDS and too_alike(pictures, len(keys)):
            yield (
                f"The {len(keys)} {word} training images show only {pictures} different pictures. Each is judged by "
                "what was learned from its copies, so the figures of held-out images are too good, and the threshold "
                "may be wrong: add different ones."
            )
        elif inside:
            shown = "one picture" if len(inside) == 1 else f"{len(inside)} pictures"
            apart = ", but none is judged by what was learned from its copy" if len(keys) >= FOLDS else ""
            yield f"{sum(inside)} {word} training images are copies of {shown}; they count several times{apart}."


def _without(training: Sequence[Sample], suspects: Collection[str]) -> list[Sample]:
    return [sample for sample in training if sample.anomalous or sample.key not in suspects]
