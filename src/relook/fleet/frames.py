"""What the server and an inference unit say to each other over their socket.

A frame is a fixed header (kind, request number, two lengths), a JSON head and a raw body: the image on its way in, the
mask PNG on its way out. Nothing is pickled, and no image byte is encoded or escaped.
"""

from __future__ import annotations

import json
import math
import struct
from array import array
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any

from relook.vision.labelled import FoundLabel, LabelPrediction, Rectangle
from relook.vision.samples import ImageFault, Prediction, Region

HEADER = struct.Struct("!BQII")
_ROW = struct.Struct("=7d")
"""Of a label found: its place among the names, score, threshold, and the box's left, top, width and height."""
_NO_BOX = (math.nan,) * 4
LONGEST = 1 << 30
"""Bytes of a head or a body; more means that the two ends lost step."""


class FrameError(Exception):
    """The bytes are no frame of this protocol."""


class FrameKind(IntEnum):
    READY = 1
    """Unit to server, once: the model is loaded. Head: {"seconds": load time}."""
    PREDICT = 2
    """Server to unit. Body: the encoded image. Head: none, or {"min_confidence": what labels need to be told of}."""
    PREDICTION = 3
    """Unit to server. Head: the prediction without its mask; body: the mask PNG."""
    BAD_INPUT = 4
    """Unit to server: the image cannot be used. Head: {"message": ..., "fault": an ImageFault}."""
    FAILED = 5
    """Unit to server: the model failed on this image, and the unit lives on. Head: {"message": ...}."""
    LABELS = 6
    """Unit to server. Head: a classifier's or detector's prediction without what was found; body: what of that is to be
    told of, in rows."""


@dataclass(frozen=True, slots=True)
class FrameStart:
    """A parsed header: `head` and `body` are lengths in bytes."""

    kind: FrameKind
    request: int
    head: int
    body: int


def encode(kind: FrameKind, request: int, head: Mapping[str, Any] | None = None, body_length: int = 0) -> bytes:
    """Everything of a frame before its body, which is sent as it is."""
    encoded = b"" if head is None else json.dumps(head, separators=(",", ":")).encode()
    return HEADER.pack(kind, request, len(encoded), body_length) + encoded


def parse_start(header: bytes | bytearray | memoryview) -> FrameStart:
    """Read the `HEADER.size` bytes a frame begins with; FrameError if they are none."""
    number, request, head, body = HEADER.unpack(header)
    if number not in FrameKind.__members__.values() or max(head, body) > LONGEST:
        raise FrameError(f"not a frame of an inference unit: kind {number}, {head} + {body} bytes")
    return FrameStart(FrameKind(number), request, head, body)


def parse_head(head: bytes | bytearray | memoryview) -> dict[str, Any]:
    """The JSON object of a frame; FrameError if it is none."""
    if not head:
        return {}
    try:
        value = json.loads(bytes(head))
    except ValueError as error:
        raise FrameError(f"the head of a frame is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise FrameError("the head of a frame is no JSON object")
    return value


def split_prediction(prediction: Prediction) -> tuple[dict[str, Any], bytes]:
    """A prediction as head and body; plain numbers, also where numpy's slipped in."""
    head = {
        "score": float(prediction.score),
        "threshold": float(prediction.threshold),
        "anomalous": bool(prediction.anomalous),
        "confidence": float(prediction.confidence),
        "width": prediction.width,
        "height": prediction.height,
        "regions": [asdict(region) for region in prediction.regions],
        "masked": prediction.mask_png is not None,
    }
    return head, prediction.mask_png or b""


def join_prediction(head: Mapping[str, Any], body: bytes) -> Prediction:
    """The inverse of `split_prediction`; FrameError where members are missing."""
    try:
        return Prediction(
            score=head["score"],
            threshold=head["threshold"],
            anomalous=head["anomalous"],
            confidence=head["confidence"],
            width=head["width"],
            height=head["height"],
            regions=tuple(Region(**region) for region in head["regions"]),
            mask_png=body if head["masked"] else None,
        )
    except (KeyError, TypeError) as error:
        raise FrameError(f"a prediction lacks a member, or has a strange one: {error}") from None


def split_labels(prediction: LabelPrediction) -> tuple[dict[str, Any], bytes]:
    """A prediction as head and body: the labels' names, and a row of numbers for each label found, for there may be
    hundreds, and numbers as text take their time."""
    names = list(dict.fromkeys(one.name for one in prediction.found))
    place = {name: at for at, name in enumerate(names)}
    rows = array("d")
    for one in prediction.found:
        rows.extend((place[one.name], one.score, one.threshold))
        rows.extend(_NO_BOX if one.box is None else (one.box.left, one.box.top, one.box.width, one.box.height))
    return {"width": prediction.width, "height": prediction.height, "names": names}, rows.tobytes()


def join_labels(head: Mapping[str, Any], body: bytes) -> LabelPrediction:
    """The inverse of `split_labels`; FrameError where members are missing."""
    try:
        names = head["names"]
        found = tuple(
            FoundLabel(names[int(place)], score, threshold, None if left != left else Rectangle(left, *sides))
            for place, score, threshold, left, *sides in _ROW.iter_unpack(body)
        )
        return LabelPrediction(head["width"], head["height"], found)
    except (IndexError, KeyError, TypeError, ValueError, struct.error) as wrong:
        raise FrameError(f"a prediction lacks a member, or has a strange one: {wrong}") from None


def parse_min_confidence(head: Mapping[str, Any]) -> float | None:
    """What labels need to be told of, in percent; None where each has its own threshold.

    FrameError if it is no number.
    """
    value = head.get("min_confidence")
    if value is not None and not isinstance(value, int | float):
        raise FrameError(f"a request's least confidence is no number: {value!r}")
    return value


def parse_fault(head: Mapping[str, Any]) -> ImageFault:
    """What is wrong with an image; FrameError for a fault that is not known."""
    try:
        return ImageFault(head["fault"])
    except (KeyError, ValueError) as error:
        raise FrameError(f"a refusal of an image lacks its fault, or has a strange one: {error}") from None
