"""What the server and an inference unit say to each other over their socket.

A frame is a fixed header (kind, request number, two lengths), a JSON head and a raw body: the image on its way in, the
mask PNG on its way out. Nothing is pickled, and no image byte is encoded or escaped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import IntEnum
from struct import Struct
from typing import Any

from relook.vision.labelled import FoundLabel, LabelPrediction, Rectangle
from relook.vision.samples import ImageFault, Prediction, Region

HEADER = Struct("!BQII")
LONGEST = 1 << 30
"""Bytes of a head or a body; more means that the two ends lost step."""


class FrameError(Exception):
    """The bytes are no frame of this protocol."""


class FrameKind(IntEnum):
    READY = 1
    """Unit to server, once: the model is loaded. Head: {"seconds": load time}."""
    PREDICT = 2
    """Server to unit. Body: the encoded image."""
    PREDICTION = 3
    """Unit to server. Head: the prediction without its mask; body: the mask PNG."""
    BAD_INPUT = 4
    """Unit to server: the image cannot be used. Head: {"message": ..., "fault": an ImageFault}."""
    FAILED = 5
    """Unit to server: the model failed on this image, and the unit lives on. Head: {"message": ...}."""
    LABELS = 6
    """Unit to server. Head: a classifier's or detector's prediction."""


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


def head_of_labels(prediction: LabelPrediction) -> dict[str, Any]:
    """A prediction as a head, each label a row, for there may be hundreds; plain numbers, also where numpy's slipped
    in."""
    return {
        "width": prediction.width,
        "height": prediction.height,
        "found": [
            [one.name, float(one.score), float(one.threshold), *(_sides(one.box) if one.box is not None else ())]
            for one in prediction.found
        ],
    }


def join_labels(head: Mapping[str, Any]) -> LabelPrediction:
    """The inverse of `head_of_labels`; FrameError where members are missing."""
    try:
        found = tuple(
            FoundLabel(name, score, threshold, Rectangle(*box) if box else None)
            for name, score, threshold, *box in head["found"]
        )
        return LabelPrediction(head["width"], head["height"], found)
    except (KeyError, TypeError, ValueError) as error:
        raise FrameError(f"a prediction lacks a member, or has a strange one: {error}") from None


def parse_fault(head: Mapping[str, Any]) -> ImageFault:
    """What is wrong with an image; FrameError for a fault that is not known."""
    try:
        return ImageFault(head["fault"])
    except (KeyError, ValueError) as error:
        raise FrameError(f"a refusal of an image lacks its fault, or has a strange one: {error}") from None


def _sides(box: Rectangle) -> tuple[float, float, float, float]:
    return float(box.left), float(box.top), float(box.width), float(box.height)
