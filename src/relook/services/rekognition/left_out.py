"""Which lines of a manifest are left out and why, in sentences: the original's codes and messages do not tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from relook.core.custom_labels.errors import Drop, LineError, LineWarning, Place, Problem
from relook.core.custom_labels.manifest import MAX_LINE_CHARACTERS, Dropped, Entry

MOST = 10
"""Lines of a set or a file that are told of one by one."""
_REASONS = 3
_OF_IMAGES = (LineError.INVALID_IMAGE, LineError.INVALID_IMAGE_DIMENSION)
_MORE = {
    Drop.BLANK: " It is blank.",
    Drop.LINE_TOO_LONG: f" It has more than {MAX_LINE_CHARACTERS:,} characters.",
}
_NO_FAULTS: Mapping[str, str] = {}


class LeftOut:
    """Counts the lines of `whole`, a set or a file, as they pass by; of those left out it keeps the first MOST."""

    def __init__(self, whole: str) -> None:
        self.whole = whole
        self.lines = 0
        self.count = 0
        self._first: list[str] = []

    def pass_by(self, line: Entry | Dropped, *, out: bool, faults: Mapping[str, str] = _NO_FAULTS) -> None:
        """The next line. `faults` has what is wrong with images, by source-ref."""
        self.lines += 1
        if out:
            self.count += 1
            if self.count <= MOST:
                self._first.append(f"Line {self.lines} of the {self.whole}, {_told(line, faults)}")

    def sentences(self, share: float, others: str = "") -> list[str]:
        """How many are left out and how many may be (`share` of all), then the first; `others` says where the rest is.

        Nothing where none is.
        """
        if not self.count:
            return []
        most = f"at most {int(share * self.lines)} ({share:.0%}) may be"
        are = "is" if self.count == 1 else "are"
        lines = f"{self.lines} lines of the {self.whole}"
        found = [f"{self.count} of the {lines} {are} invalid and left out; {most}.", *self._first]
        if self.count > MOST:
            found.append(f"{self.count - MOST} more invalid lines of the {self.whole} are not named here{others}.")
        return found


def left_out(name: str, lines: Sequence[Entry | Dropped], faults: Mapping[str, str], share: float) -> list[str]:
    """What is to be said of the invalid lines of a training's set `name`."""
    found = LeftOut(f"{name} set")
    for line in lines:
        found.pass_by(line, out=line.invalid, faults=faults)
    return found.sentences(share, "; the validation manifests in the output bucket have all")


def _told(line: Entry | Dropped, faults: Mapping[str, str]) -> str:
    if isinstance(line, Dropped):
        return _dropped(line)
    fault = faults.get(line.source_ref)
    errors = [problem for problem in line.errors if fault is None or problem.code not in _OF_IMAGES]
    reasons = [*([f"{fault.rstrip('.')}."] if fault else []), *(problem.message for problem in errors)]
    return f"{line.source_ref}: {' '.join([*dict.fromkeys(reasons)][:_REASONS])}"


def _dropped(line: Dropped) -> str:
    if line.entry is not None:
        return f"{line.entry.source_ref}: {Problem(LineWarning.DUPLICATE_SOURCE_REF, Place.LINE).message}"
    message = Problem(line.error or LineError.INVALID_JSON_LINE, Place.LINE).message
    return f"without an image: {message}{_MORE.get(line.why, '')}"
