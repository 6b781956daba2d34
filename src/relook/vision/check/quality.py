"""Images that cannot be used, show nothing, leave most of their range empty, or differ in size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from relook.vision.check.facts import Damaged, Facts
from relook.vision.check.report import Finding, Kind, Severity
from relook.vision.images import aspect_differs, common_size
from relook.vision.samples import Sample

BLANK = 4.0
"""Grey levels between the darkest and the brightest hundredth: below, nothing is there but noise."""
FLAT, FLAT_SHARE = 24.0, 1 / 3
"""Little contrast: fewer grey levels than this, and than this share of what is usual in the set."""

SHALLOW = 1 << 14
"""Values of 16-bit grey: below, less than 64 of the 256 grey levels are left, as of cameras of 10, 12 or 14 bits."""


def damaged(samples: Sequence[Sample], looked: Sequence[Facts | Damaged]) -> list[Finding]:
    """One finding for each reason."""
    reasons: dict[str, list[str]] = {}
    for sample, entry in zip(samples, looked, strict=True):
        if isinstance(entry, Damaged):
            reasons.setdefault(entry.reason, []).append(sample.key)
    return [
        Finding(Kind.DAMAGED, Severity.ERROR, f"Cannot be used: {reason}.", {"images": len(keys)}, tuple(keys))
        for reason, keys in reasons.items()
    ]


def flat(samples: Sequence[Sample], facts: Sequence[Facts]) -> list[Finding]:
    """Blank images, and such of far less contrast than the others; not those that `shallow` tells of."""
    contrast = np.array([entry.contrast for entry in facts])
    if not len(contrast):
        return []
    full = np.array([not _is_shallow(entry) for entry in facts])
    blank = full & (contrast < BLANK)
    low = full & ~blank & (contrast < min(FLAT, FLAT_SHARE * float(np.median(contrast))))
    findings = []
    for kind, flags, words in (
        (Kind.BLANK, blank, "show nothing: all of the picture has one brightness; take them out"),
        (Kind.LOW_CONTRAST, low, "have far less contrast than the others: dark, overexposed or fogged"),
    ):
        keys = tuple(samples[int(at)].key for at in np.flatnonzero(flags))
        if keys:
            severity = Severity.WARNING
            findings.append(
                Finding(kind, severity, f"Of the images, {len(keys)} {words}.", {"images": len(keys)}, keys)
            )
    return findings


def shallow(samples: Sequence[Sample], facts: Sequence[Facts]) -> list[Finding]:
    """16-bit images of which few grey levels are left, for the high 8 bits are what is looked at."""
    keys = tuple(sample.key for sample, entry in zip(samples, facts, strict=True) if _is_shallow(entry))
    if not keys:
        return []
    sentence = (
        f"Of the images, {len(keys)} are 16-bit pictures that use only their low bits: scale them to the full range, "
        "for training and detection alike."
    )
    return [Finding(Kind.LOW_BITS, Severity.WARNING, sentence, {"images": len(keys)}, keys)]


def _is_shallow(entry: Facts) -> bool:
    return entry.highest is not None and 0 < entry.highest < SHALLOW


def sizes(samples: Sequence[Sample], facts: Sequence[Facts]) -> list[Finding]:
    """Different sizes: of another shape than the commonest, pictures are stretched."""
    counts = Counter(entry.size for entry in facts)
    if len(counts) < 2:
        return []
    common = common_size([entry.size for entry in facts])
    pairs = list(zip(samples, facts, strict=True))
    other = tuple(sample.key for sample, entry in pairs if entry.size != common)
    bent = tuple(sample.key for sample, entry in pairs if aspect_differs(entry.size, common))
    sentence = (
        f"The images have {len(counts)} different sizes; {len(other)} are not {common.width}x{common.height}, and "
        f"{len(bent)} have another shape and are stretched."
    )
    figures = {"sizes": len(counts), "other": len(other), "stretched": len(bent)}
    return [Finding(Kind.SIZES, Severity.WARNING if bent else Severity.INFO, sentence, figures, bent or other)]
