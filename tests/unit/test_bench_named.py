"""The sets with labels of whole images that the bench of classifiers takes."""

from __future__ import annotations

from collections import Counter

import pytest
from bench import boxed, named
from bench.bed import BOARD
from bench.named import SIDE, NamedSet

from relook.vision.images import Size, upright_size
from relook.vision.labelled import LabelTask


def counts(images: NamedSet) -> tuple[Counter[str], Counter[str]]:
    training, test = (
        Counter(label for image in part for label in image.labels) for part in (images.training, images.test)
    )
    return training, test


def test_drawn_plates_are_good_or_bad() -> None:
    found = named.drawn()
    assert all(set(part) == {"good", "bad"} for part in counts(found))
    assert len({image.key for image in (*found.training, *found.test)}) == len(found.training) + len(found.test)


@pytest.mark.shared
@pytest.mark.skipif(not BOARD.is_dir(), reason="needs ../shared/data")
def test_products_and_boards_are_those_of_the_official_splits() -> None:
    assert counts(named.boards()) == ({"good": 20, "bad": 20}, {"good": 20, "bad": 20})
    assert sum(counts(named.products())[1].values()) == 140


@pytest.mark.shared
@pytest.mark.skipif(not boxed.BOARDS.is_dir(), reason="needs ../shared/data/deeppcb_mini")
def test_pieces_are_cut_out_around_every_defect() -> None:
    found, whole = named.cut_out(), boxed.boards()
    assert (len(found.training), len(found.test)) == (828, 379)
    assert {upright_size(image.load()) for image in found.test[:50]} == {Size(SIDE, SIDE)}
    assert counts(found)[1] == Counter(box.label for image in whole.test for box in image.boxes)


@pytest.mark.shared
@pytest.mark.skipif(not boxed.BOARDS.is_dir(), reason="needs ../shared/data/deeppcb_mini")
def test_whole_boards_have_several_labels() -> None:
    found = named.kinds()
    assert found.task is LabelTask.MULTI_LABEL
    assert (len(found.training), len(found.test)) == (120, 60)
    assert 0 < sum(len(image.labels) < len(found.labels) for image in found.training) < 120
