from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_labels_lines import boxes, entry, image_level
from relook.core.custom_labels.auto_split import CannotSplit, auto_split
from relook.core.custom_labels.distribution import Item, NotEnoughImages, held_out
from relook.core.custom_labels.errors import ContentError
from relook.core.custom_labels.manifest import Kind

label_sets = st.lists(st.frozensets(st.sampled_from("abcdefghij"), max_size=4), min_size=2, max_size=60)


def items(*labels: str) -> list[Item]:
    """One image for each string, whose letters are its labels."""
    return [Item(f"s3://images/{index}", frozenset(letters)) for index, letters in enumerate(labels)]


def counts(found: list[Item], chosen: list[int]) -> tuple[Counter[str], Counter[str]]:
    training = Counter(label for index, item in enumerate(found) if index not in chosen for label in item.labels)
    return training, Counter(label for index in chosen for label in found[index].labels)


def test_a_fifth_of_seventy_images_is_fourteen() -> None:
    found = items(*["a"] * 30, *["b"] * 25, *["c"] * 15)
    chosen = held_out(found, seed=1)
    assert len(chosen) == 14
    assert counts(found, chosen)[1] == {"a": 6, "b": 5, "c": 3}


def test_rare_labels_of_boxes_are_on_both_sides() -> None:
    # As blood counts have it: one label in every image, one in most, one in few.
    chance = random.Random(4)
    found = items(*("r" + "w" * (chance.random() < 0.9) + "p" * (chance.random() < 0.05) for _ in range(200)))
    images = Counter(label for item in found for label in item.labels)
    chosen = held_out(found, seed=7)
    training, test = counts(found, chosen)
    assert len(chosen) == 40
    assert all(abs(test[label] - images[label] / 5) <= 1 for label in "rwp"), (images, test)
    assert training["p"] > test["p"] > 0


def test_images_of_many_labels_are_chosen_for_what_they_all_need() -> None:
    strayed = 0.0
    for seed in range(6):
        chance = random.Random(seed)
        found = items(*("".join(chr(200 + chance.randrange(30)) for _ in range(4)) for _ in range(300)))
        images = Counter(label for item in found for label in item.labels)
        test = counts(found, held_out(found, seed=seed))[1]
        strayed += sum(abs(test[label] - count / 5) for label, count in images.items()) / len(images)
    # About one image for each label; 1.5 where images are taken without a look at their other labels.
    assert strayed / 6 < 1.25


def test_unlabelled_images_move_in_proportion() -> None:
    found = items(*["a"] * 25, *["b"] * 25, *[""] * 50)
    chosen = held_out(found, seed=3)
    assert len(chosen) == 20
    assert sum(not found[index].labels for index in chosen) == 10


@given(label_sets, st.integers(0, 3), st.randoms(use_true_random=False))
def test_every_label_that_could_be_on_both_sides_by_itself_keeps_one_in_training(
    labels: list[frozenset[str]], seed: int, chance: random.Random
) -> None:
    found = [Item(f"s3://images/{index}", names) for index, names in enumerate(labels)]
    try:
        chosen = held_out(found, seed=seed)
    except NotEnoughImages:
        return
    training, test = counts(found, chosen)
    assert set(training) == {label for names in labels for label in names}
    assert chosen == sorted(set(chosen))
    both = set(training) & set(test)
    assert both
    assert 2 * len(both) >= len(training)
    shuffled = found.copy()
    chance.shuffle(shuffled)
    again = held_out(shuffled, seed=seed)
    assert {shuffled[index].key for index in again} == {found[index].key for index in chosen}


@given(st.lists(st.integers(2, 12), min_size=1, max_size=12), st.integers(0, 3))
def test_with_one_label_each_every_label_of_two_images_is_on_both_sides(sizes: list[int], seed: int) -> None:
    found = items(*(chr(ord("a") + label) for label, size in enumerate(sizes) for _ in range(size)))
    training, test = counts(found, held_out(found, seed=seed))
    assert set(training) == set(test) == {label for item in found for label in item.labels}
    assert sum(test.values()) == max(round(sum(sizes) / 5), len(sizes))


def test_the_seed_decides_which() -> None:
    found = items(*["a"] * 50, *["b"] * 50)
    assert held_out(found, seed=1) == held_out(found, seed=1) != held_out(found, seed=2)


def test_copies_of_one_image_stay_together() -> None:
    found = [Item(f"s3://images/{index}", frozenset("ab"[index % 2]), f"{index // 4}") for index in range(80)]
    chosen = held_out(found, seed=5)
    sides = {(found[index].content, index in chosen) for index in range(80)}
    assert len(sides) == 20
    assert len(chosen) == 16


@pytest.mark.parametrize("labels", [[], [""], ["a"], ["", "", ""], ["a", "b", "c"], ["a", "a", "b", "c"]])
def test_too_few_images_for_half_of_the_labels_are_not_distributed(labels: list[str]) -> None:
    with pytest.raises(NotEnoughImages, match="doesn't have enough labeled images to distribute the dataset"):
        held_out(items(*labels), seed=1)


@pytest.mark.parametrize("labels", [["a", "a"], ["a", "a", "b"], ["a", "a", "b", "b", "c"]])
def test_half_of_the_labels_are_enough(labels: list[str]) -> None:
    assert held_out(items(*labels), seed=1)


def test_a_training_splits_off_a_fifth_of_what_can_teach_it() -> None:
    pictures = [entry(image_level(f"i{index}", "cat" if index % 2 else "dog")) for index in range(40)]
    others = [entry(boxes(f"b{index}", "cat")) for index in range(10)]
    chosen = auto_split([*others, *pictures], wanted=Kind.IMAGE_LEVEL, seed=1)
    assert len(chosen) == 8
    assert min(chosen) >= 10
    assert auto_split([*others, *pictures], wanted=Kind.OBJECTS, seed=1) == auto_split(
        others, wanted=Kind.OBJECTS, seed=1
    )


def test_copies_stay_on_one_side_of_a_trainings_split() -> None:
    pictures = [entry(image_level(f"i{index}", "cat" if index % 2 else "dog")) for index in range(40)]
    content = {one.source_ref: str(index // 4) for index, one in enumerate(pictures)}
    chosen = auto_split(pictures, wanted=Kind.IMAGE_LEVEL, seed=1, content=lambda one: content[one.source_ref])
    assert len({content[pictures[index].source_ref] for index in chosen}) * 4 == len(chosen) == 8


def test_a_training_of_too_few_images_cannot_split() -> None:
    with pytest.raises(CannotSplit) as raised:
        auto_split([entry(image_level("a", "cat")), entry(image_level("b", "dog"))], wanted=Kind.IMAGE_LEVEL, seed=1)
    assert raised.value.error is ContentError.INSUFFICIENT_IMAGES_FOR_AUTOSPLIT
