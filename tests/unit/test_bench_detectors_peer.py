"""The peer of the bench of detectors: what it is told, how its answers are judged, and, where it is, that it runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bench import boxed, detectors_peer
from bench.boxed import BoxedSet

from relook.vision.detect import starts
from relook.vision.images import Size
from relook.vision.labelled import LabelledBox, LabelledImage, Rectangle

LABELS = ("dent", "hole")


def nothing() -> bytes:
    return b""


BOXES = (LabelledBox("hole", Rectangle(10, 20, 30, 40)), LabelledBox("dent", Rectangle(100.5, 0, 10, 12)))
IMAGE = LabelledImage("one.jpg", nothing, boxes=BOXES)
SET = BoxedSet("two labels", LABELS, [IMAGE], [IMAGE, LabelledImage("two.jpg", nothing)])


@pytest.fixture(scope="module")
def plates() -> BoxedSet:
    return boxed.drawn()


def test_boxes_go_out_as_corners_and_come_back_as_they_were() -> None:
    told = detectors_peer.corners(IMAGE, LABELS)
    assert told == [[10, 20, 40, 60, 1], [100.5, 0, 110.5, 12, 0]]
    back = detectors_peer.said([[*box[:4], 0.25, box[4]] for box in told], LABELS)
    assert [LabelledBox(each.name, each.box) for each in back if each.box is not None] == list(BOXES)
    assert [each.score for each in back] == [0.25, 0.25]


def test_a_box_without_an_area_is_no_answer() -> None:
    assert detectors_peer.said([[5, 5, 5, 9, 0.9, 0], [5, 9, 8, 9, 0.9, 0]], LABELS) == []


def test_the_true_boxes_are_judged_right_and_the_same_under_other_labels_wrong() -> None:
    true = [[*box[:4], 0.9, box[4]] for box in detectors_peer.corners(IMAGE, LABELS)]
    right = detectors_peer.judged(SET, [true, []])
    assert (right["map_50"], right["map"], right["labels"]) == (1.0, 1.0, {"dent": 1.0, "hole": 1.0})
    swapped = [[*box[:5], 1 - box[5]] for box in true]
    assert detectors_peer.judged(SET, [swapped, []])["map_50"] == 0.0
    assert detectors_peer.judged(SET, [[], true])["map_50"] == 0.0


def test_the_job_has_all_images_with_their_boxes_at_the_usual_size_and_at_ours(
    plates: BoxedSet, tmp_path: Path
) -> None:
    job = json.loads(json.dumps(detectors_peer.job(plates, 60.0, tmp_path)))
    assert [Path(each["image"]).read_bytes() for each in job["training"]] == [each.load() for each in plates.training]
    assert [Path(path).read_bytes() for path in job["test"]] == [each.load() for each in plates.test]
    assert sum(len(each["boxes"]) for each in job["training"]) == sum(len(each.boxes) for each in plates.training) > 0
    usual, ours = job["sizes"]
    assert max(usual) == detectors_peer.USUAL_SIDE
    assert all(side % 32 == 0 for side in (*usual, *ours))
    assert (job["labels"], job["seconds"], job["steps"]) == (1, 60.0, 0)


def test_sizes_keep_their_shape_in_whole_cells() -> None:
    assert detectors_peer.scaled(Size(448, 576), 416) == Size(320, 416)
    assert detectors_peer.scaled(Size(640, 640), 416) == Size(416, 416)
    assert detectors_peer.scaled(Size(32, 640), 128) == Size(32, 128)


def test_parameters_are_those_of_our_network() -> None:
    start = starts.own()
    own = sum(each.size for name, each in start.weights.items() if not name.startswith("head"))
    found = detectors_peer.parameters(start, 3)
    assert own < found < 4_000_000
    heads = 3  # each with 64 weights and a bias more for another label
    assert detectors_peer.parameters(start, 4) == found + heads * (64 + 1)


@pytest.mark.clients
@pytest.mark.skipif(not detectors_peer.there(), reason="needs YOLOX: make .cache/peer-detector/.installed")
def test_the_peer_trains_and_answers(plates: BoxedSet) -> None:
    found = detectors_peer.run(plates, 0.0)
    assert found["steps"] == detectors_peer.QUICK_STEPS
    assert 5_000_000 < found["parameters"] < 5_100_000
    small, large = found["answers"]
    assert (max(small["size"]), max(large["size"])) == (detectors_peer.QUICK_SIDE, 2 * detectors_peer.QUICK_SIDE)
    for answer in (small, large):
        assert 0 <= answer["map"] <= answer["map_50"] <= 1
        assert min(answer["openvino_ms"], answer["torch_ms"]) > 0
    row, _ = detectors_peer.their_rows("drawn plates", found)
    assert row[:4] == ["drawn plates", "YOLOX-tiny", "random", 5.03]
