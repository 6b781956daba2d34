"""What a limit on the time of an answer leaves out, and what is served all the same."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
from rendered_parts import SCRATCH, ignore, samples

from relook.vision import answer_time, artifact
from relook.vision.answer_time import AnswerTime
from relook.vision.backbones import Backbone
from relook.vision.candidates import Candidate
from relook.vision.images import Size
from relook.vision.predict import Predictor
from relook.vision.problem import Problem
from relook.vision.runtime import native_precision
from relook.vision.samples import Sample, Task, TrainingResult
from relook.vision.train import Options, train
from relook.vision.weights import random_backbone

BACKBONE = random_backbone()
SMALL, MIDDLE, LARGE = Size(80, 96), Size(112, 128), Size(144, 176)
SIDES = (96, 128, 176)

pytestmark = pytest.mark.usefixtures("few_steps")


def fit(
    output: Path, milliseconds: float, backbone: Backbone = BACKBONE, anomalies: int = 12, masked: bool = False
) -> TrainingResult:
    task, classes = (Task.SEGMENTATION, (SCRATCH,)) if masked else (Task.CLASSIFICATION, ())
    options = Options(long_sides=SIDES, milliseconds=milliseconds)
    return train(
        samples(0, 16, anomalies, masked), samples(100, 4, 4, masked), task=task, classes=classes, backbone=backbone,
        output=output, seed=1, progress=ignore, options=options,
    )  # fmt: skip


def views(result: TrainingResult) -> list[Size]:
    return [view.size for view in artifact.read(result.artifact)[1].views]


def timed(patch: pytest.MonkeyPatch, sizes: dict[Size, float], extra: float = 0.0) -> None:
    """Have a look at each size take so many milliseconds, a candidate the sum of its sizes and `extra` for a head, and
    reading nothing."""

    def looking(self: AnswerTime, size: Size, rows: int, sample: Sample) -> float:
        return sizes[size]

    def answering(self: AnswerTime, candidate: Candidate, problem: Problem) -> float:
        return sum(sizes[each.size] + (extra if each.head is not None else 0.0) for each in candidate.views)

    patch.setattr(AnswerTime, "_looking", looking)
    patch.setattr(AnswerTime, "_answering", answering)
    patch.setattr(answer_time, "_quickest", lambda work: 0.0)


def of_time(notes: Sequence[str]) -> list[str]:
    return [each for each in notes if "anomaly_milliseconds" in each]


def test_without_a_limit_nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(work: object) -> float:
        raise AssertionError("something was measured")

    monkeypatch.setattr(answer_time, "_quickest", never)
    answers = AnswerTime(BACKBONE, native_precision(), math.inf)
    assert answers.sizes([SMALL, LARGE], 100, samples(0, 1, 0)[0]) == ([SMALL, LARGE], [])
    assert answers.candidates([], None) == ([], [])  # type: ignore[arg-type]


def test_a_size_has_to_answer_in_time_together_with_the_smallest(monkeypatch: pytest.MonkeyPatch) -> None:
    timed(monkeypatch, {SMALL: 10.0, MIDDLE: 20.0, LARGE: 30.0})
    [sample] = samples(0, 1, 0)
    for limit, wanted in ((40.0, [SMALL, MIDDLE, LARGE]), (39.0, [SMALL, MIDDLE]), (29.0, [SMALL]), (1.0, [SMALL])):
        found, notes = AnswerTime(BACKBONE, native_precision(), limit).sizes([SMALL, MIDDLE, LARGE], 100, sample)
        assert found == wanted
        assert bool(notes) == (LARGE not in wanted)
        for note in notes:
            assert f"above {wanted[-1].width}x{wanted[-1].height} were not tried" in note
            assert f"{limit:g} milliseconds" in note


def test_a_limit_that_everything_keeps_changes_nothing(tmp_path: Path) -> None:
    free, limited = fit(tmp_path / "free", math.inf), fit(tmp_path / "limited", 1e6)
    assert not of_time(limited.notes)
    assert (limited.artifact / artifact.GRAPH).read_bytes() == (free.artifact / artifact.GRAPH).read_bytes()
    assert limited.notes == free.notes


def test_where_nothing_answers_in_time_the_quickest_is_served_and_said(tmp_path: Path) -> None:
    found = fit(tmp_path, 1e-3)
    assert len(views(found)) == 1
    assert views(found) == [SMALL]
    above, quickest = sorted(of_time(found.notes), reverse=True)
    assert "Working sizes above 96x80 were not tried" in above
    assert "No candidate answers within the 0.001 milliseconds" in quickest
    assert Predictor.load(found.artifact).predict(samples(0, 1, 0)[0].load()).threshold == pytest.approx(
        artifact.read(found.artifact)[1].threshold
    )


def test_from_normals_alone_the_smallest_goes_with_the_largest_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed(monkeypatch, {SMALL: 10.0, MIDDLE: 20.0, LARGE: 30.0}, extra=50.0)
    found = fit(tmp_path, 35.0, anomalies=0)
    assert views(found) == [SMALL, MIDDLE]
    above, candidates = sorted(of_time(found.notes), reverse=True)
    assert "above 128x112" in above
    assert "candidates out" in candidates


def test_masks_need_a_head_even_where_no_head_answers_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    timed(monkeypatch, {SMALL: 10.0, MIDDLE: 20.0, LARGE: 30.0}, extra=50.0)
    found = fit(tmp_path, 35.0, masked=True)
    assert views(found) == [SMALL, MIDDLE]
    assert any("the quickest was taken" in each for each in of_time(found.notes))
    assert Predictor.load(found.artifact).predict(samples(0, 0, 1, masked=True)[0].load()).mask_png is not None


def test_an_answer_is_measured_with_its_masks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []

    class Watched(Predictor):
        def predict(self, image: bytes) -> object:  # type: ignore[override]
            found = super().predict(image)
            drawn.append(found.mask_png)
            return found

    monkeypatch.setattr(answer_time, "Predictor", Watched)
    fit(tmp_path, 1e6, masked=True)
    assert drawn
    assert all(mask is not None for mask in drawn)
