"""Entries of a manifest as the engine takes them: nothing is read before it is needed, masks where they count."""

from __future__ import annotations

import hashlib
import json

import pytest

from relook.core.datasets import MAX_IMAGE_BYTES
from relook.core.manifest import ManifestEntry, parse_line
from relook.vision.entries import Source
from relook.vision.samples import Task, TrainingError


class Objects:
    """A bucket that keeps what was asked of it."""

    def __init__(self) -> None:
        self.read_keys: list[str] = []
        self.sizes: dict[str, int] = {}

    @property
    def source(self) -> Source:
        return Source(lambda bucket, key: self.sizes.get(key, 1), self._read)

    def _read(self, bucket: str, key: str) -> bytes:
        assert bucket == "bucket"
        self.read_keys.append(key)
        return key.encode()


def entry(key: str, label: str | None = None, *, masked: bool = False) -> ManifestEntry:
    line = {"source-ref": f"s3://bucket/{key}"}
    stamp = {"human-annotated": "yes", "creation-date": "2026-01-01T00:00:00"}
    about: dict[str, object] = {}
    if label is not None:
        described = {"class-name": label, "type": "groundtruth/image-classification", **stamp}
        about = {"anomaly-label": int(label == "anomaly"), "anomaly-label-metadata": described}
    if masked:
        colours = {"1": {"class-name": "crack", "hex-color": "#23A436"}}
        about["anomaly-mask-ref"] = f"s3://bucket/{key}.mask"
        kind = "groundtruth/semantic-segmentation"
        about["anomaly-mask-ref-metadata"] = {"type": kind, "internal-color-map": colours, **stamp}
    return parse_line(json.dumps(line | about))


def test_samples_are_read_when_they_are_loaded() -> None:
    objects = Objects()
    one, other = objects.source.samples([entry("x", "normal"), entry("y", "anomaly")], Task.CLASSIFICATION)
    assert ([one.key, other.key], [one.anomalous, other.anomalous]) == (
        ["s3://bucket/x", "s3://bucket/y"],
        [False, True],
    )
    assert objects.read_keys == []
    assert other.load() == b"y"
    assert objects.read_keys == ["y"]


def test_masks_are_of_anomalies_and_for_segmentation() -> None:
    objects = Objects()
    given = [entry("n", "normal", masked=True), entry("a", "anomaly", masked=True), entry("bare", "anomaly")]
    assert [one.mask for one in objects.source.samples(given, Task.CLASSIFICATION)] == [None] * 3
    normal, masked, bare = objects.source.samples(given, Task.SEGMENTATION)
    assert (normal.mask, bare.mask) == (None, None)
    assert masked.mask is not None
    assert (masked.mask.load(), dict(masked.mask.colours)) == (b"a.mask", {"#23A436": "crack"})


def test_an_image_that_is_too_large_is_named_and_not_read() -> None:
    objects = Objects()
    objects.sizes = {"fits": MAX_IMAGE_BYTES, "large": MAX_IMAGE_BYTES + 1}
    assert objects.source.image(entry("fits")) == b"fits"
    with pytest.raises(
        TrainingError, match=rf"^s3://bucket/large has {MAX_IMAGE_BYTES + 1} bytes; an image has at most"
    ):
        objects.source.image(entry("large"))
    assert objects.read_keys == ["fits"]


def test_hashing_tells_how_far_it_is() -> None:
    told: list[tuple[str, int, int]] = []
    content = Objects().source.hasher(2, lambda stage, done, total: told.append((stage, done, total)))
    assert [content(entry(key)) for key in "xy"] == [hashlib.sha256(key.encode()).hexdigest() for key in "xy"]
    assert told == [("reading the images", 1, 2), ("reading the images", 2, 2)]
