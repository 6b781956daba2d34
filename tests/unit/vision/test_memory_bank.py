"""Which patches a memory is picked from."""

from __future__ import annotations

import numpy as np

from relook.vision.embeddings import remember
from relook.vision.memory_bank import remote


def patches(seed: int = 0) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """(10,000, 8): a wide ground, and one in a hundred of a part."""
    rng = np.random.default_rng(seed)
    found = rng.normal(0, 0.1, (10_000, 8))
    found[::100] += rng.normal(0, 3, (100, 8))
    return found.astype(np.float32)


def test_what_lies_far_from_most_is_drawn_first() -> None:
    some = remote(patches(), 1000, np.random.default_rng(0))
    assert (some % 100 == 0).sum() > 85
    assert len(some) == 1000
    assert (np.diff(some) > 0).all()


def test_all_are_taken_where_there_are_no_more_and_equal_ones_may_be_drawn() -> None:
    assert remote(patches(), 10_000, np.random.default_rng(0)).tolist() == list(range(10_000))
    assert len(remote(np.ones((500, 8), np.float32), 100, np.random.default_rng(0))) == 100


def test_where_many_are_equal_some_of_these_are_drawn_too() -> None:
    some = patches()
    some[:5_000] = 0.5
    chosen = remote(some, 2000, np.random.default_rng(0))
    assert 50 < (chosen < 5_000).sum() < 400


def test_the_draw_hangs_on_its_seed_alone() -> None:
    first, again, other = (remote(patches(), 500, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.tolist() == again.tolist() != other.tolist()


def test_a_memory_of_images_with_a_small_part_is_mostly_of_the_part() -> None:
    images = [(at, patches(at)) for at in range(20)]
    bank = remember(iter(images), 20, 400, 0, np.arange(20))
    assert bank.rows.shape == (400, 8)
    assert (np.abs(bank.rows).max(1) > 1).mean() > 0.5
    assert set(bank.source) == set(range(20))
