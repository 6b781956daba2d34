"""Labels that a mirror would make alike, such as "arrow left" and "arrow right". Nothing here needs PyTorch."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from relook.vision.detect.plan import Options

LEFT_RIGHT = {"left": "right", "right": "left"}
UPSIDE_DOWN = {"up": "down", "down": "up", "top": "bottom", "bottom": "top", "upper": "lower", "lower": "upper"}
"""Words of sides, and what each is in the mirror."""

_HUMP = re.compile(r"(?<=[^\W\d_A-Z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_PARTS = re.compile(r"\d+|[^\W\d_]+|[^\w\s-]")
"""Words, numbers and signs; spaces, hyphens and underlines only part them."""


def alike(labels: Sequence[str], sides: Mapping[str, str]) -> tuple[str, str] | None:
    """The first two labels of which one becomes the other where its words of `sides` are exchanged."""
    parts = [_parts(label) for label in labels]
    first = {each: label for each, label in reversed(list(zip(parts, labels, strict=True)))}
    for label, each in zip(labels, parts, strict=True):
        mirrored = tuple(sides.get(part, part) for part in each)
        if mirrored != each and mirrored in first:
            return label, first[mirrored]
    return None


def decided(options: Options, labels: Sequence[str]) -> tuple[Options, tuple[str, ...]]:
    """`options` with their mirroring decided, by the labels where it is not given; and what was left out, as sentences.

    Mirrored both ways a picture is turned by half: labels that differ by sides of both kinds leave one of them out.
    """
    mirror, upside_down = options.mirror, options.upside_down
    across, over = alike(labels, LEFT_RIGHT), alike(labels, UPSIDE_DOWN)
    turned = alike(labels, LEFT_RIGHT | UPSIDE_DOWN) if across is over is None else None
    notes = []
    if mirror is None:
        pair = across or (turned if upside_down else None)
        mirror = pair is None
        notes += _told("left to right", pair)
    if upside_down is None:
        pair = over or (turned if mirror else None)
        upside_down = pair is None
        notes += _told("upside down", pair)
    return replace(options, mirror=mirror, upside_down=upside_down), tuple(notes)


def _parts(label: str) -> tuple[str, ...]:
    return tuple(_PARTS.findall(_HUMP.sub(" ", label).casefold()))


def _told(how: str, pair: tuple[str, str] | None) -> list[str]:
    if pair is None:
        return []
    return [f"Images were not mirrored {how}: the labels '{pair[0]}' and '{pair[1]}' differ by the side alone."]
