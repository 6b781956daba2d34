"""The mean of several scorers, each brought to unit deviation over the images it was fitted on."""

from __future__ import annotations

from dataclasses import dataclass, replace

from relook.vision.score import Score
from relook.vision.scorers.base import Descriptors, Labels, Layout, Scorer


@dataclass(frozen=True, slots=True)
class Fusion:
    """A softened maximum of linear functions, since its parts are: only the first may have more rows than one.

    Where no part is supervised it is in the unit of the first, for a threshold from normals alone asks how many.

    Parts that need a head are left out where there is none; with `needs_head` the whole is of no use then.
    """

    name: str
    parts: tuple[Scorer, ...]
    needs_head: bool = False

    @property
    def supervised(self) -> bool:
        return any(part.supervised for part in self.parts)

    def fit(self, descriptors: Descriptors, anomalous: Labels, layout: Layout) -> Score:
        total: Score | None = None
        unit = 1.0
        used = [part for part in self.parts if layout.head or not part.needs_head]
        for part in used:
            score = part.fit(descriptors, anomalous, layout)
            scale = len(used) * (float(score.apply(descriptors).std()) + 1e-9)
            weights, bias = score.weights / scale, score.bias / scale
            if total is None:
                total, unit = Score(weights, bias, score.temperature / scale), scale
            else:
                total = replace(total, weights=total.weights + weights, bias=total.bias + bias)
        assert total is not None
        if self.supervised:
            return total
        return Score(unit * total.weights, unit * total.bias, unit * total.temperature)
