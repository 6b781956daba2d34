"""Detectors on real sets, in a third of the default time: lower bounds that a broken training misses."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from bench import boxed
from bench.boxed import BoxedSet

from relook.vision.detect import starts
from relook.vision.detect.train import train
from relook.vision.labelled import LabelTask

pytest.importorskip("torch", reason="PyTorch is not installed (`make test-all` tests with it)")
pytestmark = [pytest.mark.torch, pytest.mark.slow, pytest.mark.shared]

SHARED = Path(__file__).parents[5] / "shared"
YOLOX = SHARED / "weights" / "yolox_nano_coco" / "yolox_nano.onnx"
SECONDS = 600


@pytest.mark.timeout(2 * SECONDS)
@pytest.mark.skipif(not YOLOX.is_file() or not boxed.BCCD.is_dir(), reason="needs ../shared")
@pytest.mark.parametrize(
    ("load", "given", "least"),
    [(boxed.blood_cells, False, 0.78), (boxed.boards, True, 0.78)],
    ids=["blood-cells-own", "boards-yolox"],
)
def test_a_third_of_the_time_is_enough_to_be_useful(
    load: Callable[[], BoxedSet], given: bool, least: float, tmp_path: Path
) -> None:
    data = load()
    began = time.monotonic()
    result = train(
        data.training,
        data.test,
        start=starts.yolox_nano(YOLOX.read_bytes(), "yolox_nano", "a test") if given else starts.own(),
        task=LabelTask.DETECTION,
        labels=data.labels,
        output=tmp_path,
        seed=1,
        seconds=SECONDS,
        progress=lambda stage, done, of: None,
    )
    assert time.monotonic() - began < 1.1 * SECONDS
    assert result.record["average_precision"]["value"] >= least
