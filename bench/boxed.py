"""Sets with boxes: the real ones of ../shared, and drawn plates whose defects get theirs from the masks."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from scipy import ndimage

from bench import given
from bench.bed import SHARED
from bench.sets import truth_of
from relook.vision.labelled import LabelledBox, LabelledImage, Rectangle

BCCD = SHARED / "data" / "bccd" / "BCCD"
BOARDS = SHARED / "data" / "deeppcb_mini"
SECONDS = 1800.0
"""Of training on a set: what a detector has by default, and so what its peer gets."""


@dataclass(frozen=True)
class BoxedSet:
    """`training` and `test` as their makers split them."""

    name: str
    labels: tuple[str, ...]
    training: Sequence[LabelledImage]
    test: Sequence[LabelledImage]


def blood_cells() -> BoxedSet:
    """BCCD, in its original split; its degenerate boxes are left out, as the service would."""
    return BoxedSet("blood cells", ("RBC", "WBC", "Platelets"), _voc("trainval"), _voc("test"))


def boards() -> BoxedSet:
    """DeepPCB, a ninth part of it, with six kinds of defect."""
    told = json.loads((BOARDS / "coco_trainval.json").read_text("utf-8"))
    labels = tuple(each["name"] for each in told["categories"])
    return BoxedSet("printed boards", labels, _coco("trainval"), _coco("test"))


def drawn() -> BoxedSet:
    """Plates with scratches, for a quick run."""
    data = given.drawn()
    labels = tuple(each.name for each in data.classes)

    def boxed(samples: Sequence[Any]) -> list[LabelledImage]:
        found = []
        for sample in samples:
            truth = truth_of(sample, data.classes)
            boxes = []
            for at, label in enumerate(labels) if truth is not None else ():
                for rows, columns in ndimage.find_objects(ndimage.label(truth == at + 1)[0]):
                    sides = columns.stop - columns.start, rows.stop - rows.start
                    boxes.append(LabelledBox(label, Rectangle(columns.start, rows.start, *sides)))
            found.append(LabelledImage(sample.key, sample.load, boxes=tuple(boxes)))
        return found

    return BoxedSet("drawn plates", labels, boxed(data.training), boxed(data.test))


def _voc(split: str) -> list[LabelledImage]:
    names = (BCCD / "ImageSets" / "Main" / f"{split}.txt").read_text("utf-8").split()
    return [
        LabelledImage(
            f"{name}.jpg",
            (BCCD / "JPEGImages" / f"{name}.jpg").read_bytes,
            boxes=tuple(_voc_boxes(BCCD / "Annotations" / f"{name}.xml")),
        )
        for name in names
    ]


def _voc_boxes(path: Path) -> list[LabelledBox]:
    boxes = []
    for entry in ElementTree.parse(path).getroot().iter("object"):
        left, top, right, bottom = (
            float(entry.findtext(f"bndbox/{side}", "0")) for side in ("xmin", "ymin", "xmax", "ymax")
        )
        if right > left and bottom > top:
            boxes.append(LabelledBox(entry.findtext("name", ""), Rectangle(left, top, right - left, bottom - top)))
    return boxes


def _coco(split: str) -> list[LabelledImage]:
    told = json.loads((BOARDS / f"coco_{split}.json").read_text("utf-8"))
    labels = {each["id"]: each["name"] for each in told["categories"]}
    boxes: dict[int, list[LabelledBox]] = defaultdict(list)
    for each in told["annotations"]:
        sides = (float(value) for value in each["bbox"])
        boxes[each["image_id"]].append(LabelledBox(labels[each["category_id"]], Rectangle(*sides)))
    return [
        LabelledImage(each["file_name"], (BOARDS / each["file_name"]).read_bytes, boxes=tuple(boxes[each["id"]]))
        for each in told["images"]
    ]
