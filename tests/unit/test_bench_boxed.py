"""The sets with boxes that the bench of detectors takes."""

from __future__ import annotations

from collections import Counter

import pytest
from bench import boxed
from bench.boxed import BoxedSet

from relook.vision.images import upright_size


def labels(images: BoxedSet) -> Counter[str]:
    return Counter(box.label for image in (*images.training, *images.test) for box in image.boxes)


def inside(images: BoxedSet) -> bool:
    """Whether all boxes have an area and lie in their images, a pixel more or less."""
    for image in (*images.training, *images.test):
        size = upright_size(image.load())
        for box in (each.box for each in image.boxes):
            if min(box.left, box.top) < -1 or box.left + box.width > size.width + 1:
                return False
            if min(box.width, box.height) <= 0 or box.top + box.height > size.height + 1:
                return False
    return True


def test_drawn_plates_have_boxes_around_their_scratches() -> None:
    found = boxed.drawn()
    assert found.labels == ("scratch",)
    assert labels(found)["scratch"] > 0
    assert any(not image.boxes for image in found.training)
    assert inside(found)


@pytest.mark.shared
@pytest.mark.skipif(not boxed.BCCD.is_dir(), reason="needs ../shared/data/bccd")
def test_blood_cells_are_in_their_original_split_without_degenerate_boxes() -> None:
    found = boxed.blood_cells()
    assert (len(found.training), len(found.test)) == (292, 72)
    assert labels(found) == {"RBC": 4153, "WBC": 372, "Platelets": 361}
    assert inside(found)


@pytest.mark.shared
@pytest.mark.skipif(not boxed.BOARDS.is_dir(), reason="needs ../shared/data/deeppcb_mini")
def test_boards_are_those_of_the_two_files() -> None:
    found = boxed.boards()
    assert (len(found.training), len(found.test)) == (120, 60)
    assert sum(len(image.boxes) for image in found.training) == 828
    assert set(labels(found)) == set(found.labels)
    assert inside(found)
