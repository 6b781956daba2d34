"""The mean of several scorers, each brought to unit deviation over the images it was fitted on."""

from __future__ import annotations

from dataclasses import dataclass

from relook.vision.scorers.base import Descriptors, Labels, Layout, Score, Scorer


@dataclass(frozen=True, slots=True)
class Fusion:
    """A maximum of linear functions, since its parts are: only the first may have more rows than one."""

    name: str
    parts: tuple[Scorer, ...]

    @property
    def supervised(self) -> bool:
        return any(part.supervised for part in self.parts)

    @property
    def needs_head(self) -> bool:
        return any(part.needs_head for part in self.parts)

    def fit(self, descriptors: Descriptors, anomalous: Labels, layout: Layout) -> Score:
        total: Score | None = None
        for part in self.parts:
            score = part.fit(descriptors, anomalous, layout)
            gain = 1 / (len(self.parts) * (float(score.apply(descriptors).std()) + 1e-9))
            weights, bias = gain * score.weights, gain * score.bias
            total = Score(weights, bias) if total is None else Score(total.weights + weights, total.bias + bias)
        assert total is not None
        return total
