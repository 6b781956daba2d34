"""The drawn products: every defect has a mask that the engine reads, and no picture is drawn twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bench import products, sets
from bench.drawn.catalogue import PRODUCTS, drawn, plan

DEFECTS = [(product, bad) for product, (_, defects) in PRODUCTS.items() for bad in defects]


@pytest.mark.parametrize(("product", "bad"), DEFECTS, ids=[" ".join(each) for each in DEFECTS])
def test_every_defect_is_seen_and_has_a_mask(product: str, bad: str, tmp_path: Path) -> None:
    sample = products._picture(product, bad, 7, tmp_path)
    assert sample.anomalous
    truth = sets.truth_of(sample, (products.DEFECT,))
    assert truth is not None
    assert truth.shape == (400, 400)
    assert 0 < np.count_nonzero(truth) < 0.5 * truth.size
    assert products._picture(product, bad, 7, tmp_path).load() == sample.load()


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_normal_one_has_none_and_is_always_the_same(product: str, tmp_path: Path) -> None:
    normal = products._picture(product, None, 3, tmp_path)
    assert not normal.anomalous
    assert normal.mask is None
    assert drawn(product, None, 3)[0] == normal.load() != drawn(product, None, 4)[0]


def test_no_picture_is_in_two_sets() -> None:
    for product, (_, defects) in PRODUCTS.items():
        taught = list(plan(product, products.NORMALS, products.LABELLED, products._TRAINING))
        unseen = list(plan(product, products.UNSEEN_NORMALS, products.UNSEEN_ANOMALIES, products._UNSEEN))
        seeds = [seed for _, seed in (*taught, *unseen)]
        assert len(set(seeds)) == len(seeds)
        assert {bad for bad, _ in unseen} == {None, *defects}


def test_a_row_has_all_columns() -> None:
    names = ("auroc", "f1", "alarms", "missed", "pixel_auroc", "pointing_game", "hardest_auroc")
    found = dict.fromkeys((*names, "training_seconds", "milliseconds"), 0.5) | {"hardest": "cut"}
    assert len(products._row("mesh", "ImageNet", products.ALONE, found)) == len(products._COLUMNS)
