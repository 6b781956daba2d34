"""What every anomaly model must keep to: it repeats, counts its steps, and says of an image what others taught it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest
from rendered_parts import SCRATCH, samples

import relook.vision.models.memory as memory_module
import relook.vision.train as training_module
from relook.vision import mask_views, shipped
from relook.vision.embeddings import Embeddings, project
from relook.vision.features import Extractor
from relook.vision.images import Size
from relook.vision.metrics import auroc
from relook.vision.models import MODELS, Cells, Learned, Model
from relook.vision.models.memory import Memory
from relook.vision.problem import FEWEST_ANOMALIES, Problem, assign_folds
from relook.vision.runtime import native_precision
from relook.vision.samples import Sample, Task
from relook.vision.sifting import Sifted
from relook.vision.turns import Turn
from relook.vision.weights import random_backbone

SIZE, COARSE = Size(112, 144), Size(80, 96)
EXTRACTORS = {size: Extractor(random_backbone(), size, native_precision()) for size in (SIZE, COARSE)}
NORMALS, ANOMALIES = 8, 6
LEADING = 4
"""Values of a descriptor that say by themselves how strange an image is; see `descriptor`."""

pytestmark = pytest.mark.usefixtures("few_steps")


def posed(made: Sequence[Sample], task: Task = Task.CLASSIFICATION, seed: int = 0, planted: bool = False) -> Problem:
    anomalous = np.array([sample.anomalous for sample in made])
    classes = (SCRATCH,) if task is Task.SEGMENTATION else ()
    return Problem(
        made, anomalous, assign_folds(anomalous, seed), np.arange(len(made)), task, classes, seed, planted
    )  # fmt: skip


@cache
def problems() -> dict[str, Problem]:
    normals = samples(0, NORMALS, 0)
    return {
        "labelled": posed(samples(0, NORMALS, ANOMALIES)),
        "masked": posed(samples(0, NORMALS, ANOMALIES, masked=True), Task.SEGMENTATION),
        "turned": replace(posed(samples(0, NORMALS, ANOMALIES)), turns=(Turn(1), Turn(2, mirrored=True))),
        "planted": training_module._problem(normals, Task.CLASSIFICATION, (), 0, Sifted(normals, ())),
    }


CASES = [
    pytest.param(model, problem, id=f"{model.name}, {name}")
    for name, problem in problems().items()
    for model in MODELS
    if model.usable(problem)
]


@dataclass
class Told:
    """What a model learned after the memory bank, as in training, and how often it called its step."""

    learned: Learned
    cells: Cells
    steps: int


def embedded(problem: Problem, size: Size) -> Embeddings:
    extractor = EXTRACTORS[size]
    return Embeddings(problem.samples, extractor, project(problem.samples, problem.normal, extractor, 0))


@cache
def embedded_once(name: str, size: Size) -> Embeddings:
    return embedded(problems()[name], size)


def cells_of(problem: Problem, size: Size, coarse: Cells | None = None, again: bool = False) -> Cells:
    """`again`: with embeddings of before, where it is what models make of them that is looked at."""
    embeddings = embedded_once(name_of(problem), size) if again else embedded(problem, size)
    weight = np.random.default_rng(0).uniform(0.5, 1, embeddings.grid.height * embeddings.grid.width)
    return Cells(problem, embeddings, weight.astype(np.float32), coarse=coarse)


def told(model: Model, problem: Problem, coarse: bool = False, again: bool = False) -> Told:
    rough = cells_of(problem, COARSE, again=again) if coarse else None
    if rough is not None:
        Memory().learn(rough, lambda: None)
    cells = cells_of(problem, SIZE, rough, again)
    if model.name != Memory().name:
        Memory().learn(cells, lambda: None)
    counted: list[None] = []
    learned = model.learn(cells, lambda: counted.append(None))
    return Told(learned, cells, len(counted))


@cache
def once(model: Model, name: str) -> Told:
    return told(model, problems()[name], coarse=True, again=True)


def name_of(problem: Problem) -> str:
    return next(name for name, each in problems().items() if each is problem)


def kept(model: Model, problem: Problem) -> Told:
    return once(model, name_of(problem))


def parts(learned: Learned) -> list[npt.NDArray[np.generic]]:
    arrays: list[npt.NDArray[np.generic]] = [learned.values]
    if learned.bank is not None:
        arrays += [learned.bank.rows, learned.bank.source]
    if learned.head is not None:
        arrays += [*learned.head.weights, *learned.head.biases]
    return arrays


def test_places_keep_their_weight_where_an_image_is_mirrored() -> None:
    problem = problems()["masked"]
    cells = told(Memory(), problem, again=True).cells
    bank, weight = cells.others(1)
    plane = weight.reshape(cells.grid.height, cells.grid.width)
    for flip, view, _ in cells.mirrored(1, mask_views.FLIPS):
        unweighted, _ = bank.nearest(view.embedding)
        assert view.distance == pytest.approx(unweighted * flip.apply(plane).ravel(), rel=1e-5)
        assert view.distance != pytest.approx(unweighted * weight, rel=1e-2)


@pytest.mark.parametrize(("model", "problem"), CASES)
def test_the_same_problem_gives_the_same_bytes(model: Model, problem: Problem) -> None:
    first, again = parts(kept(model, problem).learned), parts(told(model, problem, coarse=True).learned)
    assert [part.tobytes() for part in first] == [part.tobytes() for part in again]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(("model", "problem"), CASES)
def test_the_number_of_threads_changes_nothing(
    model: Model, problem: Problem, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = kept(model, problem)
    for module in (memory_module, mask_views):
        monkeypatch.setattr(module, "threads", lambda: threads)
    found = told(model, problem, coarse=True, again=True)
    assert [part.tobytes() for part in parts(found.learned)] == [part.tobytes() for part in parts(expected.learned)]
    assert np.array_equal(np.stack(found.cells.distances), np.stack(expected.cells.distances))


@pytest.mark.parametrize(("model", "problem"), CASES)
def test_a_step_that_raises_leaves_no_thread(model: Model, problem: Problem) -> None:
    class Cancelled(Exception):
        pass

    cells = cells_of(problem, COARSE)
    if model.name != Memory().name:
        Memory().learn(cells, lambda: None)
    steps = iter(range(model.steps(problem) - 2))

    def step() -> None:
        if next(steps, None) is None:
            raise Cancelled

    before = set(threading.enumerate())
    with pytest.raises(Cancelled) as raised:
        model.learn(cells, step)
    assert raised.value.__traceback__ is not None  # which holds all that ran
    assert set(threading.enumerate()) == before


@pytest.mark.parametrize(("model", "problem"), CASES)
def test_every_image_gets_finite_held_out_values_that_rank_the_defects(model: Model, problem: Problem) -> None:
    values = kept(model, problem).learned.values
    assert values.dtype == np.float64
    assert values.shape[0] == len(problem.samples)
    assert values.shape[1] >= 1
    assert np.isfinite(values).all()
    best = max(auroc(column, problem.anomalous) or 0 for column in values.T)
    # Random filters hardly see planted defects; a value that is not held out as it should be ranks them near 0 or 1.
    assert 0.3 < best < 0.9 if problem.planted else best > 0.8


@pytest.mark.slow
def test_planted_defects_that_were_never_seen_are_found_with_the_shipped_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As random filters cannot: neither by chance, nor by knowing them."""
    for size in (SIZE, COARSE):
        monkeypatch.setitem(EXTRACTORS, size, Extractor(shipped.backbone(), size, native_precision()))
    normals = samples(0, 20, 0)
    problem = training_module._problem(normals, Task.CLASSIFICATION, (), 0, Sifted(normals, ()))
    for model in MODELS:
        if model.usable(problem):
            values = told(model, problem, coarse=True).learned.values
            best = max(auroc(column, problem.anomalous) or 0 for column in values[:, :LEADING].T)
            assert 0.65 < best < 0.97, model.name


@pytest.mark.parametrize(("model", "problem"), CASES)
@pytest.mark.parametrize("coarse", [False, True])
def test_steps_are_counted_as_announced(model: Model, problem: Problem, coarse: bool) -> None:
    found = kept(model, problem) if coarse else told(model, problem, again=True)
    assert found.steps == model.steps(problem) > 0


@pytest.mark.parametrize(("model", "problem"), CASES)
def test_what_serving_needs_is_there(model: Model, problem: Problem) -> None:
    found = kept(model, problem)
    learned, dims = found.learned, dims_of(found)
    assert (learned.bank is None) != (learned.head is None)
    assert (learned.overlap is not None) == (learned.head is not None and problem.task is Task.SEGMENTATION)
    if learned.bank is not None:
        assert learned.bank.rows.shape == (len(learned.bank.source), dims)
        assert set(learned.bank.source) <= set(problem.normal.tolist())
    if learned.head is not None:
        assert learned.head.coarse
        assert learned.head.weights[0].shape[0] == 4 * dims + 2
        assert learned.head.weights[-1].shape[1] == 1 + max(1, len(problem.classes))
        assert learned.values.shape[1] == 1


def dims_of(found: Told) -> int:
    return next(found.cells.embeddings.each([0]))[1].shape[1]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_each_model_is_tried_here(model: Model) -> None:
    assert any(model.usable(problem) for problem in problems().values())


def test_at_most_one_head_learns_for_a_problem_and_the_memory_comes_first() -> None:
    for problem in problems().values():
        usable = [model for model in MODELS if model.usable(problem)]
        assert usable[0].name == Memory().name
        assert len(usable) == 2


def test_few_anomalies_teach_no_head_without_masks_and_one_mask_does() -> None:
    few = samples(0, NORMALS, FEWEST_ANOMALIES - 1)
    assert [model.name for model in MODELS if model.usable(posed(few))] == [Memory().name]
    masked = samples(0, NORMALS, 1, masked=True)
    assert sum(model.usable(posed(masked, Task.SEGMENTATION)) for model in MODELS) == 2
    assert not any(model.usable(posed(samples(0, 1, 0))) for model in MODELS)


def test_model_names_are_unique() -> None:
    assert len({model.name for model in MODELS}) == len(MODELS)


def test_an_images_own_patches_do_not_lower_its_distance() -> None:
    """A defect labelled normal is as far from the other normals as when it is labelled right."""
    wrong = NORMALS
    made = samples(0, NORMALS, ANOMALIES)
    problem = posed(made)
    mistaken = [*made[:NORMALS], replace(made[wrong], anomalous=False), *made[wrong + 1 :]]
    right, misled = kept(Memory(), problems()["labelled"]), told(Memory(), posed(mistaken))
    assert misled.learned.bank is not None
    assert (misled.learned.bank.source == wrong).any()
    own = [each.cells.distances[wrong] for each in (right, misled)]
    assert own[1].max() > 0.8 * own[0].max()
    normal = [misled.learned.values[at, 0] for at in problem.normal]
    assert misled.learned.values[wrong, 0] > max(normal)


def test_a_memory_knows_turned_copies_but_no_image_by_its_own() -> None:
    plain, turned = (kept(Memory(), problems()[name]) for name in ("labelled", "turned"))
    assert plain.learned.bank is not None
    assert turned.learned.bank is not None
    [lying] = plain.cells.embeddings.turned([(0, Turn(1))])
    banks = (turned.learned.bank, turned.learned.bank.without(0), plain.learned.bank)
    known, held_out, strange = (float(np.median(bank.distances(lying))) for bank in banks)
    assert known < held_out < strange


def test_a_planted_defect_is_not_compared_with_the_image_it_was_made_from() -> None:
    problem = problems()["planted"]
    found = kept(Memory(), problem)
    bank = found.learned.bank
    assert bank is not None
    planted = np.flatnonzero(problem.anomalous)
    assert len(planted) == NORMALS
    embeddings = dict(found.cells.embeddings.each())
    for at in planted.tolist():
        original = int(problem.source[at])
        others = bank.without(original)
        expected = others.distances(embeddings[at])
        level = found.cells.distances[original] / others.distances(embeddings[original])
        assert np.allclose(found.cells.distances[at], expected * level, rtol=1e-5), "the levels are its original's"
        assert not np.allclose(level, found.cells.weight, rtol=1e-3), "which are told by the others"
        assert bank.distances(embeddings[at]).mean() < expected.mean()


def test_a_planted_defect_is_held_out_together_with_the_image_it_was_made_from() -> None:
    problem = problems()["planted"]
    assert np.array_equal(problem.fold, problem.fold[problem.source])
    assert len(np.unique(problem.fold)) == 4


def test_a_heads_value_of_an_image_hangs_on_no_label_of_its_own_fold() -> None:
    """Taking the mask of one image away changes no value in its own fold: its folds' heads never saw it."""
    masked = problems()["masked"]
    head = next(model for model in MODELS if model.usable(masked) and model.name != Memory().name)
    at = NORMALS
    unmasked = [*masked.samples[:at], replace(masked.samples[at], mask=None), *masked.samples[at + 1 :]]
    full, less = kept(head, masked).learned.values, told(head, replace(masked, samples=unmasked), coarse=True)
    mates = masked.fold == masked.fold[at]
    moved = (less.learned.values - full)[:, 0]
    assert np.ptp(moved[mates]) < 0.5 * np.ptp(moved[~mates])
