"""Labels that a mirror would make alike, such as "arrow left" and "arrow right", by their words or by their boxes.

Nothing here needs PyTorch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from relook.vision.detect.mirrored import Pair, Turn
from relook.vision.detect.plan import Options

LEFT_RIGHT = {"left": "right", "right": "left"}
UPSIDE_DOWN = {"up": "down", "down": "up", "top": "bottom", "bottom": "top", "upper": "lower", "lower": "upper"}
"""Words of sides, and what each is in the mirror."""

_NONE: Mapping[Turn, Pair] = {}
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


def decided(
    options: Options, labels: Sequence[str], exchanged: Mapping[Turn, Pair] = _NONE
) -> tuple[Options, tuple[str, ...]]:
    """`options` with their mirroring decided, where it is not given, by the labels and by the pairs whose boxes are
    `exchanged` in a mirror; and what was left out, as sentences.

    Mirrored both ways a picture is turned by half: where that alone is wrong, one of them is left out.
    """
    mirror, upside_down = options.mirror, options.upside_down
    across = _reason(labels, LEFT_RIGHT, exchanged.get(Turn.ACROSS))
    over = _reason(labels, UPSIDE_DOWN, exchanged.get(Turn.OVER))
    both = (across is None or bool(mirror)) and (over is None or bool(upside_down))
    half = _reason(labels, LEFT_RIGHT | UPSIDE_DOWN, exchanged.get(Turn.HALF)) if both else None
    if half in (across, over):  # what was asked for does that already
        half = None
    notes = []
    if mirror is None:
        why = across or (half if upside_down else None)
        mirror = why is None
        notes += _told("left to right", why)
    if upside_down is None:
        why = over or (half if mirror else None)
        upside_down = why is None
        notes += _told("upside down", why)
    return replace(options, mirror=mirror, upside_down=upside_down), tuple(notes)


def _parts(label: str) -> tuple[str, ...]:
    return tuple(_PARTS.findall(_HUMP.sub(" ", label).casefold()))


def _reason(labels: Sequence[str], sides: Mapping[str, str], exchanged: Pair | None) -> str | None:
    if (pair := alike(labels, sides)) is not None:
        return f"the labels '{pair[0]}' and '{pair[1]}' differ by the side alone"
    if exchanged is not None:
        return f"boxes of '{exchanged[0]}' then look like those of '{exchanged[1]}', and these like those"
    return None


def _told(how: str, why: str | None) -> list[str]:
    return [] if why is None else [f"Images were not mirrored {how}: {why}."]
