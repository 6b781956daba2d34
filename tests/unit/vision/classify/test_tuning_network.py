"""What is fine-tuned in torch and what the served graph computes are one function."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from labelled_pictures import picture
from tunable_graphs import mobile

from relook.vision import shipped
from relook.vision.backbones import Backbone
from relook.vision.classify.pooling import DEVIATION, MEAN, PEAK, pooled
from relook.vision.classify.tuning import graphs
from relook.vision.features import Extractor
from relook.vision.images import Pixels, Size, resize
from relook.vision.runtime import Precision
from relook.vision.weight_files import understand

torch = pytest.importorskip("torch", reason="PyTorch is not installed (`make test` tests with it)")

from relook.vision.classify.tuning.network import Trunk  # noqa: E402

pytestmark = pytest.mark.torch
GIVEN = Path(__file__).parents[5] / "shared" / "weights" / "resnet18_imagenet_layer1-3.onnx"


def images(size: Size) -> list[Pixels]:
    return [resize(np.asarray(picture("ring", seed, stripe=True)), size) for seed in (1, 2)]


def in_torch(trunk: Trunk, pixels: list[Pixels]) -> np.ndarray:
    with torch.no_grad():
        found: np.ndarray = trunk(torch.from_numpy(np.stack(pixels))).numpy()
    return found


def in_graph(backbone: Backbone, size: Size, pixels: list[Pixels]) -> np.ndarray:
    extractor = Extractor(backbone, size, Precision.F32)
    blocks = [pooled(patches, extractor.grid) for patches in extractor.each(pixels)]
    return np.stack([np.concatenate([each[name] for name in (MEAN, DEVIATION, PEAK)]) for each in blocks])


@pytest.mark.parametrize("size", [Size(96, 96), Size(80, 176)], ids=["square", "uneven"])
def test_torch_computes_what_the_graph_does_before_and_after_learning(size: Size) -> None:
    backbone, pixels = shipped.backbone(), images(size)
    trunk = Trunk(backbone, size)
    before = in_torch(trunk, pixels)
    assert np.allclose(before, in_graph(backbone, size, pixels), atol=2e-4 * before.max())
    torch.manual_seed(3)
    with torch.no_grad():
        for value in trunk.parameters():
            value.add_(0.1 * value.abs().mean() * torch.randn(value.shape))
    after, tuned = in_torch(trunk, pixels), trunk.tuned()
    assert not np.allclose(after, before, atol=0.01 * before.max())
    assert np.allclose(after, in_graph(tuned, size, pixels), atol=2e-4 * after.max())
    assert tuned.origin.endswith("; fine-tuned")
    assert tuned.sha256 != backbone.sha256
    assert np.allclose(before, in_graph(backbone, size, pixels), atol=2e-4 * before.max())  # it was not touched


def test_a_given_backbone_can_be_tuned() -> None:
    if not GIVEN.is_file():
        pytest.skip("needs ../shared/weights")
    onnx, layers = understand(GIVEN.read_bytes(), GIVEN.name)
    agrees(Backbone(GIVEN.stem, onnx, layers, "given"))


def test_so_can_one_with_the_other_operators() -> None:
    agrees(mobile())


def agrees(backbone: Backbone) -> None:
    size = Size(96, 128)
    assert graphs.why_not(backbone) is None
    trunk = Trunk(backbone, size)
    found = in_torch(trunk, images(size))
    assert found.std() > 0.1
    assert np.allclose(found, in_graph(backbone, size, images(size)), atol=2e-4 * found.max())
    torch.manual_seed(3)
    with torch.no_grad():
        for value in trunk.parameters():
            value.add_(0.1 * value.abs().mean() * torch.randn(value.shape))
    after = in_torch(trunk, images(size))
    assert not np.allclose(after, found, atol=0.01 * found.max())
    assert np.allclose(after, in_graph(trunk.tuned(), size, images(size)), atol=2e-4 * after.max())


def test_edges_and_colours_stay_as_they_are() -> None:
    trunk = Trunk(shipped.backbone(), Size(96, 96))
    trunk(torch.from_numpy(np.stack(images(Size(96, 96))))).sum().backward()
    learned = {name: value for name, value in trunk.named_parameters() if value.grad is not None}
    assert len(learned) == len(list(trunk.parameters())) == 2 * 12  # layers 2 and 3 with two shortcuts, and two heads
    frozen = {each.name for each in shipped_initialisers()} - set(trunk.free)
    assert frozen == {f"{name}.{kind}" for name in EARLY for kind in ("weight", "bias")}


EARLY = ("conv1", "layer1.0.conv1", "layer1.0.conv2", "layer1.1.conv1", "layer1.1.conv2")


def shipped_initialisers() -> list[object]:
    import onnx

    return list(onnx.load_model_from_string(shipped.backbone().onnx).graph.initializer)
