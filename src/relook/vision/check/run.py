"""The check: one pass over all images for the files' facts, one over some for what the backbone sees of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from threadpoolctl import threadpool_limits

from relook.vision.backbones import Backbone
from relook.vision.check import contamination, duplicates, groups, quality, shortcuts, views
from relook.vision.check.contamination import Suspicion
from relook.vision.check.duplicates import Entry
from relook.vision.check.facts import Facts, gather
from relook.vision.check.probes import Flags, Outcome, Positions, can_tell, probe
from relook.vision.check.report import Finding, Report, ordered
from relook.vision.images import common_size
from relook.vision.runtime import Precision
from relook.vision.samples import Progress, Sample, counted

MOST_JUDGED = 2_000
"""Normals among which a training looks for wrong labels, each at the cost of a look at the smallest size and more."""
FEWEST_NORMALS = 8
"""Among fewer, nothing can be said to be unusual."""


def check(
    training: Sequence[Sample],
    test: Sequence[Sample],
    backbone: Backbone,
    *,
    seed: int,
    precision: Precision,
    progress: Progress,
    teaching: bool = False,
) -> Report:
    """Look for what would make a model learn the wrong thing, or its figures mislead.

    Anomalies of `test` help to find shortcuts where `training` has too few. Not with `teaching`, for those who go on to
    train without the suspects: nothing of `test` has then a part in who they are, MOST_JUDGED normals are judged at
    most, and the report has the copies. Deterministic; time grows with the number of images, memory by some 10 KB an
    image. Shortcuts are looked for in `groups.MOST` images of each label, wrong labels among all normals.
    Damaged images are findings, not errors; where there are any, `teaching` computes no features.
    """
    samples = [*training, *test]
    looked = gather(samples, progress)
    entries = [
        Entry(sample, facts, at >= len(training))
        for at, (sample, facts) in enumerate(zip(samples, looked, strict=True))
        if isinstance(facts, Facts)
    ]
    with threadpool_limits(limits=1):  # sums over another number of threads differ in the last bit
        damaged = quality.damaged(samples, looked)
        findings = [*damaged, *_of_files(entries)]
        report = Report(len(training), len(test), tuple(findings), copies=_copies(entries) if teaching else ())
        if not (teaching and damaged):  # they are refused in any case: no time is lost on features
            some = groups.first(entries, seed, not teaching)
            others = groups.others(entries, some, seed, MOST_JUDGED - groups.MOST if teaching else None)
            report = _seen(report, some, others, backbone, precision, seed, progress)
    return replace(report, findings=ordered(report.findings))


def _of_files(entries: Sequence[Entry]) -> list[Finding]:
    """What all images are asked, without the backbone."""
    samples, facts = [entry.sample for entry in entries], [entry.facts for entry in entries]
    return [
        *quality.flat(samples, facts),
        *quality.shallow(samples, facts),
        *quality.sizes(samples, facts),
        *duplicates.find(entries),
    ]


def _copies(entries: Sequence[Entry]) -> tuple[tuple[str, ...], ...]:
    """Of the training images alone: how like one another the test images are has no part in it."""
    taught = [entry for entry in entries if not entry.test]
    groups = duplicates.alike(taught, duplicates.among([entry.facts for entry in taught]))
    return tuple(tuple(taught[at].sample.key for at in group) for group in groups)


def _seen(
    report: Report,
    entries: Sequence[Entry],
    others: Sequence[Sequence[Entry]],
    backbone: Backbone,
    precision: Precision,
    seed: int,
    progress: Progress,
) -> Report:
    """The report with what the backbone's features tell: shortcuts of `entries`, wrong labels of `others` too."""
    anomalous = _labels(entries)
    if (~anomalous).sum() < FEWEST_NORMALS:
        return report
    size = common_size([entry.facts.size for entry in entries])
    cues = can_tell(anomalous)
    border = cues and views.has_border(size)
    step = counted(progress, "features", (1 + border) * len(entries) + sum(len(group) for group in others))

    def look(some: Sequence[Entry], border: bool) -> views.Views:
        samples = [entry.sample for entry in some]
        return views.look(samples, ~_labels(some), size, backbone, precision, seed, step, border)

    def judge(
        some: Sequence[Entry], copy_of: Positions, seen: views.Views, whole: Outcome | None
    ) -> dict[str, Suspicion]:
        normals = (entry.sample.key for entry in some if not entry.sample.anomalous)
        found = contamination.suspicion(seen.patches, whole, _labels(some), copy_of, seed)
        return dict(zip(normals, found, strict=True))

    def judge_alone(some: Sequence[Entry]) -> dict[str, Suspicion]:
        seen, copy_of = look(some, border=False), duplicates.first_of([entry.facts for entry in some])
        whole = probe(shortcuts.WHOLE, seen.whole, _labels(some), seed, copy_of) if cues else None
        return judge(some, copy_of, seen, whole)

    seen = look(entries, border)
    keys, facts = [entry.sample.key for entry in entries], [entry.facts for entry in entries]
    copy_of = duplicates.first_of(facts)
    told, outcomes = shortcuts.find(keys, anomalous, facts, copy_of, seen, seed)
    judged = judge(entries, copy_of, seen, outcomes[0] if outcomes else None)
    del seen
    for group in others:  # one after the other: time stays linear, and memory bounded
        judged = judge_alone(group) | judged
    strange = contamination.find(judged)
    learned = {entry.sample.key for each in (entries, *others) for entry in each if not entry.test}
    return replace(
        report,
        findings=(*report.findings, *told, *strange.findings),
        probes=tuple(outcome.probe for outcome in outcomes),
        suspects=tuple(key for key in strange.suspects if key in learned),
        alike=tuple(key for key in strange.alike if key in learned),
        examined=sum(not entry.test for entry in entries),
        judged=len(judged.keys() & learned),
    )


def _labels(entries: Sequence[Entry]) -> Flags:
    return np.array([entry.sample.anomalous for entry in entries], bool)
