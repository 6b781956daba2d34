"""Which lines of a manifest are left out and why, in sentences: the original's codes and messages do not tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from relook.core.custom_labels.errors import Drop, LineError, LineWarning, Place, Problem
from relook.core.custom_labels.manifest import MAX_LINE_CHARACTERS, Dropped, Entry, Kind
from relook.core.custom_labels.usable import UseCase
from relook.vision.naming import listed

MOST = 10
"""Lines of a set or a file that are told of one by one."""
_REASONS = 3
_OF_IMAGES = (LineError.INVALID_IMAGE, LineError.INVALID_IMAGE_DIMENSION)
_MORE = {
    Drop.BLANK: " It is blank.",
    Drop.LINE_TOO_LONG: f" It has more than {MAX_LINE_CHARACTERS:,} characters.",
}
_IN_BUCKET = "; the validation manifests in the output bucket have all"
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
        lines = _lines_of(self.whole, self.lines)
        found = [f"{self.count} of {lines} {are} invalid and left out; {most}.", *self._first]
        if self.count > MOST:
            more = self.count - MOST
            line, are = ("line", "is") if more == 1 else ("lines", "are")
            found.append(f"{more} more invalid {line} of the {self.whole} {are} not named here{others}.")
        return found


def left_out(name: str, lines: Sequence[Entry | Dropped], faults: Mapping[str, str], share: float) -> list[str]:
    """What is to be said of the lines of a training's set, called `name`: of invalid ones, of those used in part, and
    of those that repeat an image."""
    found = LeftOut(name)
    for line in lines:
        found.pass_by(line, out=line.invalid, faults=faults)
    repeated = [
        (number, line.entry.source_ref)
        for number, line in enumerate(lines, start=1)
        if isinstance(line, Dropped) and line.entry is not None
    ]
    again = "repeats an image of an earlier one and is", "repeat images of earlier ones and are"
    said = f"of {_lines_of(name, len(lines))} {again[len(repeated) != 1]} not used"
    return found.sentences(share, _IN_BUCKET) + _in_part(name, lines) + _named(repeated, said)


def untaught(name: str, lines: Sequence[Entry | Dropped], case: UseCase) -> list[str]:
    """Of lines that have labels, and none of the kind that is trained."""
    if case is UseCase.NOT_DETERMINED:
        return []
    other = Kind.OBJECTS if case.kind is Kind.IMAGE_LEVEL else Kind.IMAGE_LEVEL
    found = [
        (number, line.source_ref)
        for number, line in enumerate(lines, start=1)
        if isinstance(line, Entry) and line.kind is other
    ]
    has, most = ("boxes", "image-level labels") if other is Kind.OBJECTS else ("image-level labels", "boxes")
    have, are = ("has", "is") if len(found) == 1 else ("have", "are")
    said = f"of {_lines_of(name, len(lines))} {have} {has} alone and {are} not used, because this model learns {most}"
    return _named(found, said)


def _named(found: Sequence[tuple[int, str]], said: str) -> list[str]:
    """Lines by number and image: how many, and the first MOST."""
    if not found:
        return []
    first = [f"line {number}, {source_ref}" for number, source_ref in found]
    return [f"{len(found)} {said}: {listed(first, MOST)}."]


def _lines_of(name: str, count: int) -> str:
    return f"{'1 line' if count == 1 else f'the {count} lines'} of the {name}"


def _in_part(name: str, lines: Sequence[Entry | Dropped]) -> list[str]:
    """Lines that are used although boxes or label attributes of theirs are not: how many, and the first MOST."""
    partly = [
        (number, line)
        for number, line in enumerate(lines, start=1)
        if isinstance(line, Entry) and line.usable and line.errors
    ]
    if not partly:
        return []
    are, their = ("is", "its") if len(partly) == 1 else ("are", "their")
    found = [
        f"{len(partly)} of {_lines_of(name, len(lines))} {are} used without some of {their} boxes or label attributes, "
        "which are invalid."
    ]
    found += [
        f"Line {number} of the {name}, {line.source_ref}: {_parts(line.errors)}" for number, line in partly[:MOST]
    ]
    if len(partly) > MOST:
        line, are = ("line", "is") if len(partly) == MOST + 1 else ("lines", "are")
        found.append(f"{len(partly) - MOST} more such {line} of the {name} {are} not named here{_IN_BUCKET}.")
    return found


def _parts(errors: Sequence[Problem]) -> str:
    told = [f"{_part(problem)}: {problem.message}" for problem in errors[:_REASONS]]
    more = [f"{len(errors) - _REASONS} more."] if len(errors) > _REASONS else []
    return " ".join([*told, *more])


def _part(problem: Problem) -> str:
    """A box by its place in the list of annotations, from 1."""
    return (
        problem.attribute or ""
        if problem.annotation is None
        else f"box {problem.annotation + 1} of {problem.attribute}"
    )


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
