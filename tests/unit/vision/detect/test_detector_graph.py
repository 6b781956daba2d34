"""The graph that is served, from weights of chance: no PyTorch needed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from relook.vision import runtime
from relook.vision.detect import architectures
from relook.vision.detect.exporting import LOWEST_SCORE, MOST_BOXES, OVERLAP, export
from relook.vision.detect.layers import Architecture
from relook.vision.detect.names import OUTPUTS
from relook.vision.detect.predicting import Engine
from relook.vision.evaluation.detection import overlaps
from relook.vision.images import Size

SIZE = Size(96, 128)
NETWORKS: dict[str, Callable[[int], Architecture]] = {
    "yolox-nano": architectures.yolox_nano,
    "pyramid": lambda labels: architectures.pyramid(labels, 8),
}


def chance(architecture: Architecture, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    found = {}
    for conv in architecture.convolutions:
        gain = 0.15 if conv.name in architecture.predictions else 0.5 if "conv2" in conv.name else 1.4
        spread = gain / np.sqrt(np.prod(conv.shape[1:]))
        found[f"{conv.name}.weight"] = rng.normal(0, spread, conv.shape).astype(np.float32)
        found[f"{conv.name}.bias"] = rng.normal(0, 0.3, conv.out).astype(np.float32)
    return found


def image(seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, 5]).integers(0, 256, (SIZE.height, SIZE.width, 3), np.uint8)


def raw(graph: bytes, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All scores (labels, cells) and boxes (cells, 4), before suppression."""
    model = onnx.load_model_from_string(graph)
    node = next(node for node in model.graph.node if node.op_type == "NonMaxSuppression")
    for name in node.input[:2]:
        model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    request = runtime.compile_model(
        runtime.read(model.SerializeToString()), runtime.Precision.F32
    ).create_infer_request()
    request.infer([pixels[None]])
    boxes, scores = (request.get_tensor(name).data[0] for name in node.input[:2])
    return scores, boxes


def suppressed(scores: np.ndarray, boxes: np.ndarray) -> list[tuple[float, int, list[float]]]:
    """What should be left, written down plainly."""
    found = []
    for label, row in enumerate(scores):
        kept: list[int] = []
        for cell in np.argsort(-row, kind="stable"):
            if row[cell] <= LOWEST_SCORE:
                break
            one = boxes[cell][None].astype(float)
            if all(overlaps(one, boxes[other][None].astype(float))[0, 0] <= OVERLAP for other in kept):
                kept.append(int(cell))
        found += [(float(row[cell]), label, boxes[cell].tolist()) for cell in kept[:MOST_BOXES]]
    return sorted(found, key=lambda each: -each[0])[:MOST_BOXES]


@pytest.mark.parametrize("network", NETWORKS)
def test_overlapping_boxes_of_a_label_are_suppressed_in_the_graph(network: str) -> None:
    architecture = NETWORKS[network](3)
    graph = export(architecture, chance(architecture), SIZE)
    engine = Engine(graph, SIZE, runtime.Precision.F32, 1)
    engine.image[0] = image()
    boxes, scores, labels = engine.run()
    expected = suppressed(*raw(graph, image()))
    assert 20 < len(expected) <= MOST_BOXES
    assert np.allclose(scores, [each[0] for each in expected], atol=1e-5)
    gaps = -np.diff(scores, prepend=2, append=-1)
    clear = np.flatnonzero((gaps[:-1] > 1e-5) & (gaps[1:] > 1e-5))  # equal scores may change places
    assert len(clear) > 5
    for at in clear:
        assert labels[at] == expected[at][1]
        assert np.allclose(boxes[at], expected[at][2], rtol=1e-3, atol=1e-2)


def test_no_more_boxes_than_allowed_and_surest_first() -> None:
    architecture = architectures.pyramid(40, 8)
    engine = Engine(export(architecture, chance(architecture), SIZE), SIZE, runtime.Precision.F32, 1)
    engine.image[0] = image()
    boxes, scores, labels = engine.run()
    assert boxes.shape == (MOST_BOXES, 4)
    assert (np.diff(scores) <= 0).all()
    assert set(labels.tolist()) <= set(range(40))


def test_nothing_is_found_where_nothing_is_likely() -> None:
    architecture = architectures.pyramid(2, 8)
    weights = chance(architecture)
    for level in architecture.levels:
        for name in (level.classes, level.objectness):
            weights[f"{name}.weight"][:] = 0
            weights[f"{name}.bias"][:] = -9
    engine = Engine(export(architecture, weights, SIZE), SIZE, runtime.Precision.F32, 1)
    boxes, scores, labels = engine.run()
    assert (boxes.shape, scores.shape, labels.shape) == ((0, 4), (0,), (0,))


@pytest.mark.parametrize("network", NETWORKS)
def test_the_same_weights_give_the_same_bytes(network: str) -> None:
    architecture = NETWORKS[network](2)
    assert export(architecture, chance(architecture), SIZE) == export(architecture, chance(architecture), SIZE)


def test_the_graph_is_for_anyone() -> None:
    architecture = architectures.yolox_nano(2)
    model = onnx.load_model_from_string(export(architecture, chance(architecture), SIZE))
    assert {entry.domain for entry in model.opset_import} == {""}
    assert tuple(output.name for output in model.graph.output) == OUTPUTS
    entry = model.graph.input[0].type.tensor_type
    assert entry.elem_type == onnx.TensorProto.UINT8
    assert [side.dim_value for side in entry.shape.dim] == [1, SIZE.height, SIZE.width, 3]
    assert len([value for value in model.graph.initializer if numpy_helper.to_array(value).size > 1000]) > 20


def test_bf16_moves_boxes_by_parts_of_a_pixel_only() -> None:
    if runtime.native_precision() is not runtime.Precision.BF16:
        pytest.skip("this CPU has no bf16")
    architecture = architectures.pyramid(1, 8)
    graph = export(architecture, chance(architecture), SIZE)
    found = []
    for precision in (runtime.Precision.F32, runtime.Precision.BF16):
        engine = Engine(graph, SIZE, precision, 1)
        engine.image[0] = image()
        boxes, scores, _ = engine.run()
        found.append((boxes.copy(), scores.copy()))
    (boxes, scores), (short, short_scores) = found
    ratio = overlaps(boxes[:20].astype(float), short.astype(float)).max(1)
    assert np.median(ratio) > 0.95
    assert np.abs(scores[:20] - short_scores[:20]).max() < 0.05
