from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from relook.demo import scene
from relook.demo.pictures import Picture, Truth
from relook.demo.plan import make_plan
from relook.demo.render import DEFECTS, SMALL, Sizes, plate, render_set

FEW = Sizes(normal=2, each_defect=1, unseen_normal=1, unseen_each=1)


def pixels(picture: Picture) -> np.ndarray:
    with Image.open(io.BytesIO(picture.load().data)) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def test_the_same_seed_gives_the_same_bytes() -> None:
    first, second, other = render_set(FEW, seed=3), render_set(FEW, seed=3), render_set(FEW, seed=4)
    for one, two in zip((*first.train, *first.extra), (*second.train, *second.extra), strict=True):
        assert one.load().data == two.load().data
        assert (one.mask.load() if one.mask else b"") == (two.mask.load() if two.mask else b"")
    assert first.train[0].load().data != other.train[0].load().data


def test_no_two_plates_are_alike_and_none_is_seen_twice() -> None:
    pools = render_set(FEW, seed=3)
    everything = [*pools.train, *pools.extra]
    assert len(everything) == FEW.total
    assert len({picture.load().data for picture in everything}) == FEW.total


@pytest.mark.parametrize("defect", DEFECTS)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_mask_covers_what_the_defect_changes_and_little_more(defect: str, seed: int) -> None:
    """Draw the plate with and without its defect: the same grain and noise, so every difference is the defect."""
    with_defect, area = scene.draw(plate(defect, seed))
    without, nothing = scene.draw(plate(None, seed))
    changed = np.abs(with_defect.astype(int) - without.astype(int)).max(axis=2) > 25
    assert not nothing.any()
    assert 30 < area.sum() < 0.05 * area.size
    assert (changed & area).sum() >= 0.8 * changed.sum()
    assert (changed & area).sum() >= 0.2 * area.sum()


def test_masks_are_flat_colours_on_white_at_the_size_of_the_picture() -> None:
    for picture in render_set(FEW).train:
        assert (picture.mask is None) == (picture.truth is Truth.NORMAL)
        if picture.mask:
            with Image.open(io.BytesIO(picture.mask.load())) as mask:
                assert (mask.mode, mask.size) == ("RGB", picture.size)
                colours = {colour for _, colour in mask.getcolors() or ()}
            (colour,) = picture.mask.colours
            assert colours == {(255, 255, 255), tuple(bytes.fromhex(colour[1:]))}


@pytest.mark.parametrize("sizes", [SMALL, Sizes()])
def test_the_sets_satisfy_the_minimums_for_masks(sizes: Sizes, monkeypatch: pytest.MonkeyPatch) -> None:
    blank = np.zeros((scene.HEIGHT, scene.WIDTH, 3), np.uint8), np.ones((scene.HEIGHT, scene.WIDTH), bool)
    monkeypatch.setattr(scene, "draw", lambda part: blank)  # only the counts matter here
    plan = make_plan(render_set(sizes))
    assert set(plan.labels) == set(sizes.defects)
    assert (len(plan.train), plan.test) == (sizes.normal + len(sizes.defects) * sizes.each_defect, ())
    assert len(plan.unseen) == sizes.unseen_normal + len(sizes.defects) * sizes.unseen_each
    assert len(plan.train) + len(plan.unseen) == sizes.total


def test_plates_look_like_lit_metal_on_a_dark_bench() -> None:
    picture = pixels(render_set(FEW).train[0])
    assert picture.shape == (scene.HEIGHT, scene.WIDTH, 3)
    assert picture[:8].mean() < 70
    assert 110 < picture[95:105, 220:240].mean() < 220
