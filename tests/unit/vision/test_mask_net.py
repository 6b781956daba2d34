"""The mask network learns from mirrored and coarser views, bears masks as they are, and repeats to the byte."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from relook.vision import mask_net, mask_views
from relook.vision.images import Size
from relook.vision.mask_net import CellView
from relook.vision.mask_views import FINER, FLIPPED_IMAGES, FLIPS, MaskViews, Shown, ViewTrial, truth_of
from relook.vision.quiet_openvino import ov

GRID, COARSE = Size(12, 16), Size(6, 8)
PIXELS = (96, 128)
DIMS = 8
IMAGES = 16
FOLD = np.arange(IMAGES) // 4

Floats = npt.NDArray[np.float32]
ClassMap = npt.NDArray[np.uint8]


def _mask(at: int) -> ClassMap:
    """Every other image has a square of a class, the two classes in turn."""
    mask = np.zeros(PIXELS, np.uint8)
    if at % 2:
        top, left = 5 * (at % 8), 6 * (at % 9)
        mask[top : top + 30, left : left + 34] = 1 + at // 2 % 2
    return mask


def _view(at: int, mask: ClassMap, grid: Size) -> CellView:
    """An embedding that tells the class in its first two channels, under noise."""
    rng = np.random.default_rng([at, grid.height])
    shares = truth_of(mask, grid, 2)
    step = shares.shape[0] // grid.height
    cells = shares.astype(np.float32).reshape(grid.height, step, grid.width, step, 2).mean((1, 3)).reshape(-1, 2)
    embedding = rng.normal(0, 0.5, (len(cells), DIMS)).astype(np.float32)
    embedding[:, :2] += 3 * cells
    return CellView(embedding, np.linalg.norm(embedding, axis=1), grid)


def _trial(classes: int, masks: list[ClassMap], coarse: bool = True, skipped: int | None = None) -> ViewTrial:
    defective = np.array([bool(mask.any()) for mask in masks])
    views = MaskViews(defective, FOLD, classes, seed=3)

    def seen(at: int, mask: ClassMap) -> tuple[CellView, CellView | None]:
        return _view(at, mask, GRID), _view(at, mask, COARSE) if coarse else None

    def shown() -> Iterator[Shown]:
        for at, mask in enumerate(masks):
            truth = None if at == skipped else truth_of(mask, GRID, classes)
            yield Shown(at, truth, *seen(at, mask))
            for flip in views.flips(at):
                yield Shown(at, truth, *seen(at + 100, flip.apply(mask)), flip)

    steps: list[None] = []
    views.add(shown(), lambda: steps.append(None))
    assert len(steps) == len(masks)
    return views.run(((at, *seen(at, mask)) for at, mask in enumerate(masks)), lambda: None)


@pytest.fixture
def masks() -> list[ClassMap]:
    return [_mask(at) for at in range(IMAGES)]


def test_a_class_that_nothing_shows_does_not_raise_the_overlap(masks: list[ClassMap]) -> None:
    overlap = _trial(12, masks).overlap
    assert overlap is not None
    assert overlap < 0.9  # ten that are there nowhere would be worth .8 by themselves


def test_a_class_on_one_image_alone_does_not_lower_the_overlap(masks: list[ClassMap]) -> None:
    """Held out, it is asked of a network that has never seen it."""
    common = [np.minimum(mask, 1) for mask in masks]
    other = [*common[:-1], 2 * common[-1]]
    with_it, without = _trial(2, other).overlap, _trial(2, [*common[:-1], 0 * common[-1]]).overlap
    assert with_it is not None
    assert without is not None
    assert with_it > without - 0.1


def test_there_is_no_overlap_of_one_masked_image(masks: list[ClassMap]) -> None:
    assert _trial(2, [masks[at] if at == 3 else 0 * masks[at] for at in range(IMAGES)]).overlap is None


def test_a_mask_without_a_defect_covers_nothing() -> None:
    assert truth_of(np.zeros(PIXELS, np.uint8), GRID, 2).shape == truth_of(np.ones(PIXELS, np.uint8), GRID, 2).shape
    assert not truth_of(np.zeros(PIXELS, np.uint8), GRID, 2).any()


def test_two_classes_are_told_apart_at_pixel_resolution(masks: list[ClassMap]) -> None:
    trial = _trial(2, masks)
    assert trial.overlap is not None
    assert trial.overlap > 0.7
    defective = np.array([bool(mask.any()) for mask in masks])
    assert trial.values[defective].min() > trial.values[~defective].max()


def test_mirrored_views_teach_with_the_mask_mirrored_alike(masks: list[ClassMap]) -> None:
    views = MaskViews(np.array([bool(mask.any()) for mask in masks]), FOLD, 2, seed=3)
    assert views.flips(1) == FLIPS
    assert views.flips(0) == ()
    right, wrong = _overlap_of_flips(masks, True), _overlap_of_flips(masks, False)
    assert right > 0.7 > wrong


def _overlap_of_flips(masks: list[ClassMap], turned: bool) -> float:
    """Taught by mirrored views alone, whose embeddings are of the mirrored mask or wrongly of the plain one."""
    views = MaskViews(np.array([bool(mask.any()) for mask in masks]), FOLD, 2, seed=3)
    for at, mask in enumerate(masks):
        truth, flips = truth_of(mask, GRID, 2), views.flips(at)
        lying = [flip.apply(mask) if turned else mask for flip in flips]
        mirrored = [
            Shown(at, truth, _view(at, each, GRID), None, flip) for each, flip in zip(lying, flips, strict=True)
        ]
        views.add(mirrored or [Shown(at, truth, _view(at, mask, GRID))], lambda: None)
    trial = views.run(((at, _view(at, mask, GRID), None) for at, mask in enumerate(masks)), lambda: None)
    hits = said = 0
    for at, mask in enumerate(masks):
        logits = mask_net.apply(trial.net, mask_net.inputs(_view(at, mask, GRID)))
        named, true = logits.argmax(1) > 0, truth_of(mask, GRID, 2)[1::FINER, 1::FINER].sum(2).ravel() > 0.5
        hits, said = hits + int((named & true).sum()), said + int((named | true).sum())
    return hits / said


def test_the_same_seed_gives_the_same_bytes(masks: list[ClassMap]) -> None:
    first, second = _trial(2, masks), _trial(2, masks)
    pairs = zip((*first.net.weights, *first.net.biases), (*second.net.weights, *second.net.biases), strict=True)
    assert all(one.tobytes() == other.tobytes() for one, other in pairs)
    assert first.values.tobytes() == second.values.tobytes()


@pytest.mark.parametrize("threads", [1, 3])
def test_the_number_of_threads_changes_nothing(
    masks: list[ClassMap], monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    expected = _trial(2, masks)
    monkeypatch.setattr(mask_views, "threads", lambda: threads)
    found = _trial(2, masks)
    assert all(np.array_equal(*pair) for pair in zip(found.net.weights, expected.net.weights, strict=True))
    assert np.array_equal(found.values, expected.values)


@pytest.mark.parametrize("after", [0, 7])  # steps: four folds, one network of all, then the images
def test_a_step_that_raises_ends_the_threads(masks: list[ClassMap], after: int) -> None:
    class Cancelled(Exception):
        pass

    def cancel() -> None:
        raise Cancelled

    views = MaskViews(np.array([bool(mask.any()) for mask in masks]), FOLD, 2, seed=3)
    shown = [Shown(at, truth_of(mask, GRID, 2), _view(at, mask, GRID)) for at, mask in enumerate(masks)]
    before = set(threading.enumerate())
    with pytest.raises(Cancelled) as kept:
        views.add(iter(shown), cancel)
    assert kept.value.__traceback__ is not None  # which holds all that ran
    assert set(threading.enumerate()) == before
    views.add(iter(shown), lambda: None)
    steps = iter(range(after))
    with pytest.raises(Cancelled) as kept:
        views.run(
            ((each.at, each.fine, None) for each in shown), lambda: cancel() if next(steps, None) is None else None, 50
        )
    assert kept.value.__traceback__ is not None
    assert set(threading.enumerate()) == before


def test_a_network_learns_from_its_rows_alone_and_in_so_many_steps() -> None:
    rng = np.random.default_rng(0)
    seen, shares = rng.normal(size=(600, 5)).astype(np.float16), rng.integers(0, 2, (600, 1)).astype(np.float32)
    rows = np.arange(0, 600, 2)
    net = mask_net.fit(seen, shares, rows, seed=1, most_steps=20)
    again = mask_net.fit(seen[rows], shares[rows], np.arange(300), seed=1, most_steps=20)
    longer = mask_net.fit(seen, shares, rows, seed=1, most_steps=21)
    assert all(np.array_equal(*pair) for pair in zip(net.weights, again.weights, strict=True))
    assert not np.array_equal(net.weights[0], longer.weights[0])


def test_a_class_without_a_cell_never_wins_and_an_image_without_a_truth_is_skipped(masks: list[ClassMap]) -> None:
    trial = _trial(3, masks, coarse=False, skipped=3)
    for at, mask in enumerate(masks):
        logits = mask_net.apply(trial.net, mask_net.inputs(_view(at, mask, GRID)))
        assert (logits.argmax(1) != 3).all()
    assert np.isfinite(trial.values).all()


def test_images_whose_network_has_seen_no_defect_are_not_told_by_that(masks: list[ClassMap]) -> None:
    """As where one image alone has a mask: it is held out in its fold."""
    lone = [mask if at == 5 else np.zeros_like(mask) for at, mask in enumerate(masks)]
    values = _trial(2, lone, coarse=False).values
    usual = np.median(values[FOLD != 1])
    assert (values[FOLD == 1] == usual).all()
    assert np.ptp(values) < 10


def test_the_number_of_mirrored_images_is_bounded() -> None:
    count = 40 * FLIPPED_IMAGES
    views = MaskViews(np.ones(count, np.bool_), np.arange(count) % 4, 1, seed=0)
    assert sum(bool(views.flips(at)) for at in range(count)) == FLIPPED_IMAGES


def test_a_mask_with_fewer_pixels_than_the_fine_grid_still_gives_shares() -> None:
    mask = np.zeros((18, 24), np.uint8)
    mask[:9] = 1
    truth = truth_of(mask, GRID, 1)
    assert truth.shape == (12, 16, 1)
    assert truth.mean() == pytest.approx(0.5)


@pytest.mark.parametrize("shape", [(80, 80), (64, 200), (95, 97)])
def test_a_mask_with_fewer_pixels_than_cells_gives_shares_of_nought_or_one(shape: tuple[int, int]) -> None:
    mask = np.zeros(shape, np.uint8)
    mask[: shape[0] // 2] = 1
    truth = truth_of(mask, Size(96, 96), 1)
    assert truth.shape[:2] == (96, 96)
    assert np.isfinite(truth).all()
    assert 0.4 < truth.mean() < 0.6
    assert (truth[:40] == 1).all()
    assert (truth[-40:] == 0).all()


def test_with_many_classes_the_truth_is_less_fine() -> None:
    mask = np.full((400, 400), 7, np.uint8)
    shapes = [truth_of(mask, Size(96, 96), classes).shape for classes in (1, 10, 11, 40, 100)]
    assert shapes == [(384, 384, 1), (384, 384, 10), (288, 288, 11), (192, 192, 40), (96, 96, 100)]


def test_coarser_planes_are_enlarged_as_onnx_does_it() -> None:
    plane = np.random.default_rng(0).normal(size=(5, 7, 3)).astype(np.float32)
    sizes = numpy_helper.from_array(np.array([1, 3, 12, 16], np.int64), "sizes")
    node = helper.make_node("Resize", ["x", "", "", "sizes"], ["y"], mode="linear")
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 5, 7])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, 12, 16])
    model = helper.make_model(
        helper.make_graph([node], "enlarge", [x], [y], [sizes]), opset_imports=[helper.make_opsetid("", 13)]
    )
    onnx.checker.check_model(model)
    core = ov.Core()
    served = core.compile_model(core.read_model(model.SerializeToString()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    expected = served(plane.transpose(2, 0, 1)[None])[0][0].transpose(1, 2, 0)
    assert np.allclose(mask_net.enlarge(plane, GRID), expected, atol=1e-5)
