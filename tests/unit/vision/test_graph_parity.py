"""What training computes with numpy and what the served graph computes are the same numbers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from rendered_parts import part

from relook.vision import graph, mask_net, memory_bank, runtime
from relook.vision.features import Extractor
from relook.vision.graph_names import DISTANCE, IMAGE, LOGITS, PATCHES, RESIDUAL, numbered
from relook.vision.images import Size, resize
from relook.vision.mask_net import CellView
from relook.vision.weights import random_backbone

BACKBONE = random_backbone()
WHOLE_PART, WITH_REMAINDER, TWO_PARTS_AND_MORE = Size(128, 128), Size(96, 128), Size(160, 224)
CELLS = {WHOLE_PART: 256, WITH_REMAINDER: 192, TWO_PARTS_AND_MORE: 560}
PRECISIONS = sorted({runtime.Precision.F32, runtime.native_precision()})
DIMS = 24

Floats = npt.NDArray[np.float32]


class Learned:
    """One view as training would make it of two normal images, and what numpy says of a third.

    Its head, where it has one, looks at `coarse` too.
    """

    def __init__(self, size: Size, precision: runtime.Precision, head: bool, coarse: Learned | None = None) -> None:
        pixels = [np.asarray(part(seed, seed == 2)[0]) for seed in range(3)]
        extractor = Extractor(BACKBONE, size, precision)
        found = list(extractor.each(pixels))
        cells = extractor.grid.height * extractor.grid.width
        assert cells == CELLS[size]
        rng = np.random.default_rng(cells)
        projection = memory_bank.fit_projection(np.concatenate([found[0], found[1]]), dims=DIMS)
        embeddings = [found[at] @ projection.weight + projection.bias for at in range(3)]
        bank = memory_bank.greedy_coreset(np.concatenate(embeddings[:2]), np.repeat([0, 1], cells), 60, rng)
        weight = rng.uniform(0.25, 1, cells).astype(np.float32)
        self.image = resize(pixels[2], size)[None]
        self.patches = found[2]
        self.distance, self.residual = bank.nearest(embeddings[2], weight)
        self.seen = CellView(embeddings[2], self.distance, extractor.grid)
        net = drawn_net(rng, coarse is not None) if head else None
        self.logits = net and mask_net.apply(net, mask_net.inputs(self.seen, coarse.seen if coarse else None))
        self.view = graph.View(size, projection, bank.rows, weight, net)


def drawn_net(rng: np.random.Generator, coarse: bool) -> graph.CellNet:
    """Two hidden layers and three classes, no weight of them trained."""
    sides = ((3 + coarse) * DIMS + 1 + coarse, 8, 6, 3)
    shapes = list(pairwise(sides))
    return graph.CellNet(
        tuple(rng.normal(0, 0.3, shape).astype(np.float32) for shape in shapes),
        tuple(rng.normal(0, 0.3, width).astype(np.float32) for _, width in shapes),
        coarse,
    )


def served(views: Sequence[Learned], precision: runtime.Precision) -> dict[str, Floats]:
    """Patches and outputs of the exported graph, cut in two as serving cuts it."""
    model = graph.full_model(BACKBONE, [each.view for each in views]).SerializeToString()
    first, second = runtime.split(runtime.read(model))
    images: dict[str, Any] = {numbered(IMAGE, at): each.image for at, each in enumerate(views)}
    patches = runtime.compile_model(first, precision)(images)
    named = {numbered(PATCHES, at): patches[numbered(PATCHES, at)] for at in range(len(views))}
    outputs = runtime.compile_model(second, runtime.Precision.F32)(named)
    return named | {name: outputs[name] for out in second.outputs for name in out.get_names()}


def check(each: Learned, at: int, found: dict[str, Floats]) -> None:
    assert np.array_equal(found[numbered(PATCHES, at)], each.patches)
    assert np.allclose(found[numbered(DISTANCE, at)], each.distance, rtol=1e-3, atol=1e-3)
    assert np.allclose(np.sort(found[numbered(RESIDUAL, at)], 0), np.sort(each.residual, 0), atol=1e-3)
    if each.logits is None:
        assert numbered(LOGITS, at) not in found
    else:
        assert np.allclose(found[numbered(LOGITS, at)], each.logits, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("size", CELLS, ids=lambda size: f"{CELLS[size]} cells")
def test_patches_distances_residuals_and_logits_agree(size: Size, precision: runtime.Precision) -> None:
    learned = Learned(size, precision, head=True)
    check(learned, 0, served([learned], precision))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_views_of_one_graph_agree_each_with_its_own(precision: runtime.Precision) -> None:
    views = [Learned(TWO_PARTS_AND_MORE, precision, head=False), Learned(WITH_REMAINDER, precision, head=True)]
    found = served(views, precision)
    for at, each in enumerate(views):
        check(each, at, found)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_head_that_looks_at_the_first_view_too_agrees(precision: runtime.Precision) -> None:
    first, last = Learned(WITH_REMAINDER, precision, head=True), Learned(WHOLE_PART, precision, head=False)
    headed = Learned(TWO_PARTS_AND_MORE, precision, head=True, coarse=first)
    found = served([first, headed, last], precision)
    for at, each in enumerate((first, headed, last)):
        check(each, at, found)


def test_the_sizes_tried_here_cover_a_whole_part_several_and_a_remainder() -> None:
    parts = {cells: divmod(cells, graph.ROWS_AT_ONCE) for cells in CELLS.values()}
    assert parts == {256: (1, 0), 192: (0, 192), 560: (2, 48)}


def test_weights_move_the_worst_patches_not_their_residuals() -> None:
    rng = np.random.default_rng(2)
    bank = memory_bank.MemoryBank(rng.normal(size=(30, 8)).astype(np.float32), np.zeros(30, np.int64))
    embeddings = rng.normal(size=(200, 8)).astype(np.float32)
    plain, _ = bank.nearest(embeddings)
    weight = np.ones(200, np.float32)
    weight[int(plain.argmax())] = 0.01
    weighted, residual = bank.nearest(embeddings, weight)
    assert np.allclose(weighted, plain * weight)
    expected = np.sort(weighted)[::-1][: len(residual)]
    assert np.allclose(np.linalg.norm(residual, axis=1), expected, rtol=1e-4)
    assert plain.argmax() not in np.argsort(-weighted)[: len(residual)]


def test_the_coreset_covers_better_than_chance() -> None:
    rng = np.random.default_rng(0)
    patches = np.concatenate([rng.normal(0, 0.1, (500, 8)), rng.normal(0, 5, (20, 8))]).astype(np.float32)
    source = np.arange(520)
    bank = memory_bank.greedy_coreset(patches, source, 40, np.random.default_rng(1))
    chance = memory_bank.MemoryBank(patches[:40], source[:40])
    assert len(bank.rows) == 40
    assert bank.nearest(patches)[0].max() < chance.nearest(patches)[0].max() / 2
    assert (bank.without(510).source != 510).all()


def test_held_out_normals_lie_as_far_away_as_new_ones() -> None:
    """A coreset keeps one of several alike, so leaving out its rows alone would leave holes."""
    rng = np.random.default_rng(3)
    kinds = rng.normal(0, 3, (150, 8))

    def image() -> npt.NDArray[np.float32]:
        return (kinds[rng.integers(len(kinds), size=300)] + rng.normal(0, 0.3, (300, 8))).astype(np.float32)

    normals, new = [image() for _ in range(12)], [image() for _ in range(12)]
    source = np.repeat(np.arange(12), 300)
    bank = memory_bank.greedy_coreset(np.concatenate(normals), source, 300, np.random.default_rng(1))
    assert all((bank.without(at).source != at).all() for at in range(12))
    held_out = float(np.mean([bank.without(at).nearest(each)[0].mean() for at, each in enumerate(normals)]))
    holes = [memory_bank.MemoryBank(bank.rows[bank.source != at], bank.source[bank.source != at]) for at in range(12)]
    naive = float(np.mean([each.nearest(normals[at])[0].mean() for at, each in enumerate(holes)]))
    fresh = float(np.mean([bank.nearest(each)[0].mean() for each in new]))
    assert abs(held_out - fresh) < (naive - fresh) / 3


def test_where_patches_vary_much_held_out_normals_do_not_look_too_usual() -> None:
    """Whatever is nearest to a row that goes would be nearer than new images find anything."""
    rng = np.random.default_rng(4)

    def image() -> npt.NDArray[np.float32]:
        return rng.normal(0, 1, (100, 24)).astype(np.float32)

    normals, new = [image() for _ in range(20)], [image() for _ in range(40)]
    source = np.repeat(np.arange(20), 100)
    bank = memory_bank.greedy_coreset(np.concatenate(normals), source, 200, np.random.default_rng(1))
    assert all(len(bank.without(at).rows) == 200 for at in range(20))
    held_out = float(np.mean([bank.without(at).nearest(each)[0].max() for at, each in enumerate(normals)]))
    fresh = float(np.mean([bank.nearest(each)[0].max() for each in new]))
    inside = float(np.mean([bank.nearest(each)[0].max() for each in normals]))
    assert abs(held_out - fresh) < (fresh - inside) / 3


def test_an_image_is_not_held_out_where_its_memory_is_thin() -> None:
    """A product that lies the same always: where an image's rows go, the others' patches there come in."""
    rng = np.random.default_rng(3)
    places = rng.normal(0, 3, (300, 8))

    def image() -> npt.NDArray[np.float32]:
        return (places + rng.normal(0, 1, (300, 8))).astype(np.float32)

    def strangest(bank: memory_bank.MemoryBank, embeddings: npt.NDArray[np.float32]) -> float:
        return float(np.sort(bank.distances(embeddings))[-15:].mean())

    normals, new = [image() for _ in range(12)], [image() for _ in range(24)]
    source = np.repeat(np.arange(12), 300)
    bank = memory_bank.greedy_coreset(np.concatenate(normals), source, 300, np.random.default_rng(1))
    fresh = [strangest(bank, each) for each in new]
    held_out = [strangest(bank.without(at), each) for at, each in enumerate(normals)]
    assert abs(np.mean(held_out) - np.mean(fresh)) < 2 * np.std(fresh)


def test_copies_of_one_picture_are_near_each_other_whichever_the_bank_took() -> None:
    picture = np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32)
    bank = memory_bank.MemoryBank(picture, np.zeros(50, np.int64))
    assert bank.without(0).nearest(picture)[0].max() < 1e-2
