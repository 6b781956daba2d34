"""Who is looked at together: some of each label for shortcuts, and all normals, group by group, for wrong labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from relook.vision.check.duplicates import Entry
from relook.vision.check.probes import FEWEST

MOST = 400
"""Images of a label that are looked at together: enough to know what is usual, and bounded in memory."""

_ANOMALIES = 100


def first(entries: Sequence[Entry], seed: int, test_teaches: bool) -> list[Entry]:
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


def others(entries: Sequence[Entry], known: Sequence[Entry], seed: int, most: int | None = None) -> list[list[Entry]]:
    """The training normals that are not among the `known`, MOST at a time, each time with some known anomalies; no more
    than `most` of them.

    The last group is filled up with known normals: among a few, nothing is unusual.
    """
    names = {entry.sample.key for entry in known}
    left = [entry for entry in entries if not (entry.test or entry.sample.anomalous or entry.sample.key in names)]
    left = [left[int(at)] for at in np.random.default_rng([seed, 25]).permutation(len(left))[:most]]
    normals, anomalies = ([each for each in known if each.sample.anomalous is label] for label in (False, True))
    groups = [left[at : at + MOST] for at in range(0, len(left), MOST)]
    return [[*group, *normals[: MOST - len(group)], *anomalies[:_ANOMALIES]] for group in groups]
