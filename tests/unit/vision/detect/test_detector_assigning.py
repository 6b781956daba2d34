"""Which cells answer for which box, with torch."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed (`make test` tests with it)")

from relook.vision.detect import assigning  # noqa: E402
from relook.vision.detect.assigning import CELLS_PER_BOX, Truths, assign, cells_of, complete_overlap, loss  # noqa: E402

pytestmark = pytest.mark.torch
CELLS = cells_of(96, 128, (8, 16, 32))
COUNT = 12 * 16 + 6 * 8 + 3 * 4


def truths(*images: list[tuple[float, float, float, float, int]]) -> Truths:
    most = max(len(image) for image in images)
    boxes, labels, there = (
        torch.zeros(len(images), most, 4),
        torch.zeros(len(images), most, dtype=torch.int64),
        torch.zeros(len(images), most, dtype=torch.bool),
    )
    for at, image in enumerate(images):
        for place, (*corners, label) in enumerate(image):
            boxes[at, place], labels[at, place], there[at, place] = torch.tensor(corners), label, True
    return Truths(boxes, labels, there)


def predicted(images: int, side: float = 30.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Nothing likely, and a box of that side around every cell's centre."""
    half = torch.tensor([-side / 2, -side / 2, side / 2, side / 2])
    boxes = CELLS.centres.repeat(1, 2) + half
    return torch.full((images, COUNT, 3), -4.0), boxes.expand(images, -1, -1).clone()


def test_cells_cover_the_image_level_by_level() -> None:
    assert CELLS.centres.shape == (COUNT, 2)
    assert CELLS.centres[0].tolist() == [4, 4]
    assert CELLS.centres[-1].tolist() == [112, 80]
    assert CELLS.strides.unique().tolist() == [8, 16, 32]


def test_a_box_goes_to_the_cells_inside_that_overlap_it_best() -> None:
    wanted = truths([(30, 20, 60, 50, 2)])
    logits, boxes = predicted(1)
    assigned = assign(logits, boxes, wanted, CELLS)
    chosen = assigned.chosen[0].nonzero()[:, 0]
    assert 1 <= len(chosen) <= CELLS_PER_BOX
    centres = CELLS.centres[chosen]
    assert ((centres > torch.tensor([13, 3])) & (centres < torch.tensor([77, 67]))).all()
    assert (assigned.boxes[0, chosen] == torch.tensor([30.0, 20, 60, 50])).all()
    taught = assigned.scores[0, chosen]
    assert (taught[:, :2] == 0).all()
    best = assigning.overlaps(boxes[0, chosen], wanted.boxes[0, 0]).max()
    assert taught.max() == pytest.approx(float(best), abs=1e-5)
    assert assigned.scores[0].sum() == pytest.approx(float(taught.sum()))


@pytest.mark.parametrize(
    "box",
    [
        (50.0, 50.0, 52.5, 52.0, 0),  # smaller than the distance of centres
        (0.0, 0.0, 3.0, 3.0, 0),  # in the corner
        (0.0, 0.0, 128.0, 96.0, 0),  # everything
        (10.0, 40.0, 120.0, 43.0, 0),  # a strip
    ],
)
def test_every_box_has_a_cell_even_where_nothing_overlaps_it(box: tuple[float, float, float, float, int]) -> None:
    logits, boxes = predicted(1, side=1.0)
    assert assign(logits, boxes, truths([box]), CELLS).chosen.any()


def test_of_two_boxes_over_each_other_a_cell_answers_for_the_one_it_overlaps_most() -> None:
    wanted = truths([(20, 20, 50, 50, 0), (24, 20, 54, 50, 1)])
    logits, boxes = predicted(1)
    assigned = assign(logits, boxes, wanted, CELLS)
    assert {0, 1} == set(assigned.scores[0].sum(0).nonzero()[:, 0].tolist())
    for cell in assigned.chosen[0].nonzero()[:, 0]:
        both = assigning.overlaps(boxes[0, cell], wanted.boxes[0])
        mine = assigning.overlaps(boxes[0, cell], assigned.boxes[0, cell])
        assert mine >= both.max() - 0.35  # unless only the other has it among its best


def test_padding_and_images_without_boxes_are_background() -> None:
    logits, boxes = predicted(2)
    assigned = assign(logits, boxes, truths([(20, 20, 50, 50, 0)], []), CELLS)
    assert assigned.chosen[0].any()
    assert not assigned.chosen[1].any()
    assert assigned.scores[1].sum() == 0
    nothing = assign(logits, boxes, truths([], []), CELLS)
    assert not nothing.chosen.any()


def test_the_loss_of_backgrounds_alone_is_finite_and_has_gradients() -> None:
    logits, boxes = (each.requires_grad_() for each in predicted(2))
    wrong = loss(logits, boxes, truths([], []), CELLS)
    wrong.backward()
    assert torch.isfinite(wrong)
    assert (logits.grad > 0).all()


def test_right_answers_cost_least() -> None:
    wanted = truths([(20, 20, 50, 50, 0), (70, 30, 100, 60, 1)])
    logits, boxes = predicted(1)
    far = float(loss(logits, boxes, wanted, CELLS))
    assigned = assign(logits, boxes, wanted, CELLS)
    boxes[assigned.chosen] = assigned.boxes[assigned.chosen]
    label = assigned.scores.argmax(-1)
    logits = torch.full_like(logits, -8)
    logits[assigned.chosen, label[assigned.chosen]] = 8
    near = float(loss(logits, boxes, wanted, CELLS))
    assert near < 0.1 * far


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ([0, 0, 10, 10], [0, 0, 10, 10], 1.0),
        ([0, 0, 10, 10], [10, 0, 20, 10], -100 / 500),  # apart: the centres' distance in diagonals
        ([0, 0, 10, 10], [0, 0, 10, 20], 0.5 - 25 / 500),  # less what the shape adds, below
    ],
)
def test_complete_overlap(one: list[float], other: list[float], expected: float) -> None:
    value = float(complete_overlap(torch.tensor([one]).float(), torch.tensor([other]).float()))
    assert value == pytest.approx(expected, abs=0.01)
