"""What a check of the data found: frozen values, and the words for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from relook.vision.naming import listed


class Severity(StrEnum):
    """`error`: training refuses the data; `warning`: the figures mislead or the model suffers; `info`: good to know."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Kind(StrEnum):
    DAMAGED = "damaged"
    BLANK = "blank"
    LOW_CONTRAST = "low-contrast"
    LOW_BITS = "low-bits"
    SIZES = "sizes"
    DUPLICATE = "duplicate"
    LEAKAGE = "leakage"
    CONTRADICTION = "contradiction"
    SHORTCUT = "shortcut"
    MISLABELLED = "mislabelled"
    UNUSUAL = "unusual"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to look at. `images` are keys, the clearest first; `groups` tells which of them belong together, where
    they do (duplicates). `figures` are what the sentence rests on."""

    kind: Kind
    severity: Severity
    sentence: str
    figures: Mapping[str, float] = field(default_factory=dict)
    images: tuple[str, ...] = ()
    groups: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Probe:
    """How well one cue tells the label, by cross-validation.

    `auroc` 0..1; `chance` is the deviation of the AUROC that shuffled labels give, and `above_chance` the distance
    from their mean in such deviations; both None where the AUROC is too low to matter.
    """

    cue: str
    auroc: float
    chance: float | None = None
    above_chance: float | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """`findings` by falling severity; `probes` all cues that were tried, found or not, the whole picture first.

    `suspects` are keys of training images labelled normal that may be mislabelled, worst first; `alike` are those of
    them that look like the labelled anomalies too: leave these out of what is learned as normal. In `examined`
    training images shortcuts were looked for, and among `judged` normal ones suspects. `copies` are keys of training
    images, together where they show one picture.
    """

    training_images: int
    test_images: int
    findings: tuple[Finding, ...] = ()
    probes: tuple[Probe, ...] = ()
    suspects: tuple[str, ...] = ()
    alike: tuple[str, ...] = ()
    examined: int = 0
    judged: int = 0
    copies: tuple[tuple[str, ...], ...] = ()

    @property
    def worst(self) -> Severity | None:
        """Of the findings; None when there are none."""
        order = list(Severity)
        return max((finding.severity for finding in self.findings), key=order.index, default=None)

    def notes(self) -> list[str]:
        """A sentence for each finding of `warning` or worse, with some of its images named."""
        return [told(finding) for finding in self.findings if finding.severity is not Severity.INFO]


def told(finding: Finding) -> str:
    """The sentence with some of the images named."""
    return f"{finding.sentence} ({listed(finding.images)})" if finding.images else finding.sentence


def ordered(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Worst first, else as given."""
    order = list(Severity)
    return tuple(sorted(findings, key=lambda finding: -order.index(finding.severity)))
