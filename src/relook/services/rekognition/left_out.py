"""Which lines of a training's sets are left out and why, in sentences: the original's codes do not tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from relook.core.custom_labels.errors import LineError, Place, Problem
from relook.core.custom_labels.manifest import Dropped, Entry

MOST = 10
"""Lines of a set that are told of one by one."""
_REASONS = 3
_OF_IMAGES = (LineError.INVALID_IMAGE, LineError.INVALID_IMAGE_DIMENSION)


def left_out(name: str, lines: Sequence[Entry | Dropped], faults: Mapping[str, str], share: float) -> list[str]:
    """How many lines of the set `name` are invalid and how many may be (`share` of them), then the first MOST of them.

    Nothing where all are valid. `faults` has what is wrong with images, by source-ref.
    """
    invalid = [(number, line) for number, line in enumerate(lines, start=1) if line.invalid]
    if not invalid:
        return []
    most = f"at most {int(share * len(lines))} ({share:.0%}) may be"
    are = "is" if len(invalid) == 1 else "are"
    found = [f"{len(invalid)} of the {len(lines)} lines of the {name} set {are} invalid and left out; {most}."]
    found += [f"Line {number} of the {name} set, {_told(line, faults)}" for number, line in invalid[:MOST]]
    if len(invalid) > MOST:
        found.append(
            f"{len(invalid) - MOST} more invalid lines of the {name} set are not named here; the validation manifests "
            "in the output bucket have all."
        )
    return found


def _told(line: Entry | Dropped, faults: Mapping[str, str]) -> str:
    if isinstance(line, Dropped):
        return f"without an image: {Problem(line.error or LineError.INVALID_JSON_LINE, Place.LINE).message}"
    fault = faults.get(line.source_ref)
    errors = [problem for problem in line.errors if fault is None or problem.code not in _OF_IMAGES]
    reasons = [*([f"{fault.rstrip('.')}."] if fault else []), *(problem.message for problem in errors)]
    return f"{line.source_ref}: {' '.join([*dict.fromkeys(reasons)][:_REASONS])}"
