"""Turned copies of normal images: which turns leave a product alike, and what the memory then knows."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from narrow_network import narrow_backbone
from PIL import Image, ImageDraw

from relook.vision import artifact, turns, view
from relook.vision.embeddings import Embeddings, Floats, project
from relook.vision.features import Extractor
from relook.vision.images import Size, resize
from relook.vision.models.base import Cells, Learned
from relook.vision.models.memory import Memory
from relook.vision.problem import Problem, assign_folds
from relook.vision.runtime import native_precision
from relook.vision.samples import Sample, Task, TrainingResult
from relook.vision.train import Options, train
from relook.vision.turns import TURNS, Turn, turned_copies

SIZE = Size(96, 128)


def picture(seed: int, quarters: int = 0) -> npt.NDArray[np.uint8]:
    """A hook on a blotchy ground, here and there a little, turned."""
    rng = np.random.default_rng(seed)
    image = Image.new("L", (160, 160), 90)
    draw = ImageDraw.Draw(image)
    x, y = rng.integers(-4, 5, 2).tolist()
    draw.line([(50 + x, 110 + y), (50 + x, 40 + y), (110 + x, 40 + y), (110 + x, 70 + y)], fill=220, width=14)
    blotches = Image.fromarray(rng.normal(0, 10, (10, 10)).astype(np.float32)).resize((160, 160), 2)
    grey = np.asarray(image, np.float32) + np.asarray(blotches) + rng.normal(0, 6, (160, 160))
    whole: npt.NDArray[np.uint8] = np.clip(grey, 0, 255).astype(np.uint8)
    return np.rot90(whole, quarters)


def sample(seed: int, quarters: int) -> Sample:
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture(seed, quarters))).convert("RGB").save(file, "PNG")
    return Sample(f"{seed}.png", file.getvalue, False)


def posed(count: int, anyhow: bool) -> Problem:
    rng = np.random.default_rng(0)
    made = [sample(seed, int(rng.integers(4)) if anyhow else 0) for seed in range(count)]
    labels = np.zeros(count, bool)
    return Problem(made, labels, assign_folds(labels, 0), np.arange(count), Task.CLASSIFICATION, (), 0)


def found(problem: Problem, size: Size = SIZE) -> tuple[Turn, ...]:
    extractor = Extractor(narrow_backbone(), size, native_precision())
    return view.alike(problem, extractor, None, lambda stage, done, total: None)


def test_a_part_that_lies_anyhow_is_alike_when_turned_and_not_when_mirrored() -> None:
    assert found(posed(40, anyhow=True), Size(112, 112)) == (Turn(1), Turn(2), Turn(3))


def test_a_part_that_lies_one_way_is_alike_in_no_other() -> None:
    assert found(posed(20, anyhow=False), Size(112, 112)) == ()


@pytest.mark.parametrize("count", [view.FEWEST_ASKED - 1, turns.MOST_SEEN])
def test_nothing_is_asked_of_too_few_pictures_or_of_enough(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Extractor, "each")  # no image is looked at
    assert found(posed(count, anyhow=True)) == ()


def test_copies_of_a_picture_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Extractor, "each")  # no image is looked at
    problem = posed(8, anyhow=True)
    assert found(replace(problem, source=np.zeros(8, np.int64))) == ()


@pytest.mark.parametrize("turn", TURNS)
def test_turned_patches_are_those_of_the_turned_picture(turn: Turn) -> None:
    extractor = Extractor(narrow_backbone(), SIZE, native_precision())
    samples = [sample(seed, 0) for seed in range(2)]
    projection = project(samples, np.arange(2), extractor, 0)
    [patches] = Embeddings(samples, extractor, projection).turned([(1, turn)])
    shrunk = resize(np.asarray(Image.fromarray(picture(1)).convert("RGB")), SIZE)
    other = Extractor(narrow_backbone(), Size(128, 96) if turn.sideways else SIZE, native_precision())
    [expected] = other.each([turn.apply(shrunk)])
    np.testing.assert_array_equal(patches, expected @ projection.weight + projection.bias)


def test_a_turn_is_anticlockwise_after_mirroring() -> None:
    grid = np.array([[1, 2], [3, 4]])
    assert Turn(1).apply(grid).tolist() == [[2, 4], [1, 3]]
    assert Turn(1, mirrored=True).apply(grid).tolist() == [[1, 3], [2, 4]]
    assert [str(turn) for turn in (Turn(1), Turn(0, mirrored=True), Turn(2, mirrored=True))] == [
        "turned by 90 degrees",
        "mirrored",
        "mirrored and turned by 180 degrees",
    ]


def test_copies_fill_what_is_left_of_the_room_and_each_is_there_once() -> None:
    few, many = np.arange(0, 20, 2), np.arange(turns.MOST_SEEN - 5)
    assert len(turned_copies(few, TURNS, 0)) == 70
    chosen = turned_copies(many, TURNS, 0)
    assert len(set(chosen)) == len(chosen) == 5
    assert chosen == turned_copies(many, TURNS, 0) != turned_copies(many, TURNS, 1)
    assert [turn.sideways for _, turn in turned_copies(few, TURNS, 0)] == [False] * 30 + [True] * 40
    assert turned_copies(np.arange(turns.MOST_SEEN + 1), TURNS, 0) == []


def test_of_copies_of_a_picture_one_is_turned_and_the_memory_leaves_all_out_together() -> None:
    problem = replace(posed(6, anyhow=True), source=np.array([0, 1, 0, 3, 3, 5]), turns=(Turn(2),))
    assert problem.distinct.tolist() == [0, 1, 3, 5]
    assert problem.turned == [(at, Turn(2)) for at in (0, 1, 3, 5)]


def trained(normals: Sequence[Sample], output: Path) -> TrainingResult:
    return train(
        normals,
        [],
        task=Task.CLASSIFICATION,
        classes=(),
        backbone=narrow_backbone(),
        output=output,
        seed=0,
        progress=lambda stage, done, total: None,
        options=Options(long_sides=(112,)),
    )


def test_training_learns_turned_copies_of_a_part_that_lies_anyhow_and_says_so(
    few_steps: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[tuple[int, Turn]] = []
    turned = Embeddings.turned

    def watched(self: Embeddings, pairs: Sequence[tuple[int, Turn]]) -> Iterator[Floats]:
        shown.extend(pairs)
        return turned(self, pairs)

    monkeypatch.setattr(Embeddings, "turned", watched)
    result = trained(posed(24, anyhow=True).samples, tmp_path)
    quarters = (Turn(1), Turn(2), Turn(3))
    assert {turn for _, turn in shown[: -3 * 24]} == set(TURNS)
    assert set(shown[-3 * 24 :]) == {(at, turn) for at in range(24) for turn in quarters}
    [note] = [each for each in result.notes if "such copies" in each]
    assert "turned by 90 degrees, turned by 180 degrees, turned by 270 degrees" in note
    record = artifact.read(tmp_path)[1].record
    assert record["turns"] == ["turned by 90 degrees", "turned by 180 degrees", "turned by 270 degrees"]


def test_a_suspect_is_learned_from_as_it_lies_alone(
    few_steps: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A defect labelled normal by mistake would make eight of its kind look normal."""
    spot = Image.fromarray(picture(24)).convert("RGB")
    ImageDraw.Draw(spot).ellipse((66, 96, 94, 124), fill=(255, 0, 0))
    file = io.BytesIO()
    spot.save(file, "PNG")
    samples = [*posed(24, anyhow=True).samples, Sample("spot.png", file.getvalue, False)]
    problems: list[Problem] = []
    learn = Memory.learn

    def watched(self: Memory, cells: Cells, step: Callable[[], None]) -> Learned:
        problems.append(cells.problem)
        return learn(self, cells, step)

    monkeypatch.setattr(Memory, "learn", watched)
    result = trained(samples, tmp_path)
    [problem] = problems
    assert 24 in problem.distinct
    assert len(problem.turned) >= 3 * 20
    assert 24 not in {at for at, _ in problem.turned}
    [note] = [each for each in result.notes if "such copies" in each]
    assert "but not of those that look unlike the others: " in note
    assert "spot.png" in note
