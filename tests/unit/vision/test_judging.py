"""The trained model on test images, several at a time."""

from __future__ import annotations

import io
import threading
import warnings
from dataclasses import replace
from functools import partial

import pytest
from narrow_network import narrow_backbone
from PIL import Image
from rendered_parts import SCRATCH, ignore, samples

from relook.vision import judging
from relook.vision.images import load
from relook.vision.samples import ClassMetrics, Sample, Task, TrainingError, TrainingResult
from relook.vision.train import Options, train

pytestmark = pytest.mark.usefixtures("few_steps")


@pytest.fixture(scope="module")
def tests() -> list[Sample]:
    return samples(100, 4, 5, masked=True)


@pytest.fixture(scope="module")
def trained(few_steps: None, tests: list[Sample], tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    return train(
        samples(0, 8, 6, masked=True), tests, task=Task.SEGMENTATION, classes=(SCRATCH,), backbone=narrow_backbone(),
        output=tmp_path_factory.mktemp("judged"), seed=1, progress=ignore, options=Options(long_sides=(96,)),
    )  # fmt: skip


@pytest.mark.parametrize("threads", [1, 3])
def test_the_number_of_threads_changes_nothing(
    trained: TrainingResult, tests: list[Sample], monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    monkeypatch.setattr(judging, "threads", lambda: threads)
    results, metrics, overlaps, shown = judging.evaluate(trained.artifact, tests, (SCRATCH,), ignore)
    assert [each.key for each in results] == [each.key for each in tests]
    assert results == trained.tests
    assert metrics == trained.metrics
    assert metrics.classes[0].average_iou == pytest.approx(sum(overlaps[0]) / len(overlaps[0]))
    assert shown == trained.shown


def test_without_a_mask_among_the_test_images_masks_have_no_figures(
    trained: TrainingResult, tests: list[Sample]
) -> None:
    """What is marked on normal images alone would be an overlap of nothing."""
    normals = [each for each in tests if not each.anomalous]
    _, metrics, overlaps, _ = judging.evaluate(trained.artifact, normals, (SCRATCH,), ignore)
    assert metrics.classes == (ClassMetrics(SCRATCH.name, None, None, None, None),)
    assert overlaps == ((),)


def test_a_report_of_progress_that_raises_ends_the_threads(trained: TrainingResult, tests: list[Sample]) -> None:
    class Cancelled(Exception):
        pass

    def cancel(stage: str, done: int, total: int) -> None:
        assert (stage, total) == ("evaluate", len(tests))
        if done == 2:
            raise Cancelled

    before = set(threading.enumerate())
    with pytest.raises(Cancelled) as kept:
        judging.evaluate(trained.artifact, tests, (SCRATCH,), cancel)
    assert kept.value.__traceback__ is not None  # which holds all that ran
    assert set(threading.enumerate()) == before


def test_warnings_are_as_they_were(trained: TrainingResult, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow warns of palettes with transparency; to keep that quiet is for one thread at a time."""
    monkeypatch.setattr(judging, "threads", lambda: 4)
    decoding = set[threading.Thread]()

    def see_through(sample: Sample) -> Sample:
        room = io.BytesIO()
        Image.fromarray(load(sample.load()).pixels).convert("P").save(room, "PNG", transparency=bytes(range(256)))
        return replace(sample, load=partial(here, room.getvalue()))

    def here(data: bytes) -> bytes:
        decoding.add(threading.current_thread())
        return data

    filters = list(warnings.filters)
    judging.evaluate(trained.artifact, [see_through(each) for each in samples(100, 6, 6)], (), ignore)
    assert warnings.filters == filters
    assert decoding == {threading.current_thread()}


def test_an_image_that_was_changed_since_is_named(trained: TrainingResult, tests: list[Sample]) -> None:
    broken = replace(tests[3], load=lambda: b"no image")
    with pytest.raises(TrainingError, match=r"JPEG or PNG") as found:
        judging.evaluate(trained.artifact, [*tests[:3], broken, *tests[4:]], (SCRATCH,), ignore)
    assert tests[3].key in str(found.value)
