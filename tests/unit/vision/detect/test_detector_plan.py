"""How a training spends its time, what it holds out, what it draws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from drawn_boxes import picture, pictures

from relook.vision.detect import plan
from relook.vision.labelled import LabelledImage


def labelled(*labels: str) -> LabelledImage:
    one = picture(0).boxes[0]
    return replace(picture(0), boxes=tuple(replace(one, label=label) for label in labels))


@pytest.mark.parametrize("seed", range(5))
def test_every_label_keeps_most_of_its_images(seed: int) -> None:
    images = [labelled("common")] * 36 + [labelled("common", "rare")] * 3 + [labelled("once")]
    learnt, held = plan.hold_out(images, seed)
    assert sorted([*learnt, *held]) == list(range(40))
    assert len(held) == 4
    assert sum("rare" in {box.label for box in images[at].boxes} for at in learnt) == 3
    assert 39 in learnt


def test_few_images_are_all_learned_from_and_many_lose_a_few() -> None:
    assert plan.hold_out(pictures(0, plan.FEWEST_FOR_HOLDING - 1), 0)[1] == []
    assert len(plan.hold_out([labelled("a")] * 2000, 0)[1]) == plan.MOST_HELD


def test_the_same_seed_holds_out_the_same() -> None:
    images = pictures(0, 30)
    assert plan.hold_out(images, 3) == plan.hold_out(images, 3)
    assert plan.hold_out(images, 3) != plan.hold_out(images, 4)


def test_images_with_a_rare_label_are_drawn_more_often_but_not_always() -> None:
    part = plan.order([labelled("common")] * 99 + [labelled("common", "rare")])
    assert part.sum() == pytest.approx(1)
    assert part[99] / part[0] == pytest.approx(np.sqrt(15), rel=1e-6)
    assert plan.order([labelled()] * 4) == pytest.approx(np.full(4, 0.25))


def test_steps_fill_the_time_on_a_grid_and_end_when_enough() -> None:
    assert plan.steps_for(1800, 0.5, 1000, 8) == 3150
    assert plan.steps_for(1800, 0.501, 1000, 8) == 3150  # nearly the same speed, the same number
    assert plan.steps_for(1800, 0.01, 10, 8) == 1500
    assert plan.steps_for(1, 5.0, 10, 8) == plan.FEWEST_STEPS


def test_the_rate_rises_then_falls() -> None:
    rates = [plan.rate(step, 1000) for step in range(1000)]
    top = int(np.argmax(rates))
    assert 50 <= top <= 150
    assert (np.diff(rates[: top + 1]) > 0).all()
    assert (np.diff(rates[top:]) <= 0).all()
    assert 0 < rates[-1] < 0.03


def test_the_average_begins_at_once_and_then_remembers_a_part_of_the_run() -> None:
    assert plan.average_keep(0, 3000) == 0
    assert plan.average_keep(2999, 3000) == pytest.approx(0.99, abs=0.001)
    assert plan.average_keep(10, 3000) < 0.6
