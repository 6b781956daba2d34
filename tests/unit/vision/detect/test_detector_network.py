"""The network in torch and the graph that is made of it are one function."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from relook.vision import images, runtime
from relook.vision.detect import starts
from relook.vision.detect.exporting import export
from relook.vision.detect.names import RAW
from relook.vision.images import Size

torch = pytest.importorskip("torch", reason="PyTorch is not installed (`make test` tests with it)")

from relook.vision.detect.network import Network, built  # noqa: E402

pytestmark = pytest.mark.torch
SIZE = Size(96, 128)
SHARED = Path(__file__).parents[5] / "shared"
YOLOX = SHARED / "weights" / "yolox_nano_coco" / "yolox_nano.onnx"
PICTURE = SHARED / "data" / "bccd" / "BCCD" / "JPEGImages" / "BloodImage_00001.jpg"
needs_yolox = pytest.mark.skipif(not YOLOX.is_file(), reason="needs ../shared/weights")


def pixels(seed: int, count: int = 2) -> torch.Tensor:
    rng = np.random.default_rng([seed, 9])
    coarse = rng.integers(0, 256, (count, SIZE.height // 8, SIZE.width // 8, 3), np.uint8)
    return torch.from_numpy(coarse.repeat(8, 1).repeat(8, 2))


def own() -> Network:
    torch.manual_seed(0)
    start = starts.own()
    network = built(start.architecture(3), start.weights)
    network.measure(pixels(1))
    return network.eval()


def moved() -> Network:
    """As after some training: norms and weights are no longer what they were."""
    network = own()
    with torch.no_grad():
        for value in network.parameters():
            if value.requires_grad:
                value.add_(0.05 * value.abs().mean() * torch.randn(value.shape))
    network.train()
    network(pixels(2))
    return network.eval()


def test_the_graph_computes_what_torch_does() -> None:
    network = moved()
    graph = export(network.architecture, network.folded(), SIZE)
    head, _ = runtime.split(runtime.read(graph), RAW)
    request = runtime.compile_model(head, runtime.Precision.F32).create_infer_request()
    image = pixels(3, 1)
    request.infer([image.numpy()])
    with torch.no_grad():
        maps = network.maps(image)
    for level in network.architecture.levels:
        score = maps[level.classes] + maps[level.objectness]
        for name, value in ((f"{RAW}/scores{level.stride}", score), (f"{RAW}/boxes{level.stride}", maps[level.box])):
            given = request.get_tensor(name).data
            assert given.shape == value.shape
            assert np.abs(given - value.numpy()).max() < 1e-3 * max(1.0, float(value.abs().max()))


def test_boxes_and_order_of_cells_are_the_graphs_too() -> None:
    network = moved()
    model = onnx.load_model_from_string(export(network.architecture, network.folded(), SIZE))
    node = next(node for node in model.graph.node if node.op_type == "NonMaxSuppression")
    for name in node.input[:2]:
        model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    loaded = runtime.read(model.SerializeToString())
    request = runtime.compile_model(loaded, runtime.Precision.F32).create_infer_request()
    image = pixels(4, 1)
    request.infer([image.numpy()])
    with torch.no_grad():
        logits, boxes = network(image)
    assert np.abs(request.get_tensor(node.input[0]).data - boxes.numpy()).max() < 0.05
    assert np.abs(request.get_tensor(node.input[1]).data - logits.sigmoid().transpose(1, 2).numpy()).max() < 1e-3


def test_measuring_leaves_pretrained_layers_as_they_are() -> None:
    start = starts.own()
    network = built(start.architecture(3), start.weights).eval()
    name = "layer3.1.conv2"
    seen = []
    network.part(name).register_forward_hook(lambda module, given, out: seen.append(out.detach().clone()))
    with torch.no_grad():
        network.maps(pixels(1))
        network.measure(pixels(1))
        network.maps(pixels(1))
        network.train()
        network.maps(pixels(1))
    before, _, after, training = seen
    assert (after - before).abs().max() < 1e-3 * before.abs().max()
    assert (training - before).abs().max() < 1e-2 * before.abs().max()


def test_what_is_kept_has_no_gradients() -> None:
    network = own().train()
    logits, boxes = network(pixels(1))
    (logits.sum() + boxes.sum()).backward()
    assert network.architecture.kept
    for conv in network.architecture.convolutions:
        part = network.part(conv.name)
        assert (part.conv.weight.grad is None) == (conv.name in network.architecture.kept), conv.name


def test_at_first_nothing_is_likely() -> None:
    with torch.no_grad():
        logits, boxes = own()(pixels(1))
    assert float(logits.sigmoid().max()) < 0.1
    assert torch.isfinite(boxes).all()


@pytest.mark.shared
@needs_yolox
def test_yolox_nano_is_the_published_one() -> None:
    raw = YOLOX.read_bytes()
    assert starts.is_yolox_nano(raw)
    start = starts.yolox_nano(raw, "yolox_nano", "a test")
    network = built(start.architecture(starts.CLASSES), start.weights)
    values = {entry.name: numpy_helper.to_array(entry) for entry in onnx.load_model_from_string(raw).graph.initializer}
    for at, level in enumerate(network.architecture.levels):
        part = network.part(level.classes).conv
        part.weight.data.copy_(torch.tensor(values[f"head.cls_preds.{at}.weight"]))
        part.bias.data.copy_(torch.tensor(values[f"head.cls_preds.{at}.bias"]))
    picture = images.resize(images.decode(PICTURE.read_bytes()), Size(416, 416))
    request = runtime.compile_model(runtime.read(raw), runtime.Precision.F32).create_infer_request()
    request.infer([np.ascontiguousarray(picture[:, :, ::-1].transpose(2, 0, 1)[None]).astype(np.float32)])
    published = request.get_output_tensor(0).data
    image = torch.from_numpy(picture.copy())[None]
    for measured in (False, True):
        if measured:
            network.measure(image)
        network.eval()
        with torch.no_grad():
            maps = network.maps(image)
        rows = [
            torch.cat([maps[level.box], maps[level.objectness].sigmoid(), maps[level.classes].sigmoid()], 1).flatten(2)
            for level in network.architecture.levels
        ]
        given = torch.cat(rows, 2).transpose(1, 2).numpy()
        assert np.abs(given - published).max() < 1e-3
