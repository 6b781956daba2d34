from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relook.core.splits import held_out, stratified_split

Item = tuple[str, str]
ITEMS = st.lists(st.tuples(st.sampled_from(["normal", "anomaly"]), st.text("abc", max_size=4)), max_size=80)


def split(items: list[Item], seed: int = 1) -> tuple[list[Item], list[Item]]:
    found = stratified_split(items, stratum=lambda item: item[0], content=lambda item: item[1], seed=seed)
    return list(found.training), list(found.test)


@pytest.mark.parametrize(
    ("images", "expected"), [(0, 0), (1, 0), (2, 1), (10, 5), (20, 10), (31, 10), (50, 10), (100, 20), (16000, 3200)]
)
def test_a_fifth_at_least_ten_at_most_half(images: int, expected: int) -> None:
    assert held_out(images) == expected


def unique(normal: int, anomaly: int) -> list[Item]:
    return [("normal", f"n{i}") for i in range(normal)] + [("anomaly", f"a{i}") for i in range(anomaly)]


@given(st.integers(0, 120), st.integers(0, 120), st.integers())
def test_distinct_images_are_split_by_stratum_in_the_exact_share(normal: int, anomaly: int, seed: int) -> None:
    items = unique(normal, anomaly)
    training, test = split(items, seed)
    assert sorted(training + test) == sorted(items)
    assert [item for item in items if item in set(test)] == test
    for label, count in (("normal", normal), ("anomaly", anomaly)):
        assert sum(item[0] == label for item in test) == held_out(count)


@given(ITEMS, st.integers(), st.randoms(use_true_random=False))
def test_the_split_does_not_depend_on_the_order(items: list[Item], seed: int, shuffle: random.Random) -> None:
    shuffled = items.copy()
    shuffle.shuffle(shuffled)
    assert [sorted(part) for part in split(items, seed)] == [sorted(part) for part in split(shuffled, seed)]


@given(ITEMS, st.integers())
def test_copies_of_an_image_stay_on_one_side(items: list[Item], seed: int) -> None:
    training, test = split(items, seed)
    assert not set(training) & set(test)
    assert len(training) + len(test) == len(items)


def test_another_seed_is_another_split() -> None:
    assert split(unique(100, 100), 1) != split(unique(100, 100), 2)
