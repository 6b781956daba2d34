"""What a training leaves out for want of time, and what it does all the same."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from narrow_network import narrow_backbone
from rendered_parts import SCRATCH, ignore, samples

import relook.vision.looking as looking_module
import relook.vision.train as training_module
from relook.vision import artifact, embeddings, survey, turns
from relook.vision.budget import Budget
from relook.vision.candidates import MARGIN, Candidate
from relook.vision.images import Size
from relook.vision.looking import Looking
from relook.vision.pace import Pace
from relook.vision.problem import Problem
from relook.vision.runtime import native_precision
from relook.vision.samples import Task, TrainingResult
from relook.vision.train import Options, train

BACKBONE = narrow_backbone()
SMALL, LARGE = Size(80, 96), Size(144, 176)
OPTIONS = Options(long_sides=(96, 176))

_CHOSE = (
    r"Chose (?P<sizes>.+) with the score '(?P<score>.+)' out of (?P<candidates>\d+) candidates by 4-fold "
    r"cross-validation on the training images, repeated 5 times: within 0.005 the cheaper wins\."
)
_ROW = (
    r"Candidate (?P<sizes>.+) '(?P<score>.+)': AUROC (?P<area>[01]\.\d{3}), F1 [01]\.\d{3}, "
    r"information (?P<information>[01]\.\d{3})\."
)

pytestmark = pytest.mark.usefixtures("few_steps")


def fit(output: Path, options: Options, masked: bool = False) -> TrainingResult:
    task, classes = (Task.SEGMENTATION, (SCRATCH,)) if masked else (Task.CLASSIFICATION, ())
    return train(
        samples(0, 16, 12, masked), samples(100, 4, 4, masked), task=task, classes=classes, backbone=BACKBONE,
        output=output, seed=1, progress=ignore, options=options,
    )  # fmt: skip


@pytest.fixture(scope="module")
def unhurried(few_steps: None, tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    """Without a limit, and in nothing slowed."""
    return fit(tmp_path_factory.mktemp("unhurried") / "model", OPTIONS)


def views(result: TrainingResult) -> list[Size]:
    return [view.size for view in artifact.read(result.artifact)[1].views]


def slow(patch: pytest.MonkeyPatch, seconds: dict[Size, float]) -> None:
    """Have these sizes take so long an image, and others next to nothing; no image is turned."""
    patch.setattr(turns, "MOST_SEEN", 0)
    patch.setattr(Pace, "at", lambda self, size: seconds.get(size, 1e-3))
    patch.setattr(Pace, "answered", lambda self, size: 0.0)


def test_without_time_the_smallest_size_is_learned_from_and_the_rest_told(tmp_path: Path) -> None:
    result = fit(tmp_path, replace(OPTIONS, seconds=0.0))
    assert views(result) == [SMALL]
    assert (
        "There was no time for sizes above 96x80: learning from larger images would not have fitted into the 0 minutes "
        "that a training has." in result.notes
    )
    assert "There was no time to learn a head: it would not have fitted into the 0 minutes that a training has." in (
        result.notes
    )
    assert result.metrics.roc_auc is not None
    assert result.metrics.roc_auc > 0.8


def test_without_time_masks_are_learned_all_the_same(tmp_path: Path) -> None:
    result = fit(tmp_path, replace(OPTIONS, seconds=0.0), masked=True)
    assert views(result) == [SMALL]
    assert artifact.read(result.artifact)[1].masks_from == 0
    assert any(region.name == SCRATCH.name for test in result.tests for region in test.prediction.regions)


def test_where_time_ends_between_sizes_the_last_one_looked_at_draws_the_masks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow(monkeypatch, {LARGE: 1e9})
    result = fit(tmp_path, Options(long_sides=(64, 96, 176), seconds=1800.0), masked=True)
    card = artifact.read(result.artifact)[1]
    assert card.masks_from is not None
    assert card.views[card.masks_from].size == SMALL
    assert LARGE not in views(result)
    assert any("There was no time for sizes above 96x80" in note for note in result.notes)
    assert card.record["sizes_tried"] == ["64x48", "96x80"]


def test_with_time_nothing_is_said_of_it(unhurried: TrainingResult) -> None:
    assert f"{LARGE.width}x{LARGE.height}" in artifact.read(unhurried.artifact)[1].record["sizes_tried"]
    assert not any("fitted" in note for note in unhurried.notes)


def test_the_log_has_every_candidate_and_why_the_winner_won(unhurried: TrainingResult) -> None:
    result = unhurried
    why = [re.fullmatch(_CHOSE, note) for note in result.notes if note.startswith("Chose")]
    rows = [re.fullmatch(_ROW, note) for note in result.notes if note.startswith("Candidate")]
    assert len(why) == 1
    assert why[0] is not None
    found = {(row["sizes"], row["score"]): row for row in rows if row is not None}
    assert len(found) == len(rows) == int(why[0]["candidates"])
    chosen = found[why[0]["sizes"], why[0]["score"]]
    quality = {key: float(row["area"]) + float(row["information"]) for key, row in found.items()}
    assert quality[why[0]["sizes"], why[0]["score"]] >= max(quality.values()) - 2 * MARGIN - 0.002
    card = artifact.read(result.artifact)[1]
    assert chosen["sizes"] == " + ".join(
        f"{view.size.width}x{view.size.height}{' with a head' if view.head else ''}" for view in card.views
    )


def test_a_candidate_that_all_images_would_take_too_long_with_is_not_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ahead(self: Looking, candidate: Candidate, later: int, tests: int) -> float:
        assert later == 28
        return 1e9 if any(each.size == LARGE for each in candidate.views) else 0.0

    for module in (survey, training_module):
        monkeypatch.setattr(module, "COMPARED_IMAGES", 12)
    monkeypatch.setattr(Looking, "_ahead", ahead)
    result = fit(tmp_path, replace(OPTIONS, seconds=1800.0))
    assert views(result) == [SMALL]
    left = [note for note in result.notes if "candidates out" in note]
    assert len(left) == 1
    assert any("Compared the candidates on 12 of the 28 training images" in note for note in result.notes)
    assert "learning them from all 28 images would not have fitted into the 30 minutes" in left[0]
    [why] = [found for note in result.notes if (found := re.match(_CHOSE, note))]
    out = re.match(r"Left (\d+) of (\d+) candidates", left[0])
    assert out is not None
    assert int(why["candidates"]) == int(out[2]) - int(out[1]) > 0
    assert sum(note.startswith("Candidate ") for note in result.notes) == int(out[2])


def test_what_cannot_be_kept_takes_twice_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embeddings, "KEPT_BYTES", 512 << 20)
    monkeypatch.setattr(embeddings, "_most", lambda: 1e9)
    looking = Looking(BACKBONE, native_precision(), None, Budget(100.0), ignore)
    looking._pace.learned(SMALL, 10, 1.0)
    few, many = 4_000, 60_000  # 120 cells of 96 numbers of 2 bytes each: 23,000 fit into 512 MiB
    lost = many - ((512 << 20) // (120 * 96 * 2))
    assert looking._foreseen(few, SMALL, head=False) == pytest.approx(400.0)
    assert looking._foreseen(many, SMALL, head=False) == pytest.approx(6_000.0 + 0.1 * lost)
    assert looking._foreseen(few, SMALL, head=True) == pytest.approx(3 * 400.0 + 10.0)
    assert looking._foreseen(many, SMALL, head=True) == pytest.approx(3 * 6_000.0 + 0.1 * 3 * lost + 10.0)
    looking._normal = 0.5  # of which all are kept, and anomalies are looked at once
    assert looking._foreseen(many, SMALL, head=False) == pytest.approx(6_000.0 + 0.1 * (lost - many / 2))
    assert looking._foreseen(many, SMALL, head=True, looked=True) == pytest.approx(2 * 6_000.0 + 0.1 * 2 * lost + 10.0)


def test_tests_that_take_too_long_leave_the_costly_candidates_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pace, "answered", lambda self, size: 1000.0 if size == LARGE else 0.0)
    monkeypatch.setattr(Looking, "_fits", lambda *arguments: True)
    result = fit(tmp_path, replace(OPTIONS, seconds=1800.0))
    assert views(result) == [SMALL]
    [left] = [note for note in result.notes if "candidates out" in note]
    assert "answering 8 test images with them would not have fitted into the 30 minutes" in left


def test_where_time_is_over_a_little_more_of_it_is_not_worth_a_worse_model() -> None:
    spent = Budget(1000.0, began=time.monotonic() - 1000.0)
    assert not spent.allows(0.0)
    assert spent.bears(99.0, least=0.0)
    assert not spent.bears(101.0, least=0.0)
    assert Budget(1000.0).bears(990.0, least=0.0)


def test_a_probe_overturns_what_was_foreseen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learned = Pace.learned
    monkeypatch.setattr(Pace, "learned", lambda self, size, images, seconds: learned(self, size, images, 1e6))
    result = fit(tmp_path, replace(OPTIONS, seconds=1800.0))
    assert artifact.read(result.artifact)[1].record["sizes_tried"] == ["96x80", "176x144"]
    assert not any("There was no time" in note for note in result.notes)


def test_a_pace_is_foreseen_from_the_largest_size_until_it_is_probed() -> None:
    pace = Pace(BACKBONE, native_precision())
    assert not pace.known
    pace.learned(Size(8, 8), 10, 100.0)
    pace.learned(SMALL, 10, 1.0)
    twice = Size(SMALL.height, 2 * SMALL.width)
    assert pace.at(SMALL) == pytest.approx(0.1)
    assert pace.at(twice) == pytest.approx(0.2)
    assert pace.answered(SMALL) == pytest.approx(0.125)
    labels = np.zeros(4, bool)
    problem = Problem(samples(0, 4, 0), labels, np.arange(4), np.arange(4), Task.CLASSIFICATION, (), 0)
    pace.learned(LARGE, 1, 1000.0)
    pace.probe(problem, LARGE)
    assert pace.probed(LARGE)
    assert 0 < pace.at(LARGE) < 1000.0
    assert 0 < pace.answered(LARGE) < 1000.0
    assert not pace.probed(twice)
    assert pace.at(twice) > 100.0  # not from the probe of a larger one, which would be too little


def test_heads_are_learned_at_a_smaller_size_where_there_is_no_time_for_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow(monkeypatch, {LARGE: 1e9})
    result = fit(tmp_path, replace(OPTIONS, seconds=1800.0))
    assert any(note.startswith("Candidate 96x80 with a head") for note in result.notes)


def test_images_with_masks_are_compared_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "COMPARED_IMAGES", 10)
    plain, masked = samples(0, 20, 30), samples(100, 0, 3, masked=True)
    for seed in range(4):
        chosen = survey.choose_compared([*plain, *masked], seed)
        assert [each.key for each in chosen[-3:]] == [each.key for each in masked]
        assert sum(each.anomalous for each in chosen) == 5


def test_with_masks_the_sizes_that_none_is_served_at_are_not_looked_at(tmp_path: Path) -> None:
    result = fit(tmp_path, Options(long_sides=(64, 96, 176), seconds=1800.0), masked=True)
    card = artifact.read(result.artifact)[1]
    assert card.record["sizes_tried"] == ["64x48", "176x144"]
    assert card.masks_from == 1


def test_anomalies_too_few_to_learn_from_do_not_make_the_images_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (survey, training_module):
        monkeypatch.setattr(module, "COMPARED_IMAGES", 10)
    result = train(
        samples(0, 10, 2), samples(100, 4, 4), task=Task.CLASSIFICATION, classes=(), backbone=BACKBONE,
        output=tmp_path, seed=1, progress=ignore, options=Options(long_sides=(64,)),
    )  # fmt: skip
    assert not any("Compared the candidates" in note for note in result.notes)
    assert "2 labelled anomalies were too few to learn from" in " ".join(result.notes)


def test_every_stage_of_a_training_comes_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow(monkeypatch, {LARGE: 1e9})  # so that the head is looked for again at the size before
    stages: dict[str, list[tuple[int, int]]] = {}

    def follow(stage: str, done: int, total: int) -> None:
        stages.setdefault(stage, []).append((done, total))

    train(
        samples(0, 16, 12), samples(100, 4, 4), task=Task.CLASSIFICATION, classes=(), backbone=BACKBONE,
        output=tmp_path, seed=1, progress=follow, options=replace(OPTIONS, seconds=1800.0),
    )  # fmt: skip
    assert "candidates" in stages
    for told in stages.values():
        assert told == sorted(told)
        assert told[-1][0] == told[-1][1]


def test_a_head_that_takes_too_long_ends_no_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow(monkeypatch, {LARGE: 30.0})  # for 44 looks there is time, and for 56 there is none
    result = fit(tmp_path, replace(OPTIONS, seconds=1800.0))
    assert artifact.read(result.artifact)[1].record["sizes_tried"] == ["96x80", "176x144"]
    assert any(note.startswith("Candidate 96x80 with a head") for note in result.notes)
    assert not any("176x144 with a head" in note for note in result.notes)
    assert any(note.startswith("The head was learned at 96x80: at 176x144") for note in result.notes)


def test_a_head_is_learned_at_the_size_before_its_own_by_another_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow(monkeypatch, {LARGE: 30.0})
    result = fit(tmp_path, Options(long_sides=(64, 96, 176), seconds=1800.0))
    assert artifact.read(result.artifact)[1].record["sizes_tried"] == ["64x48", "96x80", "176x144"]
    assert any(note.startswith("Candidate 64x48 + 96x80 with a head '") for note in result.notes)
    assert not any("176x144 with a head" in note for note in result.notes)


def test_a_head_learned_at_a_smaller_size_than_the_largest_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow(monkeypatch, {SMALL: 20.0})
    monkeypatch.setattr(looking_module, "HEAD_LONG_SIDE", 96)
    result = fit(tmp_path, Options(long_sides=(64, 80, 96, 176), seconds=1800.0), masked=True)
    card = artifact.read(result.artifact)[1]
    assert card.record["sizes_tried"] == ["64x48", "80x64", "176x144"]
    assert card.masks_from == 1
    assert (
        "The head was learned at 80x64: at 96x80 it would not have fitted into the 30 minutes that a training has."
        in (result.notes)
    )


def from_normals(output: Path) -> TrainingResult:
    return train(
        samples(0, 16, 0), samples(100, 4, 4), task=Task.CLASSIFICATION, classes=(), backbone=BACKBONE,
        output=output, seed=1, progress=ignore, options=Options(long_sides=(64, 96, 176), seconds=1800.0),
    )  # fmt: skip


def test_from_normals_alone_the_smallest_and_the_largest_size_are_looked_at(tmp_path: Path) -> None:
    result = from_normals(tmp_path)
    assert artifact.read(result.artifact)[1].record["sizes_tried"] == ["64x48", "176x144"]
    assert any(note.startswith("Candidate 64x48 + 176x144 with a head '") for note in result.notes)
    assert not any("There was no time" in note for note in result.notes)


def test_from_normals_alone_without_time_for_the_largest_the_next_one_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow(monkeypatch, {LARGE: 1e9, SMALL: 30.0})  # for 48 looks there is time, and for 64 there is none
    result = from_normals(tmp_path)
    assert artifact.read(result.artifact)[1].record["sizes_tried"] == ["64x48", "96x80"]
    assert any("There was no time for sizes above 96x80" in note for note in result.notes)
    assert any(note.startswith("The head was learned at 64x48: at 176x144") for note in result.notes)
    assert not any("96x80 with a head" in note for note in result.notes)
    assert views(result) == [Size(48, 64), SMALL]
