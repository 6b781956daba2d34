"""How a training spends its time, what it holds out, what it draws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from drawn_boxes import picture, pictures

from relook.vision.detect import plan
from relook.vision.detect.plan import Options, Schedule
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


def test_nothing_is_held_out_where_no_box_would_be() -> None:
    for seed in range(5):
        assert plan.hold_out([labelled("once")] + [labelled()] * 39, seed) == (list(range(40)), [])
        assert plan.hold_out([labelled("a")] * 20 + [labelled()] * 20, seed)[1]


@pytest.mark.parametrize(("images", "boxed", "least"), [(60, 16, 4), (1000, 20, 4), (1000, 500, 30)])
def test_images_with_boxes_are_held_out_among_many_without(images: int, boxed: int, least: int) -> None:
    some = [labelled("a")] * boxed + [labelled()] * (images - boxed)
    for seed in range(20):
        held = plan.hold_out(some, seed)[1]
        assert sum(at < boxed for at in held) == least
        assert len(held) == min(plan.MOST_HELD, max(plan.FEWEST_HELD, images // 10))


def test_copies_are_held_out_together_or_not_at_all() -> None:
    copy_of = np.arange(40)
    copy_of[20:26] = 20  # too many to be held out
    copy_of[[3, 11]] = 3
    held_out = 0
    for seed in range(40):
        learnt, held = plan.hold_out([labelled("a")] * 40, seed, copy_of)
        assert sorted([*learnt, *held]) == list(range(40))
        assert set(held).isdisjoint(range(20, 26)) or set(range(20, 26)) <= set(held)
        assert (3 in held) == (11 in held)
        assert plan.FEWEST_HELD <= len(held) <= 2 * plan.FEWEST_HELD
        held_out += 3 in held
    assert held_out > 0


def test_nothing_is_held_out_where_all_is_one_picture() -> None:
    assert plan.hold_out([labelled("a")] * 40, 0, np.zeros(40, np.int64))[1] == []


def test_without_copies_the_same_are_held_out_whether_they_were_looked_for_or_not() -> None:
    images = pictures(0, 30)
    assert plan.hold_out(images, 3, np.arange(30)) == plan.hold_out(images, 3)


def test_the_same_seed_holds_out_the_same() -> None:
    images = pictures(0, 30)
    assert plan.hold_out(images, 3) == plan.hold_out(images, 3)
    assert plan.hold_out(images, 3) != plan.hold_out(images, 4)


def test_images_with_a_rare_label_are_drawn_more_often_but_not_always() -> None:
    part = plan.order([labelled("common")] * 99 + [labelled("common", "rare")])
    assert part.sum() == pytest.approx(1)
    assert part[99] / part[0] == pytest.approx(np.sqrt(15), rel=1e-6)
    assert plan.order([labelled()] * 4) == pytest.approx(np.full(4, 0.25))


@pytest.mark.parametrize("steady", [*range(25, 2000, 25), 99_975])
def test_a_schedule_is_found_again_from_its_number_of_steps(steady: int) -> None:
    schedule = Schedule.after(steady)
    assert Schedule.of(schedule.total) == schedule
    assert schedule.looks <= set(range(steady + 1, schedule.total + 1))
    assert schedule.total in schedule.looks
    assert len(schedule.looks) <= plan.FALLING_LOOKS


def test_what_comes_before_falling_does_not_depend_on_when_it_begins() -> None:
    early, late = Schedule.after(100), Schedule.after(1000)
    for step in range(100):
        assert plan.rate(step, None) == plan.rate(step, early) == plan.rate(step, late)
        assert not early.plain(step)


def test_the_rate_rises_stays_and_falls() -> None:
    schedule = Schedule.of(1000)
    rates = [plan.rate(step, schedule) for step in range(1000)]
    assert (np.diff(rates[: plan.WARM_UP]) > 0).all()
    assert set(rates[plan.WARM_UP : schedule.steady]) == {1.0}
    assert (np.diff(rates[schedule.steady :]) < 0).all()
    assert 0 < rates[-1] < 0.03
    assert [step for step in range(1000) if schedule.plain(step)] == list(range(850, 1000))


def test_enough_is_enough() -> None:
    assert Schedule.after(plan.most_steady(10, 8)).total == 1500
    assert Schedule.after(plan.most_steady(1000, 8)).total == pytest.approx(plan.MOST_EPOCHS * 125, abs=2)


def test_looks_at_the_full_rate_are_some_passes_apart() -> None:
    assert [step for step in range(1, 101) if plan.steady_look(step, 16, 8)] == [20, 40, 60, 80, 100]
    assert [step for step in range(1, 1001) if plan.steady_look(step, 400, 8)] == [400, 800]


def test_time_is_kept_for_the_test_images_but_not_all() -> None:
    assert plan.training_seconds(1800, 72) == pytest.approx(1800 * 0.94 - 3.6)
    assert plan.training_seconds(60, 100_000) == 30
    assert plan.training_seconds(1800, 1000, answering=0.4) == pytest.approx(1800 * 0.94 - 400)


def test_the_rate_falls_earlier_where_looks_at_held_out_images_take_long() -> None:
    assert [plan.to_fall(gone, 0.001) for gone in (0.57, 0.59)] == [False, True]
    assert [plan.to_fall(gone, 0.05) for gone in (0.38, 0.40)] == [False, True]


def test_the_average_begins_at_once_and_then_remembers_a_part_of_the_run() -> None:
    kept = [plan.average_keep(step) for step in range(3000)]
    assert kept[0] == 0
    assert all(0 <= value < 1 for value in kept)
    assert kept[10] < 0.6
    assert kept[2999] == pytest.approx(1 - 1 / 151, abs=1e-4)


@pytest.mark.parametrize(
    ("taken", "steps", "images", "cut", "words"),
    [
        (
            31,
            39,
            36,
            True,
            "Time was up after 31 of 39 training steps, 3.4 passes over the 36 images that were learned ",
        ),
        (20, 20, 36, True, "Time was up after 20 training steps, 2.2 passes over the 36 images"),
        (900, 1000, 36, True, "100.0 passes over the 36 images that were learned from: the model may be worse than"),
        (39, 39, 36, False, "There were only 39 training steps, 4.3 passes over the 36 images"),
        (
            400,
            400,
            2000,
            False,
            "0.8 passes over the 2000 images that were learned from: the model is likely to be poor",
        ),
    ],
    ids=["cut", "cut early", "cut late", "few steps", "few passes"],
)
def test_a_training_that_was_too_short_is_warned_of(taken: int, steps: int, images: int, cut: bool, words: str) -> None:
    warning = plan.shortage(taken, steps, images, Options(), cut=cut)
    assert warning is not None
    assert words in warning
    assert warning.endswith("Give the training more time (the setting detector_minutes).")


def test_a_training_of_too_few_steps_as_it_was_told_lacks_no_time() -> None:
    told = Options(steps=39)
    warning = plan.shortage(39, 39, 36, told, cut=False)
    assert warning is not None
    assert warning.endswith("Give the training more steps (the setting detector_steps).")
    cut = plan.shortage(31, 39, 36, told, cut=True)
    assert cut is not None
    assert cut.endswith("Give the training more time (the setting detector_minutes).")


def test_a_training_that_was_long_enough_is_not() -> None:
    assert plan.shortage(plan.FEWEST_STEPS, plan.FEWEST_STEPS, 100, Options(), cut=False) is None
