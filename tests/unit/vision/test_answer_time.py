"""What a limit on the time of an answer leaves out, and what is served all the same."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
from narrow_network import narrow_backbone
from rendered_parts import SCRATCH, ignore, samples

import relook.vision.train as training_module
from relook.vision import answer_time, artifact
from relook.vision.answer_time import AnswerTime
from relook.vision.backbones import Backbone
from relook.vision.images import Size
from relook.vision.predict import Predictor
from relook.vision.problem import Problem
from relook.vision.runtime import native_precision
from relook.vision.samples import Task, TrainingResult
from relook.vision.score import Score
from relook.vision.sifting import Sifted
from relook.vision.train import Options, train
from relook.vision.view import View

BACKBONE = narrow_backbone()
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
    """Have an answer take the sum of these milliseconds, and `extra` for a head."""

    def answering(self: AnswerTime, views: Sequence[View], score: Score, problem: Problem) -> float:
        return sum(sizes[each.size] + (extra if each.head is not None else 0.0) for each in views)

    patch.setattr(AnswerTime, "_answering", answering)


def asked(milliseconds: float) -> AnswerTime:
    return AnswerTime(BACKBONE, native_precision(), milliseconds, ignore)


def of_time(notes: Sequence[str]) -> list[str]:
    return [each for each in notes if "anomaly_milliseconds" in each]


def posed(anomalies: int, masked: bool = False) -> Problem:
    task, classes = (Task.SEGMENTATION, (SCRATCH,)) if masked else (Task.CLASSIFICATION, ())
    made = samples(0, 16, anomalies, masked)
    return training_module._problem(made, task, classes, 1, Sifted(made, ()))


def test_without_a_limit_nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(work: object) -> float:
        raise AssertionError("something was measured")

    monkeypatch.setattr(answer_time, "_quickest", never)
    assert asked(math.inf).sizes([SMALL, LARGE], posed(12)) == ([SMALL, LARGE], [])
    assert asked(math.inf).candidates([], posed(12)) == ([], [])


@pytest.mark.parametrize(
    ("limit", "alone", "together", "masked"),
    [(46.0, LARGE, LARGE, LARGE), (44.0, LARGE, LARGE, MIDDLE), (39.0, LARGE, MIDDLE, MIDDLE),
     (34.0, LARGE, MIDDLE, SMALL), (29.0, MIDDLE, SMALL, SMALL), (1.0, SMALL, SMALL, SMALL)],
)  # fmt: skip
def test_what_is_served_together_has_to_answer_in_time(
    limit: float, alone: Size, together: Size, masked: Size, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed(monkeypatch, {SMALL: 10.0, MIDDLE: 20.0, LARGE: 30.0}, extra=5.0)
    for problem, largest in ((posed(12), alone), (posed(0), together), (posed(12, masked=True), masked)):
        found, notes = asked(limit).sizes([SMALL, MIDDLE, LARGE], problem)
        assert found[-1] == largest
        assert bool(notes) == (largest != LARGE)
        for note in notes:
            assert f"above {largest.width}x{largest.height} were not tried" in note
            assert f"{limit:g} milliseconds" in note
            assert ("together with 96x80" in note) == (problem.planted or problem.task is Task.SEGMENTATION)


@pytest.mark.parametrize(("anomalies", "masked"), [(12, False), (0, False), (12, True)])
def test_larger_sizes_are_measured_with_what_is_served(anomalies: int, masked: bool) -> None:
    """For real: every size answers within an hour."""
    assert asked(3_600_000).sizes([SMALL, LARGE], posed(anomalies, masked)) == ([SMALL, LARGE], [])


@pytest.mark.parametrize(("limit", "largest"), [(71.0, LARGE), (69.0, MIDDLE), (39.0, SMALL)])
def test_beside_a_size_that_no_head_learns_at_there_is_the_heads(
    limit: float, largest: Size, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relook.vision.looking.HEAD_LONG_SIDE", MIDDLE.width)
    timed(monkeypatch, {SMALL: 10.0, MIDDLE: 20.0, LARGE: 30.0}, extra=10.0)
    found, notes = asked(limit).sizes([SMALL, MIDDLE, LARGE], posed(12, masked=True))
    assert found[-1] == largest
    wanted = {LARGE: [], MIDDLE: [True], SMALL: [False]}[largest]
    assert ["together with 96x80 and 128x112" in note for note in notes] == wanted


def test_where_no_head_learns_but_at_the_smallest_size_it_is_measured_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relook.vision.looking.HEAD_LONG_SIDE", SMALL.width)
    assert asked(3_600_000).sizes([SMALL, LARGE], posed(12, masked=True)) == ([SMALL, LARGE], [])


def test_noise_does_not_leave_a_head_alone_where_a_plain_view_would_be_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed(monkeypatch, {SMALL: 10.0, MIDDLE: 20.0, LARGE: 30.0}, extra=-1.0)
    found = fit(tmp_path, 9.5, anomalies=0)
    assert views(found) == [SMALL]
    assert not any(view.head for view in artifact.read(found.artifact)[1].views)


def test_distances_alone_stay_a_choice_where_their_candidate_is_too_slow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without them a score that learned from labels like noise would be served."""
    timed(monkeypatch, {SMALL: 10.0, MIDDLE: 20.0, LARGE: 30.0})
    monkeypatch.setattr(training_module, "by_chance", lambda labels: 1.1)
    found = fit(tmp_path, 35.0)
    assert views(found) == [LARGE]
    assert any("distances from normal images are all that it goes by" in each for each in found.notes)
    assert len([each for each in found.notes if each.startswith("Candidate 176x144 'tail distance'")]) == 1


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
    assert artifact.read(found.artifact)[1].record["answer_milliseconds"] == 1e-3
    assert 0 < Predictor.load(found.artifact).predict(samples(0, 1, 0)[0].load()).score < 1


def test_from_normals_alone_the_smallest_goes_with_the_largest_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed(monkeypatch, {SMALL: 10.0, MIDDLE: 20.0, LARGE: 30.0}, extra=50.0)
    found = fit(tmp_path, 35.0, anomalies=0)
    assert views(found) == [SMALL, MIDDLE]
    above, candidates = sorted(of_time(found.notes), reverse=True)
    assert "above 128x112" in above
    assert "candidates out" in candidates


def test_masks_take_the_smallest_size_where_a_head_has_no_time_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed(monkeypatch, {SMALL: 10.0, MIDDLE: 20.0, LARGE: 30.0}, extra=50.0)
    found = fit(tmp_path, 65.0, masked=True)
    assert views(found) == [SMALL]
    [above] = of_time(found.notes)
    assert "above 96x80 were not tried" in above
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
