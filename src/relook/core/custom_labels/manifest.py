"""Lines of Custom Labels manifests: what each says, what is wrong with it, and how it is written back.

`read_manifest` for files and for blobs of updates, `read_line` for one line that is known to stand alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, BinaryIO

from relook.core.custom_labels import placing
from relook.core.custom_labels.attributes import Box, Size
from relook.core.custom_labels.errors import Drop, LineError, LineWarning, Place, Problem
from relook.core.custom_labels.json_lines import dump, load_object, load_own
from relook.core.custom_labels.judging import (
    MAX_IMAGE_BYTES,
    SOURCE_REF,
    VALIDATION_KEYS,
    ImageFacts,
    LabelUse,
    Look,
    judge,
)
from relook.core.locations import S3Location

__all__ = [
    "MAX_IMAGE_BYTES",
    "Box",
    "Dropped",
    "Entry",
    "ImageFacts",
    "Kind",
    "LabelUse",
    "Size",
    "read_line",
    "read_manifest",
]

MAX_LINE_CHARACTERS = 100_000
_MAX_LINE_BYTES = 4 * MAX_LINE_CHARACTERS + 8
_WHITESPACE = " \t\r\n"
_DATASET_KEYS = (placing.DATASET_METADATA, "cl-errors")
_FINAL = frozenset({LineError.NO_LABEL_ATTRIBUTES, LineError.NO_VALID_LABEL_ATTRIBUTES})
"""After these, which are the line's, nothing else is looked at."""


class Kind(StrEnum):
    """What a line can teach."""

    NOTHING = "nothing"
    IMAGE_LEVEL = "image-level"
    OBJECTS = "objects"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Entry:
    """One image of a manifest, whether or not it can be trained on.

    `labels` (image-level, each once) and `boxes` are those without an error, to train on where `usable`. `uses` has
    every label that the line declares and that could be read, boxes with errors included: what datasets count.
    `labeled` is the `is_labeled` of `cl-metadata`. `declared` is the size that the line gives the image, if it does.
    `text` is the line as compact JSON, without what Custom Labels itself put in.
    """

    source_ref: str
    image: S3Location
    text: str
    labels: tuple[str, ...]
    boxes: tuple[Box, ...]
    uses: tuple[LabelUse, ...]
    labeled: bool
    declared: Size | None
    errors: tuple[Problem, ...]
    warnings: tuple[Problem, ...]

    @property
    def invalid(self) -> bool:
        """The whole line has an error: it is not trained on and counts among the 20 %."""
        return any(problem.place is Place.LINE for problem in self.errors)

    @property
    def ignored(self) -> bool:
        """Nothing is wrong with the line and nothing can be learnt from it."""
        return not self.invalid and any(problem.place is Place.LINE for problem in self.warnings)

    @property
    def usable(self) -> bool:
        return not self.invalid and not self.ignored

    @property
    def needs_image(self) -> bool:
        """Something of the line is left to be held against its image."""
        return not self.ignored and not any(problem.code in _FINAL for problem in self.errors)

    def taught(self, kind: Kind) -> tuple[str, ...]:
        """The labels, each once, that it teaches a classifier (Kind.IMAGE_LEVEL) or a detector (Kind.OBJECTS)."""
        if not self.usable:
            return ()
        return self.labels if kind is Kind.IMAGE_LEVEL else tuple(dict.fromkeys(box.label for box in self.boxes))

    def restricted(self, kind: Kind, labels: Iterable[str]) -> Entry:
        """The entry with what it teaches of one kind and of these labels alone."""
        known = frozenset(labels)
        image_level = tuple(label for label in self.labels if kind is Kind.IMAGE_LEVEL and label in known)
        boxes = tuple(box for box in self.boxes if kind is Kind.OBJECTS and box.label in known)
        return replace(self, labels=image_level, boxes=boxes)

    @property
    def kind(self) -> Kind:
        if not self.usable or not (self.labels or self.boxes):
            return Kind.NOTHING
        if self.labels and self.boxes:
            return Kind.BOTH
        return Kind.IMAGE_LEVEL if self.labels else Kind.OBJECTS

    def checked(self, facts: ImageFacts | None) -> Entry:
        """The entry judged with the image itself at hand; None for one that is missing or cannot be read.

        Boxes are held against the real, upright size, whatever the line declares. The same where not `needs_image`.
        """
        return _entry(load_own(self.text), self.image, self.text, Look(facts)) if self.needs_image else self

    def contradicts(self, facts: ImageFacts) -> bool:
        """The line declares another size than the image has upright: its boxes may have been drawn on another."""
        return self.declared not in (None, Size(facts.width, facts.height))

    def dataset_line(self) -> str:
        """As ListDatasetEntries shows it: with `cl-metadata` and, where something is wrong, `cl-errors`."""
        document = load_own(self.text)
        document[placing.DATASET_METADATA] = {"is_labeled": self.labeled}
        placing.write(document, "cl-errors", self.errors)
        return dump(document)

    def validation_line(self) -> str:
        """As a training's validation manifest has it: with `errors` and `warnings`."""
        document = load_own(self.text)
        # A list is what an earlier validation left there; anything else is the user's own.
        placing.erase(document, VALIDATION_KEYS, list)
        placing.write(document, "errors", self.errors)
        placing.write(document, "warnings", self.warnings)
        return dump(document)

    def repeated(self) -> Entry:
        """The entry as one whose image an earlier line has named: ignored."""
        return replace(self, errors=(), warnings=(Problem(LineWarning.DUPLICATE_SOURCE_REF, Place.LINE),))


@dataclass(frozen=True, slots=True)
class Dropped:
    """A line that no dataset takes. `text` is its compact JSON where it is an object; `entry` that of a duplicate."""

    why: Drop
    text: str | None = None
    entry: Entry | None = None

    @property
    def error(self) -> LineError | None:
        """The error it has in a training; None for a duplicate, which is ignored there."""
        return _DROP_ERRORS.get(self.why)

    @property
    def invalid(self) -> bool:
        """Counts among the 20 % of a training."""
        return self.error is not None

    def validation_line(self) -> str:
        """As a training's validation manifest has it; nothing but the error for what is not JSON."""
        if self.entry is not None:
            return self.entry.repeated().validation_line()
        document = load_own(self.text) if self.text is not None else {}
        code = self.error or LineError.INVALID_JSON_LINE
        return dump({**document, "errors": [Problem(code, Place.LINE).document()]})


_DROP_ERRORS: Mapping[Drop, LineError] = {
    Drop.LINE_TOO_LONG: LineError.INVALID_JSON_LINE,
    Drop.INVALID_JSON: LineError.INVALID_JSON_LINE,
    Drop.BLANK: LineError.INVALID_JSON_LINE,
    Drop.MISSING_SOURCE_REF: LineError.MISSING_SOURCE_REF,
    Drop.INVALID_SOURCE_REF: LineError.INVALID_SOURCE_REF_FORMAT,
}


def read_manifest(file: BinaryIO) -> Iterator[tuple[int, Entry | Dropped]]:
    """Stream what the lines of a file say, with their numbers from 1. Never raises for what is in the file.

    Of lines with the same source-ref the first is an entry, the others are dropped. A blank line is dropped, too.
    """
    seen: set[bytes] = set()
    for number, raw in _lines(file):
        found = Dropped(Drop.LINE_TOO_LONG) if raw is None else _decoded(raw, first=number == 1)
        if isinstance(found, Entry):
            key = hashlib.blake2b(found.source_ref.encode(), digest_size=16).digest()
            if key in seen:
                found = Dropped(Drop.DUPLICATE_SOURCE_REF, found.text, found)
            seen.add(key)
        yield number, found


def read_line(text: str) -> Entry | Dropped:
    """What one line says. White space around it means nothing; `cl-metadata` and `cl-errors` in it are dropped.

    How long it may be is asked without them: the errors of a dataset's line may be longer than the line.
    """
    stripped = text.strip(_WHITESPACE)
    if not stripped:
        return Dropped(Drop.BLANK)
    document = load_object(stripped)
    if document is None:
        return Dropped(Drop.INVALID_JSON)
    placing.erase(document, _DATASET_KEYS)
    clean = dump(document)
    if len(clean) > MAX_LINE_CHARACTERS:
        return Dropped(Drop.LINE_TOO_LONG)
    return _located(document, clean)


def _located(document: dict[str, Any], clean: str) -> Entry | Dropped:
    if SOURCE_REF not in document:
        return Dropped(Drop.MISSING_SOURCE_REF, clean)
    source_ref = document[SOURCE_REF]
    try:
        image = S3Location.parse(source_ref) if isinstance(source_ref, str) else None
    except ValueError:
        image = None
    if image is None:
        return Dropped(Drop.INVALID_SOURCE_REF, clean)
    return _entry(document, image, clean, None)


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """Lines with their numbers; None for one that is longer than any that is taken. Blank ones at the end are none."""
    number = blank = 0
    while raw := file.readline(_MAX_LINE_BYTES):
        number += 1
        line: bytes | None = raw
        if len(raw) == _MAX_LINE_BYTES and not raw.endswith(b"\n"):
            _skip_rest(file)
            line = None
        elif not raw.strip():
            # Counted, not kept: a file may be nothing but line ends.
            blank += 1
            continue
        yield from ((number - blank + index, b"") for index in range(blank))
        blank = 0
        yield number, line


def _skip_rest(file: BinaryIO) -> None:
    while (rest := file.readline(_MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
        continue


def _decoded(raw: bytes, *, first: bool) -> Entry | Dropped:
    try:
        text = raw.decode("utf-8-sig" if first else "utf-8")
    except UnicodeDecodeError:
        return Dropped(Drop.INVALID_JSON)
    return read_line(text)


def _entry(document: Mapping[str, Any], image: S3Location, text: str, look: Look | None) -> Entry:
    found = judge(document, look)
    return Entry(
        source_ref=document[SOURCE_REF],
        image=image,
        text=text,
        labels=found.labels,
        boxes=found.boxes,
        uses=found.uses,
        labeled=found.labeled,
        declared=found.declared,
        errors=found.errors,
        warnings=found.warnings,
    )
