from __future__ import annotations

import pytest

from relook.demo.errors import PicturesError
from relook.demo.pictures import Encoded, Mask, Picture, Pools, Truth, count
from relook.demo.plan import MOST_SHOWN, make_plan

COLOURS = {"#23A436": "scratch", "#14A3B3": "dent"}


def normal(number: int, folder: str = "normal") -> tuple[Picture, ...]:
    return tuple(_picture(f"{folder}/{index}", Truth.NORMAL) for index in range(number))


def anomalous(number: int, folder: str = "anomaly", *labels: str) -> tuple[Picture, ...]:
    return tuple(_picture(f"{folder}/{index}", Truth.ANOMALY, labels) for index in range(number))


def _picture(name: str, truth: Truth, labels: tuple[str, ...] = ()) -> Picture:
    mask = Mask(lambda: b"", COLOURS, frozenset(labels)) if labels else None
    return Picture(name, truth, (64, 64), lambda: Encoded(b"", "png", (64, 64)), mask)


def test_one_folder_keeps_a_fifth_back() -> None:
    plan = make_plan(Pools("here", (*normal(50), *anomalous(30))))
    assert plan.test == ()
    assert (count(plan.unseen, Truth.NORMAL), count(plan.unseen, Truth.ANOMALY)) == (10, 6)
    assert (count(plan.train, Truth.NORMAL), count(plan.train, Truth.ANOMALY)) == (40, 24)
    assert {id(item) for item in plan.train}.isdisjoint({id(item) for item in plan.unseen})


def test_the_same_folder_gives_the_same_plan_in_any_order() -> None:
    pictures = (*normal(50), *anomalous(30))
    first, second = make_plan(Pools("here", pictures)), make_plan(Pools("here", pictures[::-1]))
    assert {item.name for item in first.unseen} == {item.name for item in second.unseen}


def test_minimums_of_a_single_dataset_are_kept() -> None:
    plan = make_plan(Pools("here", (*normal(21), *anomalous(11))))
    assert (count(plan.train, Truth.NORMAL), count(plan.train, Truth.ANOMALY)) == (20, 10)
    assert len(plan.unseen) == 2


@pytest.mark.parametrize(
    ("normals", "anomalies", "words"),
    [
        (12, 11, ["8 more normal pictures (12 there, the API asks for 20"]),
        (30, 4, ["6 more anomalous pictures (4 there, the API asks for 10"]),
        (20, 15, ["1 more normal picture (one dataset), to keep back"]),
        (3, 0, ["17 more normal pictures", "10 more anomalous pictures"]),
    ],
)
def test_too_few_pictures_say_how_many_are_missing(normals: int, anomalies: int, words: list[str]) -> None:
    with pytest.raises(PicturesError) as caught:
        make_plan(Pools("here", (*normal(normals), *anomalous(anomalies))))
    assert all(word in str(caught.value) for word in words)


def test_train_and_test_share_the_test_pictures() -> None:
    plan = make_plan(Pools("here", normal(12), (*normal(14, "tn"), *anomalous(15, "ta"))))
    assert len(plan.train) == 12
    assert (count(plan.test, Truth.NORMAL), count(plan.test, Truth.ANOMALY)) == (11, 12)
    assert (count(plan.unseen, Truth.NORMAL), count(plan.unseen, Truth.ANOMALY)) == (3, 3)


def test_a_small_test_folder_stays_unseen_where_train_can_do_alone() -> None:
    plan = make_plan(Pools("here", (*normal(20), *anomalous(10)), (*normal(3, "tn"), *anomalous(3, "ta"))))
    assert (len(plan.train), plan.test, len(plan.unseen)) == (30, (), 6)


def test_small_splits_are_put_together() -> None:
    plan = make_plan(Pools("here", normal(25), (*normal(3, "tn"), *anomalous(14, "ta"))))
    assert plan.test == ()
    assert any("put together into one dataset" in note for note in plan.notes)
    assert count(plan.train, Truth.ANOMALY) >= 10


def test_extra_pictures_are_the_unseen_ones() -> None:
    extra = (*normal(2, "en"), *anomalous(1, "ea"))
    plan = make_plan(Pools("here", (*normal(20), *anomalous(10)), extra=extra))
    assert plan.unseen == extra
    assert len(plan.train) == 30


def test_each_label_keeps_its_minimum() -> None:
    pictures = (*normal(40), *anomalous(21, "s", "scratch"), *anomalous(40, "d", "dent"))
    plan = make_plan(Pools("here", pictures))
    labelled = [picture.mask.labels for picture in plan.train if picture.mask]
    assert labelled.count(frozenset({"scratch"})) == 20
    assert plan.labels == {"dent": "#14A3B3", "scratch": "#23A436"}


def test_pictures_with_two_labels_do_not_count_for_either() -> None:
    pictures = (*normal(40), *anomalous(19, "s", "scratch"), *anomalous(5, "b", "scratch", "dent"))
    plan = make_plan(Pools("here", pictures))
    assert plan.labels == {}
    assert any("1 more pictures of 'scratch' alone" in note and "only classifies" in note for note in plan.notes)


def test_masks_in_both_sets_make_separate_datasets() -> None:
    train = (*normal(10), *anomalous(10, "s", "scratch"))
    test = (*normal(12, "tn"), *anomalous(13, "ts", "scratch"))
    plan = make_plan(Pools("here", train, test))
    assert plan.labels == {"scratch": "#23A436"}
    assert count(plan.test, Truth.ANOMALY) == 10


def test_the_report_stays_readable() -> None:
    extra = (*normal(500, "en"), *anomalous(8, "ea"))
    plan = make_plan(Pools("here", (*normal(20), *anomalous(10)), extra=extra))
    assert len(plan.unseen) == MOST_SHOWN
    assert count(plan.unseen, Truth.ANOMALY) == 8
    assert any("Of 508 pictures" in note for note in plan.notes)
