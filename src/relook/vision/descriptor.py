"""What an image's patches say about the whole image: a fixed vector, the same in training and serving."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]

STATISTICS = ("maximum", "top 0.3 %", "top 1 %", "top 5 %", "mean", "median")
"""Logarithms of these of the distance map come first, then the worst patches' residuals, then the head's value."""
_TINY = 1e-6


def worst_count(patches: int) -> int:
    """How many patches count as the most anomalous: 1 %, at least one."""
    return max(1, patches // 100)


def peak(distance: Floats) -> float:
    """The mean of the largest 0.3 %, at least of one."""
    few = max(1, len(distance) // 300)
    return float(np.sort(distance)[-few:].mean())


def describe(distance: Floats, residual: Floats, logits: Floats | None) -> Vector:
    """(6 + 2 * dims [+ 1],): statistics of `distance` (n,), mean absolute and mean signed `residual` (k, dims) of the
    worst patches, and with a head the mean logit of any defect over as many patches, the likeliest."""
    count = len(distance)
    few, top, many = max(1, count // 300), worst_count(count), max(1, count // 20)
    falling = np.sort(distance)[::-1].astype(np.float64)
    means = [falling[:part].mean() for part in (few, top, many)]
    statistics = [falling[0], *means, falling.mean(), falling[count // 2]]
    worst = residual.astype(np.float64)
    parts = [np.log(np.array(statistics) + _TINY), np.abs(worst).mean(0), worst.mean(0)]
    if logits is not None:
        parts.append(np.array([worst_logit(logits)]))
    return np.concatenate(parts)


def worst_logit(logits: Floats) -> float:
    """The mean logit of any defect over the background's, of the 1 % of patches where it is highest."""
    defect = logits[:, 1:].max(1) - logits[:, 0]
    return float(np.sort(defect)[-worst_count(len(defect)) :].mean())


def columns(name: str, dims: int, head: bool) -> slice:
    """Where a part of one view's vector lies: distances (`peak`, `top`, `tail`, `statistics`), `residuals`, `head`."""
    first = len(STATISTICS)
    parts = {
        "peak": slice(1, 2),
        "top": slice(2, 3),
        "tail": slice(0, 4),
        "statistics": slice(0, first),
        "residuals": slice(first, first + 2 * dims),
    }
    if head:
        parts["head"] = slice(first + 2 * dims, first + 2 * dims + 1)
    return parts[name]
