"""One label attribute of a manifest line with its metadata: an image-level label, or objects in boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from relook.core.custom_labels.errors import LineError, LineWarning, Place, Problem

METADATA = "-metadata"
CLASSIFICATION = "groundtruth/image-classification"
DETECTION = "groundtruth/object-detection"
MAX_LABEL_CHARACTERS = 256
TRAINING_SIDE = 1280
"""Images with a longer side are made so small for training; boxes must be more than a pixel wide and high then."""
FRAME_TOLERANCE = 0.5
"""Pixels by which fractions, and sums of fractions, may leave the frame; the box is cut off at it."""
_MOST = 2.0**31


@dataclass(frozen=True, slots=True)
class Size:
    """Pixels."""

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Box:
    """A labelled rectangle that lies in its image: pixels of the upright image, origin at the top left."""

    label: str
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Attribute:
    """What one attribute says. Not `valid` where it or its metadata has an error; then there are no labels and boxes.

    `labels` are image-level; `boxes` are those without an error; `box_names` has the label of every annotation.
    `annotations` counts them all; `size` is the declared one of the image.
    """

    name: str
    labels: tuple[str, ...] = ()
    boxes: tuple[Box, ...] = ()
    box_names: tuple[str, ...] = ()
    annotations: int = 0
    size: Size | None = None
    errors: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()

    @property
    def valid(self) -> bool:
        return all(problem.place is Place.ANNOTATION for problem in self.errors)


class _Fault(Exception):
    """The attribute cannot be used."""

    def __init__(self, code: LineError, place: Place) -> None:
        super().__init__(code, place)
        self.code = code
        self.place = place


def read_attribute(name: str, value: object, metadata: object, real: Size | None) -> Attribute:
    """Judge one pair. `real` is the upright image's size where it is known, else the declared one is believed."""
    try:
        return _read(name, value, metadata, real)
    except _Fault as fault:
        return Attribute(name, errors=(Problem(fault.code, fault.place, name),))


def _read(name: str, value: object, metadata: object, real: Size | None) -> Attribute:
    if not isinstance(metadata, dict):
        raise _metadata_fault()
    kind = metadata.get("type")
    if not isinstance(kind, str):
        raise _metadata_fault()
    if kind not in (CLASSIFICATION, DETECTION):
        raise _Fault(LineError.UNSUPPORTED_USE_CASE_TYPE, Place.METADATA)
    if metadata.get("human-annotated") not in ("yes", "no") or not isinstance(metadata.get("creation-date"), str):
        raise _metadata_fault()
    if not isinstance(metadata.get("job-name", ""), str):
        raise _metadata_fault()
    return _label(name, value, metadata) if kind == CLASSIFICATION else _objects(name, value, metadata, real)


def _label(name: str, value: object, metadata: Mapping[str, Any]) -> Attribute:
    # Which integer means nothing: real manifests have 0 and 1 for the same thing.
    if _integer(value) is None:
        raise _attribute_fault()
    confidence = _number(metadata.get("confidence"))
    if confidence is None or not 0 <= confidence <= 1:
        raise _metadata_fault()
    return Attribute(name, labels=(_checked_name(metadata.get("class-name")),))


def _objects(name: str, value: object, metadata: Mapping[str, Any], real: Size | None) -> Attribute:
    if not isinstance(value, dict):
        raise _attribute_fault()
    declared = _declared_size(value.get("image_size"))
    annotations = _annotations(value.get("annotations", []))
    names = _names(annotations, metadata)
    boxes: list[Box] = []
    errors: list[Problem] = []
    for index, (label, (_, *rectangle)) in enumerate(zip(names, annotations, strict=True)):
        left, top, width, height = rectangle
        box = _box(Box(label, left, top, width, height), real or declared)
        if isinstance(box, Box):
            boxes.append(box)
        else:
            errors.append(Problem(box, Place.ANNOTATION, name, index))
    warnings = () if annotations else (Problem(LineWarning.NO_ATTRIBUTE_ANNOTATIONS, Place.ATTRIBUTE, name),)
    return Attribute(
        name,
        boxes=tuple(boxes),
        box_names=tuple(names),
        annotations=len(annotations),
        size=declared,
        errors=tuple(errors),
        warnings=warnings,
    )


def _declared_size(value: object) -> Size:
    """`image_size` is a list of one object, whose depth is required and means nothing."""
    first = value[0] if isinstance(value, list) and len(value) == 1 else None
    if not isinstance(first, dict):
        raise _attribute_fault()
    width, height, depth = (_integer(first.get(key)) for key in ("width", "height", "depth"))
    if width is None or height is None or depth is None:
        raise _attribute_fault()
    return Size(width, height)


def _annotations(value: object) -> list[tuple[int, float, float, float, float]]:
    if not isinstance(value, list):
        raise _attribute_fault()
    return [_annotation(item) for item in value]


def _annotation(item: object) -> tuple[int, float, float, float, float]:
    if not isinstance(item, dict):
        raise _attribute_fault()
    class_id = _integer(item.get("class_id"))
    left, top, width, height = (_number(item.get(key)) for key in ("left", "top", "width", "height"))
    if class_id is None or left is None or top is None or width is None or height is None:
        raise _attribute_fault()
    return class_id, left, top, width, height


def _names(annotations: Sequence[tuple[int, float, float, float, float]], metadata: Mapping[str, Any]) -> list[str]:
    """The label of each annotation, from this line's class map, which need not agree with any other line's."""
    class_map, objects = metadata.get("class-map"), metadata.get("objects")
    if not isinstance(class_map, dict) or not isinstance(objects, list):
        raise _metadata_fault()
    confidences = [_confidence(item) for item in objects[: len(annotations)]]
    if len(confidences) < len(annotations) or None in confidences:
        raise _Fault(LineError.MISSING_BOUNDING_BOX_CONFIDENCE, Place.METADATA)
    keys = [str(class_id) for class_id, *_ in annotations]
    names = {key: _checked_name(class_map[key]) for key in dict.fromkeys(keys) if key in class_map}
    if any(key not in names for key in keys):
        raise _Fault(LineError.MISSING_CLASS_MAP_ID, Place.METADATA)
    return [names[key] for key in keys]


def _confidence(item: object) -> float | None:
    """None where it is missing."""
    if not isinstance(item, dict):
        raise _metadata_fault()
    if "confidence" not in item:
        return None
    confidence = _number(item["confidence"])
    if confidence is None or not 0 <= confidence <= 1:
        raise _metadata_fault()
    return confidence


def _checked_name(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise _metadata_fault()
    if len(value) > MAX_LABEL_CHARACTERS:
        raise _Fault(LineError.INVALID_LABEL_NAME_LENGTH, Place.METADATA)
    return value


def _box(box: Box, size: Size) -> Box | LineError:
    """The box as it lies in the image, or what is wrong with it."""
    right, bottom = box.left + box.width, box.top + box.height
    outside = min(box.left, box.top) < -FRAME_TOLERANCE or min(box.width, box.height) < 0
    if outside or right > size.width + FRAME_TOLERANCE or bottom > size.height + FRAME_TOLERANCE:
        return LineError.INVALID_BOUNDING_BOX
    left, top = max(box.left, 0.0), max(box.top, 0.0)
    width, height = min(right, float(size.width)) - left, min(bottom, float(size.height)) - top
    scale = min(1.0, TRAINING_SIDE / max(size.width, size.height, 1))
    if min(width, height) * scale <= 1:
        return LineError.BOUNDING_BOX_TOO_SMALL
    return Box(box.label, left, top, width, height)


def _number(value: object) -> float | None:
    """A number that a picture may have; None for all else, true and false among it."""
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > _MOST:
        return None
    return float(value)


def _integer(value: object) -> int | None:
    """As `_number`, without a fraction: tools that calculate in floats write 1.0."""
    number = _number(value)
    return int(number) if number is not None and number.is_integer() else None


def _attribute_fault() -> _Fault:
    return _Fault(LineError.INVALID_LABEL_ATTRIBUTE_FORMAT, Place.ATTRIBUTE)


def _metadata_fault() -> _Fault:
    return _Fault(LineError.INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT, Place.METADATA)
