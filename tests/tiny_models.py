"""Models of labels that are real and so small that one can say beforehand what they answer."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, checker, helper, numpy_helper
from PIL import Image

from relook.vision import graph_names, label_artifact
from relook.vision.classify.names import SCORES
from relook.vision.detect.exporting import export
from relook.vision.detect.layers import IMAGE, Act, Architecture, Conv, Level
from relook.vision.graph_names import numbered
from relook.vision.images import Size
from relook.vision.label_artifact import Fit, LabelCard
from relook.vision.labelled import LabelTask
from relook.vision.runtime import Precision

CELL = 32
_REACH = CELL + 1
"""Of convolutions centred on a cell's corner: their last value is the cell's middle."""
LABELS = ("red part", "blåu 部")
THRESHOLDS = (0.5, 0.999)
SURE = float(1 / (1 + np.exp(-5.0)))
"""What a cell of one pure colour scores: 0.99331."""


COLOURED = ((10.0, -10.0, -10.0, -5.0), (-10.0, -10.0, 10.0, -5.0))
"""Of each label's logit: what red, green and blue, each 0 to 1, are multiplied by, and what is added."""
BRIGHT = ((5.0, 5.0, 5.0, -10.0), (0.0, 0.0, 0.0, -10.0))
"""The first label alone, and it by brightness."""


def write_detector(
    folder: Path,
    size: Size = Size(128, 160),  # noqa: B008 (frozen)
    classes: tuple[tuple[float, ...], ...] = COLOURED,
) -> Path:
    """Finds cells of CELL x CELL pixels in whose middle it is red, or blue; each is a box as large as itself."""
    convolutions = (
        Conv("classes", IMAGE, 3, len(classes), _REACH, CELL, act=Act.NONE, normed=False),
        Conv("objectness", IMAGE, 3, 1, _REACH, CELL, act=Act.NONE, normed=False),
        Conv("box", IMAGE, 3, 4, _REACH, CELL, act=Act.NONE, normed=False),
    )
    whole = (0.0, 0.0, 0.0), (255.0, 255.0, 255.0)
    network = Architecture("tiny", convolutions, (Level(CELL, "classes", "objectness", "box"),), *whole)
    weights: dict[str, npt.NDArray[np.float32]] = {}
    for one in convolutions:
        weights[f"{one.name}.weight"] = np.zeros(one.shape, np.float32)
        weights[f"{one.name}.bias"] = np.zeros(one.out, np.float32)
    weights["classes.weight"][:, :, -1, -1] = [row[:3] for row in classes]
    weights["classes.bias"][:] = [row[3] for row in classes]
    weights["box.bias"][:2] = 0.5
    return _write(folder, export(network, weights, size), LabelTask.DETECTION, size, Fit.LETTERBOX)


def write_stumbling(folder: Path) -> Path:
    """A detector that knows red things as a label that its card has not."""
    return write_detector(folder, classes=(*COLOURED[1:], *COLOURED[1:], COLOURED[0]))


def write_classifier(folder: Path, task: LabelTask = LabelTask.SINGLE_LABEL, size: Size = Size(32, 48)) -> Path:  # noqa: B008
    """Tells how red and how blue an image is on the whole: logits of 4 (red - blue) and the reverse, means in 0..1."""
    image, patches = numbered(graph_names.IMAGE, 0), numbered(graph_names.PATCHES, 0)
    weight = np.array([[4, -4], [0, 0], [-4, 4]], np.float32) / 255
    last = helper.make_node("Softmax", ["logits"], [SCORES], axis=1)
    if task is LabelTask.MULTI_LABEL:
        last = helper.make_node("Sigmoid", ["logits"], [SCORES])
    nodes = [
        helper.make_node("Cast", [image], ["real"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["real"], [patches], axes=[1, 2], keepdims=0),
        helper.make_node("MatMul", [patches, "weight"], ["logits"]),
        last,
    ]
    ends = (
        helper.make_tensor_value_info(image, TensorProto.UINT8, [1, size.height, size.width, 3]),
        helper.make_tensor_value_info(SCORES, TensorProto.FLOAT, [1, 2]),
    )
    made = helper.make_graph(nodes, "tiny", ends[:1], ends[1:], [numpy_helper.from_array(weight, "weight")])
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    return _write(folder, bytes(model.SerializeToString(deterministic=True)), task, size, Fit.STRETCH)


def plain(red: int, green: int, blue: int, width: int = 160, height: int = 128) -> bytes:
    """A PNG of one colour."""
    return _encoded(np.full((height, width, 3), (red, green, blue), np.uint8), "PNG")


def picture(width: int = 160, height: int = 128, form: str = "PNG", **coloured: tuple[int, int]) -> bytes:
    """Grey, with the cells of these columns and rows in their colours: `picture(red=(1, 2))`."""
    pixels = np.full((height, width, 3), 100, np.uint8)
    for colour, (column, row) in coloured.items():
        cell = pixels[CELL * row : CELL * (row + 1), CELL * column : CELL * (column + 1)]
        cell[:] = {"red": (255, 0, 0), "blue": (0, 0, 255)}[colour]
    return _encoded(pixels, form)


def _encoded(pixels: npt.NDArray[np.uint8], form: str) -> bytes:
    room = io.BytesIO()
    Image.fromarray(pixels).save(room, form)
    return room.getvalue()


def _write(folder: Path, graph: bytes, task: LabelTask, size: Size, fit: Fit) -> Path:
    card = LabelCard(
        task=task,
        labels=LABELS,
        thresholds=THRESHOLDS,
        sizes=(size,),
        fit=fit,
        precision=Precision.F32,
        graph_sha256=hashlib.sha256(graph).hexdigest(),
        record={},
    )
    label_artifact.write(folder, graph, card)
    return folder
