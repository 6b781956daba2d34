"""What a line of a manifest says as a whole, and what is wrong with it, with or without its image at hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from relook.core.custom_labels.attributes import (
    CLASSIFICATION,
    DETECTION,
    METADATA,
    Attribute,
    Box,
    Size,
    read_attribute,
)
from relook.core.custom_labels.errors import LineError, LineWarning, Place, Problem

SOURCE_REF = "source-ref"
MAX_BOXES = 50
MIN_SIDE, MAX_SIDE = 64, 4096
MAX_ASPECT = 20
MAX_IMAGE_BYTES = 15 * 1024**2
IMAGE_FORMATS = frozenset({"JPEG", "PNG"})
VALIDATION_KEYS = ("errors", "warnings")
"""What a training's validation manifest put into a line."""


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What an image really is: `format` as Pillow names it, the size in pixels once it is upright, its bytes."""

    format: str
    width: int
    height: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Look:
    """An attempt to see an image; no facts where it is missing or cannot be read."""

    facts: ImageFacts | None

    @property
    def size(self) -> Size | None:
        return Size(self.facts.width, self.facts.height) if self.facts is not None else None


@dataclass(frozen=True, slots=True)
class LabelUse:
    """One label of one image: whether the whole image has it, and how many boxes do."""

    name: str
    image_level: bool
    boxes: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a line comes to; the fields are those of `manifest.Entry`."""

    labels: tuple[str, ...]
    boxes: tuple[Box, ...]
    uses: tuple[LabelUse, ...]
    labeled: bool
    declared: Size | None
    errors: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


def judge(document: Mapping[str, Any], look: Look | None) -> Judgement:
    """Judge a line that has a good source-ref; with `look` by its image, too, against whose size boxes are held."""
    real = look.size if look is not None else None
    attributes = [read_attribute(name, document[name], document[name + METADATA], real) for name in _pairs(document)]
    bare = not [name for name in document if name not in (SOURCE_REF, *VALIDATION_KEYS)]
    errors = [Problem(code, Place.LINE) for code in _line_errors(attributes, real, bare=bare)]
    if look is not None and (code := _image_error(look.facts, boxes=any(item.size for item in attributes))):
        errors.insert(0, Problem(code, Place.LINE))
    errors += [problem for attribute in attributes for problem in attribute.errors]
    warning = _line_warning(attributes, bare=bare)
    warnings = [problem for attribute in attributes for problem in attribute.warnings]
    uses = _uses(attributes)
    return Judgement(
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
