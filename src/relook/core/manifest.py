"""Manifest lines: JSON Lines in the output form of SageMaker Ground Truth, as real annotation tools write them.

The rules are those of the Lookout for Vision guide, "Creating a manifest file", loosened where manifests that the
service's own console wrote break them: no BACKGROUND entry in the colour map, no confidence, JavaScript dates.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, BinaryIO, NoReturn

from relook.core.dates import parse_date
from relook.core.locations import S3Location

MAX_LINE_CHARACTERS = 8192
MAX_CLASS_NAME_CHARACTERS = 256
_MIN_LINE_CHARACTERS = 2
_MAX_LINE_BYTES = 4 * MAX_LINE_CHARACTERS + 8
_CLASSIFICATION = "groundtruth/image-classification"
_SEGMENTATION = "groundtruth/semantic-segmentation"
_METADATA = "-metadata"
_COLOUR = re.compile(r"#[0-9A-Fa-f]{6}")
_BACKGROUND_NAME = "background"
_BACKGROUND_COLOUR = "#FFFFFF"
_WHITESPACE = " \t\r\n"


PROBLEMS_SHOWN = 5
"""So many lines that break a rule are named; one is too few to mend a file by, all may be thousands."""


class ManifestError(Exception):
    """A line breaks a rule. `rule` says which; `line` is the 1-based number, None when it concerns the whole file."""

    def __init__(self, rule: str, line: int | None = None) -> None:
        super().__init__(rule if line is None else f"line {line}: {rule}")
        self.rule = rule
        self.line = line


class Label(StrEnum):
    NORMAL = "normal"
    ANOMALY = "anomaly"


@dataclass(frozen=True, slots=True)
class MaskRef:
    """A mask in a bucket and its colours: pairs of upper-case `#RRGGBB` and class name, background left out, and those
    of the background."""

    location: S3Location
    colours: tuple[tuple[str, str], ...]
    background: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """One image of a manifest.

    `line` is the text as it came, without the white space around it; `label` is None for an unlabelled image;
    `label_date` is the label's creation date in milliseconds since the epoch, where it has one that can be read.
    """

    source_ref: str
    image: S3Location
    line: str
    label: Label | None
    mask: MaskRef | None
    label_date: int | None

    @property
    def defects(self) -> frozenset[str]:
        """The defect classes that the colour map names; none for an image that is not an anomaly."""
        if self.mask is None or self.label is not Label.ANOMALY:
            return frozenset()
        return frozenset(name for _, name in self.mask.colours)


def parse_line(text: str, number: int = 1) -> ManifestEntry:
    """Read one line; ManifestError carries `number` and the rule that is broken."""
    try:
        return _entry(text.strip(_WHITESPACE))
    except ManifestError as error:
        raise ManifestError(error.rule, number) from None


def read_manifest(file: BinaryIO, *, bucket: str | None = None) -> Iterator[tuple[int, ManifestEntry]]:
    """Stream the entries of a file with their 1-based line numbers; blank lines are skipped but counted.

    All images must lie in one bucket: `bucket`, or that of the first image when None. ManifestError, once the file
    or PROBLEMS_SHOWN such lines were read, that names the lines which break a rule; or when there is no entry at all.
    """
    expected, empty = bucket, True
    problems: list[ManifestError] = []
    for number, text in _lines(file):
        empty = False
        try:
            entry = parse_line(text, number)
            expected = expected or entry.image.bucket
            _check_bucket(entry, expected, number)
        except ManifestError as error:
            problems.append(error)
            if len(problems) == PROBLEMS_SHOWN:
                break
            continue
        yield number, entry
    if problems:
        raise combined(problems)
    if empty:
        raise ManifestError("there is no image in it; it needs one JSON line per image")


def combined(problems: Sequence[ManifestError]) -> ManifestError:
    """One error that names the lines and rules of all `problems`, of which there is at least one."""
    first, *others = problems
    return ManifestError("; ".join([first.rule, *map(str, others)]), first.line)


def _check_bucket(entry: ManifestEntry, expected: str, number: int) -> None:
    if entry.image.bucket != expected:
        raise ManifestError(
            f"the image {entry.source_ref} is not in the bucket {expected}; all images of a dataset must be in one",
            number,
        )


def _lines(file: BinaryIO) -> Iterator[tuple[int, str]]:
    number = 0
    while raw := file.readline(_MAX_LINE_BYTES):
        number += 1
        if len(raw) >= _MAX_LINE_BYTES and not raw.endswith(b"\n"):
            raise ManifestError(f"is longer than {MAX_LINE_CHARACTERS} characters", number)
        try:
            text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise ManifestError("is not UTF-8 text", number) from None
        if text.strip(_WHITESPACE):
            yield number, text


def _entry(line: str) -> ManifestEntry:
    if not _MIN_LINE_CHARACTERS <= len(line) <= MAX_LINE_CHARACTERS:
        raise ManifestError(f"has {len(line)} characters; a line has {_MIN_LINE_CHARACTERS} to {MAX_LINE_CHARACTERS}")
    attributes = _json_object(line)
    source_ref = attributes.get("source-ref")
    if not isinstance(source_ref, str):
        raise ManifestError('"source-ref" is required: the image as "s3://bucket/key"')
    image = _location("source-ref", source_ref)
    label, date = _label(attributes)
    return ManifestEntry(source_ref, image, line, label, _mask(attributes), date)


def _json_object(line: str) -> dict[str, Any]:
    try:
        value = json.loads(line, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else "it nests too deep or holds a bad number"
        raise ManifestError(f"is not valid JSON: {reason}") from None
    if not isinstance(value, dict):
        raise ManifestError("is not a JSON object: it must start with { and end with }")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _location(attribute: str, uri: str) -> S3Location:
    try:
        return S3Location.parse(uri)
    except ValueError as error:
        raise ManifestError(f'"{attribute}": {error}') from None


def _annotations(attributes: Mapping[str, Any], kind: str) -> list[tuple[str, Mapping[str, Any]]]:
    """Names and metadata of the attributes whose metadata has this type, those that a human made first.

    A machine's own labels (an evaluation manifest that is fed back has both) only count when there is no other.
    """
    found: list[tuple[str, Mapping[str, Any]]] = [
        (name.removesuffix(_METADATA), metadata)
        for name, metadata in attributes.items()
        if name.endswith(_METADATA) and isinstance(metadata, dict) and metadata.get("type") == kind
    ]
    for name, metadata in found:
        if metadata.get("human-annotated") not in ("yes", "no"):
            raise ManifestError(f'"{ascii(name)[1:-1]}{_METADATA}" needs "human-annotated": "yes" or "no"')
    human = [pair for pair in found if pair[1]["human-annotated"] == "yes"]
    return human or found


def _label(attributes: Mapping[str, Any]) -> tuple[Label | None, int | None]:
    annotations = _annotations(attributes, _CLASSIFICATION)
    labels = [_class_of(name, metadata, attributes) for name, metadata in annotations]
    if not labels:
        return None, None
    if len(set(labels)) > 1:
        names = ", ".join(ascii(name) for name, _ in annotations)
        raise ManifestError(f"the label attributes {names} contradict each other; keep one")
    return labels[0], parse_date(annotations[0][1].get("creation-date"))


def _class_of(name: str, metadata: Mapping[str, Any], attributes: Mapping[str, Any]) -> Label | None:
    # The number itself means nothing: real manifests disagree on which of 0 and 1 is the anomaly.
    number = attributes.get(name)
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise ManifestError(f'"{ascii(name)[1:-1]}" is required beside its metadata and must be a number')
    class_name = metadata.get("class-name")
    if not isinstance(class_name, str):
        raise ManifestError(f'"{ascii(name)[1:-1]}{_METADATA}" needs "class-name": "normal" or "anomaly"')
    folded = class_name.lower()
    return Label(folded) if folded in (Label.NORMAL, Label.ANOMALY) else None


def _mask(attributes: Mapping[str, Any]) -> MaskRef | None:
    annotations = _annotations(attributes, _SEGMENTATION)
    if not annotations:
        return None
    if len(annotations) > 1:
        names = ", ".join(ascii(name) for name, _ in annotations)
        raise ManifestError(f"there is more than one mask: {names}; keep one")
    name, metadata = annotations[0]
    shown = ascii(name)[1:-1]
    uri = attributes.get(name)
    if not isinstance(uri, str):
        raise ManifestError(f'"{shown}" is required beside its metadata: the mask as "s3://bucket/key"')
    return MaskRef(_location(shown, uri), *_colours(shown, metadata.get("internal-color-map")))


def _colours(shown: str, colour_map: object) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Colours of classes, and those of the background."""
    if not isinstance(colour_map, dict) or not colour_map:
        raise ManifestError(f'"{shown}{_METADATA}" needs an "internal-color-map" that is not empty')
    colours: dict[str, str] = {}
    for index, item in colour_map.items():
        name, colour = _colour_entry(f'"internal-color-map" entry {index!a}', item)
        if name.lower() == _BACKGROUND_NAME:
            name = _BACKGROUND_NAME
        if colours.setdefault(colour, name) != name and colour != _BACKGROUND_COLOUR:
            raise ManifestError(f'"internal-color-map" gives the colour {colour} to two classes')
    _check_white(colours)
    background = tuple(
        colour for colour, name in colours.items() if name == _BACKGROUND_NAME or colour == _BACKGROUND_COLOUR
    )
    return tuple((colour, name) for colour, name in colours.items() if colour not in background), background


def _check_white(colours: Mapping[str, str]) -> None:
    """White under another name is the background where nothing else is, and there are classes beside it. Otherwise it
    may well be a defect, drawn white on black, which neither masks nor answers could tell from the background."""
    name = colours.get(_BACKGROUND_COLOUR, _BACKGROUND_NAME)
    if name != _BACKGROUND_NAME and (_BACKGROUND_NAME in colours.values() or len(colours) == 1):
        raise ManifestError(
            f'"internal-color-map" gives white to the class "{ascii(name)[1:-1]}": white ({_BACKGROUND_COLOUR}) is the '
            "background in masks and answers; draw the class in another colour and name that"
        )


def _colour_entry(where: str, item: object) -> tuple[str, str]:
    if not isinstance(item, dict):
        raise ManifestError(f"{where} must be an object with class-name and hex-color")
    name, colour = item.get("class-name"), item.get("hex-color")
    if not isinstance(name, str) or not 1 <= len(name) <= MAX_CLASS_NAME_CHARACTERS or not _encodable(name):
        raise ManifestError(f'{where} needs a "class-name" of 1 to {MAX_CLASS_NAME_CHARACTERS} characters')
    if not isinstance(colour, str) or not _COLOUR.fullmatch(colour):
        raise ManifestError(f'{where} needs a "hex-color" such as "#2CA02C"')
    return name, colour.upper()


def _encodable(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)
