"""Lines of Custom Labels manifests: what each says, what is wrong with it, and how it is written back.

`read_manifest` for files and for blobs of updates, `read_line` for one line that is known to stand alone.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, BinaryIO

from relook.core.custom_labels.attributes import (
    CLASSIFICATION,
    DETECTION,
    METADATA,
    Attribute,
    Box,
    Size,
    read_attribute,
)
from relook.core.custom_labels.errors import Drop, LineError, LineWarning, Place, Problem
from relook.core.custom_labels.json_lines import dump, load_object
from relook.core.locations import S3Location

SOURCE_REF = "source-ref"
MAX_LINE_CHARACTERS = 100_000
MAX_BOXES = 50
MIN_SIDE, MAX_SIDE = 64, 4096
MAX_ASPECT = 20
MAX_IMAGE_BYTES = 15 * 1024**2
IMAGE_FORMATS = frozenset({"JPEG", "PNG"})
_MAX_LINE_BYTES = 4 * MAX_LINE_CHARACTERS + 8
_WHITESPACE = " \t\r\n"
_OURS = ("cl-metadata", "cl-errors")
_TRAININGS = ("errors", "warnings")
_FINAL = frozenset({LineError.NO_LABEL_ATTRIBUTES, LineError.NO_VALID_LABEL_ATTRIBUTES})
"""After these, which are the line's, nothing else is looked at."""


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What an image really is: `format` as Pillow names it, the size in pixels once it is upright, its bytes."""

    format: str
    width: int
    height: int
    bytes: int


@dataclass(frozen=True, slots=True)
class _Look:
    """An attempt to see an image."""

    facts: ImageFacts | None

    @property
    def size(self) -> Size | None:
        return Size(self.facts.width, self.facts.height) if self.facts is not None else None


class Kind(StrEnum):
    """What a line can teach."""

    NOTHING = "nothing"
    IMAGE_LEVEL = "image-level"
    OBJECTS = "objects"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class LabelUse:
    """One label of one image: whether the whole image has it, and how many boxes do."""

    name: str
    image_level: bool
    boxes: int


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
        return _judged(self._document(), self.image, self.text, _Look(facts)) if self.needs_image else self

    def contradicts(self, facts: ImageFacts) -> bool:
        """The line declares another size than the image has upright: its boxes may have been drawn on another."""
        return self.declared not in (None, Size(facts.width, facts.height))

    def dataset_line(self) -> str:
        """As ListDatasetEntries shows it: with `cl-metadata` and, where something is wrong, `cl-errors`."""
        document = self._annotated({"cl-errors": self.errors}, {"cl-metadata": {"is_labeled": self.labeled}})
        return dump(document)

    def validation_line(self) -> str:
        """As a training's validation manifest has it: with `errors` and `warnings`."""
        return dump(self._annotated({"errors": self.errors, "warnings": self.warnings}, {}))

    def repeated(self) -> Entry:
        """The entry as one whose image an earlier line has named: ignored."""
        return replace(self, errors=(), warnings=(Problem(LineWarning.DUPLICATE_SOURCE_REF, Place.LINE),))

    def _annotated(self, problems: Mapping[str, tuple[Problem, ...]], extra: Mapping[str, Any]) -> dict[str, Any]:
        document = self._document()
        for place in _places(document):
            for key in problems:
                # A list is what an earlier validation left there; anything else is the user's own.
                if isinstance(place.get(key), list):
                    del place[key]
        document.update(extra)
        for key, found in problems.items():
            for problem in found:
                place = _place(document, problem)
                if not isinstance(place.get(key), list):
                    place[key] = []
                place[key].append(problem.document())
        return document

    def _document(self) -> dict[str, Any]:
        document = load_object(self.text)
        assert document is not None, "the text of an entry is what load_object took"
        return document


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
        document = load_object(self.text) if self.text is not None else None
        code = self.error or LineError.INVALID_JSON_LINE
        return dump({**(document or {}), "errors": [Problem(code, Place.LINE).document()]})


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
    """What one line says. White space around it means nothing; `cl-metadata` and `cl-errors` in it are dropped."""
    stripped = text.strip(_WHITESPACE)
    if not stripped:
        return Dropped(Drop.BLANK)
    if len(stripped) > 2 * MAX_LINE_CHARACTERS:
        return Dropped(Drop.LINE_TOO_LONG)
    document = load_object(stripped)
    if document is None:
        return Dropped(Drop.INVALID_JSON)
    _remove(document, _OURS)
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
    return _judged(document, image, clean, None)


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """Lines with their numbers; None for one that is longer than any that is taken."""
    number = 0
    while raw := file.readline(_MAX_LINE_BYTES):
        number += 1
        if len(raw) < _MAX_LINE_BYTES or raw.endswith(b"\n"):
            yield number, raw
            continue
        while (rest := file.readline(_MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
            continue
        yield number, None


def _decoded(raw: bytes, *, first: bool) -> Entry | Dropped:
    try:
        text = raw.decode("utf-8-sig" if first else "utf-8")
    except UnicodeDecodeError:
        return Dropped(Drop.INVALID_JSON)
    return read_line(text)


def _judged(document: Mapping[str, Any], image: S3Location, text: str, look: _Look | None) -> Entry:
    real = look.size if look is not None else None
    attributes = [read_attribute(name, document[name], document[name + METADATA], real) for name in _pairs(document)]
    bare = not [name for name in document if name not in (SOURCE_REF, *_TRAININGS)]
    errors = [Problem(code, Place.LINE) for code in _line_errors(attributes, real, bare=bare)]
    if look is not None and (code := _image_error(look.facts, boxes=any(item.size for item in attributes))):
        errors.insert(0, Problem(code, Place.LINE))
    errors += [problem for attribute in attributes for problem in attribute.errors]
    warning = _line_warning(attributes, bare=bare)
    warnings = [problem for attribute in attributes for problem in attribute.warnings]
    uses = _uses(attributes)
    return Entry(
        source_ref=document[SOURCE_REF],
        image=image,
        text=text,
        labels=tuple(use.name for use in uses if use.image_level),
        boxes=tuple(box for attribute in attributes for box in attribute.boxes),
        uses=uses,
        labeled=any(item.errors or item.labels or item.annotations for item in attributes),
        declared=next((attribute.size for attribute in attributes if attribute.size), None),
        errors=(*errors, *(_orphans(document) if attributes else ())),
        warnings=(*warnings, *([Problem(warning, Place.LINE)] if warning else ())),
    )


def _pairs(document: Mapping[str, Any]) -> list[str]:
    """The names of label attributes: every key that has its metadata beside it."""
    return [
        name.removesuffix(METADATA)
        for name in document
        if name.endswith(METADATA) and name.removesuffix(METADATA) in document and name != SOURCE_REF + METADATA
    ]


def _uses(attributes: Sequence[Attribute]) -> tuple[LabelUse, ...]:
    image_level = [label for attribute in attributes for label in attribute.labels]
    boxes = Counter(label for attribute in attributes for label in attribute.box_names)
    return tuple(LabelUse(name, name in image_level, boxes[name]) for name in dict.fromkeys([*image_level, *boxes]))


def _orphans(document: Mapping[str, Any]) -> list[Problem]:
    """Metadata of a label whose attribute is missing: an error that costs no other attribute."""
    return [
        Problem(LineError.INVALID_LABEL_ATTRIBUTE_FORMAT, Place.METADATA, name.removesuffix(METADATA))
        for name, value in document.items()
        if name.endswith(METADATA) and name.removesuffix(METADATA) not in document
        if isinstance(value, dict) and value.get("type") in (CLASSIFICATION, DETECTION)
    ]


def _line_errors(attributes: Sequence[Attribute], real: Size | None, *, bare: bool) -> Iterator[LineError]:
    """What is wrong with the line as a whole. `bare` is a line with a source-ref and nothing else."""
    if not attributes:
        if not bare:
            yield LineError.NO_LABEL_ATTRIBUTES
        return
    if not any(attribute.valid for attribute in attributes):
        yield LineError.NO_VALID_LABEL_ATTRIBUTES
        return
    declared = [attribute.size for attribute in attributes if attribute.size is not None]
    if real is None and any(_wrong_size(size) for size in declared):
        yield LineError.INVALID_IMAGE_DIMENSION
    if sum(attribute.annotations for attribute in attributes) > MAX_BOXES:
        yield LineError.TOO_MANY_BOUNDING_BOXES
    if _nothing(attributes) and any(attribute.annotations for attribute in attributes):
        yield LineError.NO_VALID_ANNOTATIONS


def _line_warning(attributes: Sequence[Attribute], *, bare: bool) -> LineWarning | None:
    if not attributes:
        return LineWarning.UNANNOTATED_RECORD if bare else None
    valid = any(attribute.valid for attribute in attributes)
    empty = _nothing(attributes) and not any(attribute.annotations for attribute in attributes)
    return LineWarning.NO_ANNOTATIONS if valid and empty else None


def _nothing(attributes: Sequence[Attribute]) -> bool:
    return not any(attribute.labels or attribute.boxes for attribute in attributes)


def _image_error(facts: ImageFacts | None, *, boxes: bool) -> LineError | None:
    if facts is None or facts.format not in IMAGE_FORMATS or facts.bytes > MAX_IMAGE_BYTES:
        return LineError.INVALID_IMAGE
    if _wrong_size(Size(facts.width, facts.height)):
        return LineError.INVALID_IMAGE_DIMENSION if boxes else LineError.INVALID_IMAGE
    long, short = max(facts.width, facts.height), min(facts.width, facts.height)
    return LineError.INVALID_IMAGE if long > MAX_ASPECT * short else None


def _wrong_size(size: Size) -> bool:
    return not (MIN_SIDE <= size.width <= MAX_SIDE and MIN_SIDE <= size.height <= MAX_SIDE)


def _places(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every object of a line that may carry problems."""
    yield from _objects([document])
    for name in [name for name in document if name.endswith(METADATA)]:
        value = document.get(name.removesuffix(METADATA))
        yield from _objects([document[name], value])
        if isinstance(value, dict) and isinstance(value.get("annotations"), list):
            yield from _objects(value["annotations"])


def _objects(values: Iterable[object]) -> Iterator[dict[str, Any]]:
    return (value for value in values if isinstance(value, dict))


def _place(document: dict[str, Any], problem: Problem) -> dict[str, Any]:
    """The object that carries a problem: the nearest one where the place itself is none, such as a bare number."""
    if problem.attribute is None:
        return document
    value, metadata = document.get(problem.attribute), document.get(problem.attribute + METADATA)
    if problem.annotation is not None and isinstance(value, dict):
        annotation: dict[str, Any] = value["annotations"][problem.annotation]
        return annotation
    nearest = (metadata, value) if problem.place is Place.METADATA else (value, metadata)
    return next(_objects(nearest), document)


def _remove(document: dict[str, Any], keys: Iterable[str]) -> None:
    for place in list(_places(document)):
        for key in keys:
            place.pop(key, None)
