"""What training computes with numpy and what the served graph computes are the same numbers."""

from __future__ import annotations

import numpy as np
import pytest
from rendered_parts import part

from relook.vision import graph, mask_head, memory_bank, runtime
from relook.vision.features import Extractor
from relook.vision.images import Size, resize
from relook.vision.weights import random_backbone

BACKBONE = random_backbone()
SIZE = Size(96, 128)


@pytest.mark.parametrize("precision", [runtime.Precision.F32, runtime.native_precision()])
def test_patches_distances_residuals_and_logits_agree(precision: runtime.Precision) -> None:
    pixels = [np.asarray(part(seed, seed == 2)[0]) for seed in range(3)]
    extractor = Extractor(BACKBONE, SIZE, precision)
    found = list(extractor.each(pixels))
    projection = memory_bank.fit_projection(np.concatenate([found[0], found[1]]), dims=24)
    embeddings = [found[at] @ projection.weight + projection.bias for at in range(3)]
    normal = np.concatenate(embeddings[:2])
    bank = memory_bank.greedy_coreset(normal, np.repeat([0, 1], len(found[0])), 60, np.random.default_rng(0))
    distance, residual = bank.nearest(embeddings[2])
    rng = np.random.default_rng(1)
    shapes = ((3 * 24 + 1, 8), (8,), (8, 3), (3,))
    head = graph.DenseLayers(*(rng.normal(0, 0.3, shape).astype(np.float32) for shape in shapes))
    logits = mask_head.apply(head, mask_head.context(embeddings[2], distance, extractor.grid))

    model = graph.full_model(BACKBONE, SIZE, projection, bank.rows, head)
    first, second = runtime.split(runtime.read(model.SerializeToString()))
    patches = runtime.compile_model(first, precision)(resize(pixels[2], SIZE)[None])[0]
    served = runtime.compile_model(second, runtime.Precision.F32)(patches)
    assert np.array_equal(patches, found[2])
    assert np.allclose(served["distance"], distance, rtol=1e-3, atol=1e-3)
    assert np.allclose(np.sort(served["residual"], 0), np.sort(residual, 0), atol=1e-3)
    assert np.allclose(served["mask_logits"], logits, rtol=1e-3, atol=1e-3)


def test_the_coreset_covers_better_than_chance() -> None:
    rng = np.random.default_rng(0)
    patches = np.concatenate([rng.normal(0, 0.1, (500, 8)), rng.normal(0, 5, (20, 8))]).astype(np.float32)
    source = np.arange(520)
    bank = memory_bank.greedy_coreset(patches, source, 40, np.random.default_rng(1))
    chance = memory_bank.MemoryBank(patches[:40], source[:40])
    assert len(bank.rows) == 40
    assert bank.nearest(patches)[0].max() < chance.nearest(patches)[0].max() / 2
    assert (bank.without(510).source != 510).all()
