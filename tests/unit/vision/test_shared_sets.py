from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bench import judge, sets

from relook.vision.backbones import Backbone
from relook.vision.weights import choose, import_weights

ROOT = Path(__file__).resolve().parents[3]
SHARED = ROOT.parent / "shared"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.slow,
    pytest.mark.skipif(not (SHARED / "data" / "lookout_cookie").exists(), reason="needs ../shared"),
]


@pytest.fixture(scope="module")
def imagenet(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    data = tmp_path_factory.mktemp("data")
    import_weights(SHARED / "weights" / "resnet18_imagenet_layer1-3.onnx", data)
    return choose(data)


def split(data: sets.DataSet, name: str, backbone: Backbone, folder: Path) -> dict[str, Any]:
    training, held = data.splits()[name]
    return judge.summary([judge.answers(data, training, held, backbone, folder, 0)])


def test_cookie_reaches_its_figures(imagenet: Backbone, tmp_path: Path) -> None:
    found = split(sets.cookie(), "fold 1", imagenet, tmp_path)
    assert found["f1"][0] >= 0.93
    assert found["mean_iou"] > 0.4


def test_board_ranks_its_defects(imagenet: Backbone, tmp_path: Path) -> None:
    found = split(sets.board(), "official", imagenet, tmp_path)
    assert found["auroc"][0] > 0.88
    assert found["f1"][0] > 0.75


def test_a_graph_that_is_no_backbone_is_refused(tmp_path: Path) -> None:
    from relook.vision.weights import WeightsError

    with pytest.raises(WeightsError, match="accepted are"):
        import_weights(SHARED / "weights" / "mobilenet_v2_1.0_224_dequant_fp32.onnx", tmp_path)
