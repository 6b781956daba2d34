"""The check: one pass over all images for the files' facts, one over some for what the backbone sees of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from threadpoolctl import threadpool_limits

from relook.vision.backbones import Backbone
from relook.vision.check import contamination, duplicates, quality, shortcuts, views
from relook.vision.check.duplicates import Entry
from relook.vision.check.facts import Facts, gather
from relook.vision.check.probes import FEWEST, can_tell
from relook.vision.check.report import Finding, Report, ordered
from relook.vision.images import common_size
from relook.vision.runtime import Precision
from relook.vision.samples import Progress, Sample

MOST = 400
"""Images of each label that the backbone looks at, drawn by the seed; everything else is asked of all."""
_FEWEST_NORMALS = 8


def check(
    training: Sequence[Sample],
    test: Sequence[Sample],
    backbone: Backbone,
    *,
    seed: int,
    precision: Precision,
    progress: Progress,
    test_teaches: bool = True,
) -> Report:
    """Look for what would make a model learn the wrong thing, or its figures mislead.

    Anomalies of `test` help to find shortcuts where `training` has too few; not with `test_teaches` False, for those
    who go on to train without the suspects: nothing of `test` has then a part in who they are. Deterministic; time
    grows with the number of images, memory by some 10 KB an image; the backbone looks at MOST images of each label.
    Damaged images are findings, not errors.
    """
    samples = [*training, *test]
    looked = gather(samples, progress)
    entries = [
        Entry(sample, facts, at >= len(training))
        for at, (sample, facts) in enumerate(zip(samples, looked, strict=True))
        if isinstance(facts, Facts)
    ]
    with threadpool_limits(limits=1):  # sums over another number of threads differ in the last bit
        findings = [*quality.damaged(samples, looked), *_of_files(entries)]
        report = Report(len(training), len(test), tuple(findings), copies=_copies(entries))
        report = _seen(report, _chosen(entries, seed, test_teaches), backbone, precision, seed, progress)
    return replace(report, findings=ordered(report.findings))


def _of_files(entries: Sequence[Entry]) -> list[Finding]:
    """What all images are asked, without the backbone."""
    samples, facts = [entry.sample for entry in entries], [entry.facts for entry in entries]
    return [*quality.flat(samples, facts), *quality.sizes(samples, facts), *duplicates.find(entries)]


def _copies(entries: Sequence[Entry]) -> tuple[tuple[str, ...], ...]:
    """Of the training images alone: how like one another the test images are has no part in it."""
    taught = [entry for entry in entries if not entry.test]
    groups = duplicates.alike([entry.facts for entry in taught])
    return tuple(tuple(taught[at].sample.key for at in group) for group in groups)


def _seen(
    report: Report,
    entries: Sequence[Entry],
    backbone: Backbone,
    precision: Precision,
    seed: int,
    progress: Progress,
) -> Report:
    """The report with what the backbone's features tell."""
    anomalous = np.array([entry.sample.anomalous for entry in entries], bool)
    if (~anomalous).sum() < _FEWEST_NORMALS:
        return report
    samples, facts = [entry.sample for entry in entries], [entry.facts for entry in entries]
    keys = [sample.key for sample in samples]
    size = common_size([entry.size for entry in facts])
    seen = views.look(samples, ~anomalous, size, backbone, precision, seed, progress, cues=can_tell(anomalous))
    told, outcomes = shortcuts.find(keys, anomalous, facts, seen, seed)
    suspicion = contamination.suspicion(seen.patches, outcomes[0] if outcomes else None, anomalous, seed)
    normals = [key for key, bad in zip(keys, anomalous, strict=True) if not bad]
    strange = contamination.find(normals, suspicion)
    learned = {entry.sample.key for entry in entries if not entry.test}
    return replace(
        report,
        findings=(*report.findings, *told, *strange.findings),
        probes=tuple(outcome.probe for outcome in outcomes),
        suspects=tuple(key for key in strange.suspects if key in learned),
        alike=tuple(key for key in strange.alike if key in learned),
        examined=len(entries),
    )


def _chosen(entries: Sequence[Entry], seed: int, test_teaches: bool) -> list[Entry]:
    """At most MOST of each label from training, in order; test's too where training has too few and it may teach."""
    pool = [entry for entry in entries if not entry.test]
    if test_teaches and sum(entry.sample.anomalous for entry in pool) < FEWEST:
        pool = list(entries)
    rng = np.random.default_rng([seed, 20])
    taken: set[int] = set()
    for label in (False, True):
        positions = [at for at, entry in enumerate(pool) if entry.sample.anomalous is label]
        taken |= {int(at) for at in rng.permutation(positions)[:MOST]}
    return [pool[at] for at in sorted(taken)]
