from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from labelled_pictures import shapes, striped

from relook.vision.classify import problem as problems
from relook.vision.classify.problem import COMPARED, FOLDS, LabelProblem, compared, deal, problem_of
from relook.vision.labelled import LabelledImage, LabelTask
from relook.vision.samples import TrainingError


def problem(counts: list[int], copies: dict[int, int] | None = None, seed: int = 0) -> LabelProblem:
    """Images one label each; `copies` maps the position of a copy to that of its picture."""
    place = np.repeat(np.arange(len(counts)), counts)
    copy_of = np.arange(len(place))
    for copy, of in (copies or {}).items():
        copy_of[copy] = of
    images = [LabelledImage(str(at), bytes, (str(label),)) for at, label in enumerate(place)]
    labels = tuple(str(at) for at in range(len(counts)))
    return LabelProblem(images, labels, np.eye(len(counts), dtype=bool)[place], copy_of, True, seed)


def test_every_label_is_spread_over_the_folds() -> None:
    given = problem([50, 12, 5])
    fold = deal(given, 0)
    for at, count in enumerate((50, 12, 5)):
        sizes = np.bincount(fold[given.truths[:, at]], minlength=FOLDS)
        assert sizes.max() - sizes.min() <= 1
        assert sizes.sum() == count


def test_labels_of_one_image_do_not_fill_one_fold() -> None:
    assert np.bincount(deal(problem([1] * 50), 0)).tolist() == [10] * FOLDS


def test_copies_are_held_out_together() -> None:
    for repeat in range(10):
        fold = deal(problem([20, 20], copies={7: 3, 30: 3}), repeat)
        assert fold[7] == fold[30] == fold[3]


def test_the_deal_hangs_on_seed_and_repeat_alone() -> None:
    first = deal(problem([30, 30]), 0)
    assert np.array_equal(first, deal(problem([30, 30]), 0))
    assert not np.array_equal(first, deal(problem([30, 30]), 1))
    assert not np.array_equal(first, deal(problem([30, 30], seed=1), 0))


def test_rare_labels_are_compared_whole() -> None:
    given = problem([5000, 40, 1])
    chosen = compared(given)
    assert len(chosen) == len(set(chosen.tolist())) == problems.COMPARED
    assert given.truths[chosen].sum(0).tolist() == [359, 40, 1]
    assert np.array_equal(compared(problem([30, 30])), np.arange(60))


@pytest.mark.parametrize(
    ("counts", "groups"),
    [([10, 10], 2), ([10] * 4, 4), ([10] * 5, 0), ([10, 3], 0)],
    ids=["two", "four", "five", "few"],
)
def test_memories_are_made_of_few_sets_of_labels_with_enough_images(counts: list[int], groups: int) -> None:
    assert len(problem(counts).groups) == groups


def test_sets_of_labels_are_groups() -> None:
    images = striped(0, 4)
    given = problems.problem_of(images, ("ring", "stripe"), np.arange(16), problems.LabelTask.MULTI_LABEL, 0)
    assert [members.tolist() for members in given.groups] == [
        [0, 1, 2, 3],
        [8, 9, 10, 11],
        [4, 5, 6, 7],
        [12, 13, 14, 15],
    ]


def test_a_part_keeps_what_belongs_together() -> None:
    given = problems.problem_of(
        shapes(0, 2), ("ring", "square", "cross"), np.arange(6), problems.LabelTask.SINGLE_LABEL, 0
    )
    part = given.part(np.array([5, 0]))
    assert [image.labels for image in part.images] == [("cross",), ("ring",)]
    assert part.truths.tolist() == [[False, False, True], [True, False, False]]
    assert part.copy_of.tolist() == [5, 0]


def test_a_picture_that_alone_has_its_label_is_not_judged_by() -> None:
    truths = np.eye(3, dtype=bool)[[0] * 6 + [1] * 6 + [2, 2]]
    copy_of = np.array([*range(12), 12, 12])
    images = [LabelledImage(str(at), bytes, ()) for at in range(14)]
    found = LabelProblem(images, ("a", "b", "c"), truths, copy_of, True, 1)
    assert found.judged.tolist() == list(range(12))
    assert len(replace(found, single=False).judged) == 14
    of_one_label = found.part(np.array([*range(6), 12, 13]))
    assert of_one_label.judged.tolist() == [], "what is held out of the others has no like"


def test_pictures_that_all_look_alike_are_no_copies() -> None:
    images = [LabelledImage(str(at), bytes, ("ab"[at % 2],)) for at in range(12)]
    found = problem_of(images, ("a", "b"), np.zeros(12, np.int64), LabelTask.SINGLE_LABEL, 1)
    assert len(np.unique(deal(found, 0))) > 1
    with pytest.raises(TrainingError, match="only one training image"):
        problem_of(images[:1], ("a", "b"), np.zeros(1, np.int64), LabelTask.MULTI_LABEL, 1)


def test_rare_labels_keep_their_images_among_many_sets_of_labels() -> None:
    rng = np.random.default_rng(3)
    truths = rng.random((3000, 20)) < 0.3
    truths[:, 19] = np.arange(3000) % 200 == 0
    images = [LabelledImage(str(at), bytes, ()) for at in range(3000)]
    part = compared(LabelProblem(images, tuple(map(str, range(20))), truths, np.arange(3000), False, 1))
    assert len(part) == COMPARED
    assert truths[part, 19].sum() >= 10
