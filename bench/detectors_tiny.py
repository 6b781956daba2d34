"""The bench of detectors with tiny objects: defects of printed boards, 120 pictures to learn from."""

from __future__ import annotations

from bench import detectors
from bench.bed import Bed
from bench.results import Result, Unavailable

PUBLISHED = (
    "Published figures, for comparison: for DeepPCB its authors report 0.986 with 1,000 training images (Tang et al., "
    "2019, arXiv 1902.06197), eight times as many as here."
)


def measure(bed: Bed) -> Result:
    """Raises Unavailable without PyTorch or the real pictures, and for a quick run, which `detectors` has."""
    if bed.quick:
        raise Unavailable("it is the bench of detectors with another set: try that one")
    return detectors.measured(bed, "printed boards", "Object detectors, tiny objects", PUBLISHED)
