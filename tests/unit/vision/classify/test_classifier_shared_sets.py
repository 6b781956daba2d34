"""Real images: three kinds of things told apart without a mistake, and boards with tiny defects from good ones."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from labelled_pictures import ignore

from relook.vision import shipped
from relook.vision.classify.train import train
from relook.vision.labelled import LabelledImage, LabelResult, LabelTask

DATA = Path(__file__).parents[5] / "shared" / "data"
COOKIES, ALIENS = DATA / "lookout_cookie", DATA / "lookout_aliens"
BOARDS = DATA / "lookout_circuitboard_1000px"

pytestmark = [
    pytest.mark.shared,
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.is_dir(), reason="the real images of ../shared/data are not there"),
]


def images(folder: Path, label: str, every: int = 1) -> Iterator[LabelledImage]:
    for path in islice(sorted(folder.rglob("*.*")), 0, None, every):
        yield LabelledImage(path.relative_to(DATA).as_posix(), path.read_bytes, (label,))


def run(training: list[LabelledImage], test: list[LabelledImage], labels: tuple[str, ...], output: Path) -> LabelResult:
    return train(
        training,
        test,
        backbone=shipped.backbone(),
        task=LabelTask.SINGLE_LABEL,
        labels=labels,
        output=output,
        seed=0,
        seconds=600,
        progress=ignore,
    )


@pytest.fixture(scope="module")
def things(tmp_path_factory: pytest.TempPathFactory) -> LabelResult:
    training = [
        *images(COOKIES / "training-images", "cookie", every=4),
        *images(ALIENS / "train", "alien", every=3),
        *images(BOARDS / "train", "board", every=3),
    ]
    test = [
        *images(COOKIES / "test-images", "cookie"),
        *images(ALIENS / "test", "alien"),
        *images(BOARDS / "test", "board"),
    ]
    return run(training, test, ("cookie", "alien", "board"), tmp_path_factory.mktemp("things"))


def test_three_kinds_of_things_are_told_apart_without_a_mistake(things: LabelResult) -> None:
    assert len(things.tests) == 140
    assert all((each.prediction.found[0].name,) == each.image.labels for each in things.tests)
    assert things.record["f1"]["value"] == 1.0


def test_boards_with_tiny_defects_are_told_from_good_ones(tmp_path: Path) -> None:
    training, test = (
        [*images(BOARDS / part / "good", "good"), *images(BOARDS / part / "anomaly", "bad")]
        for part in ("train", "test")
    )
    result = run(training, test, ("bad", "good"), tmp_path)
    assert (len(training), len(test)) == (40, 40)
    assert result.record["f1"]["value"] >= 0.95
