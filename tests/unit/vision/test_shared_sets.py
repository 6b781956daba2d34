from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from relook.vision.backbones import Backbone
from relook.vision.weights import choose, import_weights

ROOT = Path(__file__).resolve().parents[3]
SHARED = ROOT.parent / "shared"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not (SHARED / "data" / "lookout_cookie").exists(), reason="needs ../shared"),
]


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("accuracy", ROOT / "bench" / "accuracy.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["accuracy"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def imagenet(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    data = tmp_path_factory.mktemp("data")
    import_weights(SHARED / "weights" / "resnet18_imagenet_layer1-3.onnx", data)
    return choose(data)


def test_cookie_reaches_its_figures(bench: ModuleType, imagenet: Backbone, tmp_path: Path) -> None:
    report = bench.run(bench.cookie(), imagenet, tmp_path)
    assert report["f1"] >= 0.93
    assert report["training_seconds"] <= 60
    assert report["held_back_average_iou"] > 0.4


def test_board_ranks_its_defects(bench: ModuleType, imagenet: Backbone, tmp_path: Path) -> None:
    report = bench.run(bench.board(), imagenet, tmp_path)
    assert report["auroc"] > 0.88
    assert report["f1"] > 0.75


@pytest.mark.parametrize("name", ["mobilenet_v2_1.0_224_dequant_fp32.onnx", "yolox_nano_coco/yolox_nano.onnx"])
def test_graphs_that_are_no_backbone_are_refused(name: str, tmp_path: Path) -> None:
    from relook.vision.weights import WeightsError

    with pytest.raises(WeightsError, match="accepted are"):
        import_weights(SHARED / "weights" / name, tmp_path)
