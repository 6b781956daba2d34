"""What the settings ask of the trainers of labels reaches them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import relook.vision.detect.train as detector_module
from relook import app
from relook.datafolder import DataFolder
from relook.services import rekognition
from relook.settings import Settings
from relook.store.engine import Store
from relook.vision.detect.plan import Options
from relook.vision.label_trainer import label_trainer
from relook.vision.labelled import LabelTask, LabelTrainer


class _SeenError(Exception):
    """Raised in the place of a training."""

    def __init__(self, options: Options) -> None:
        self.options = options


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({"detector_steps": 0}, Options()),
        ({"detector_steps": 39}, Options(steps=39)),
        ({"detector_mirroring": True}, Options(mirror=None, upside_down=None)),
        ({"detector_mirroring": False}, Options(mirror=False, upside_down=False)),
    ],
)
def test_settings_reach_the_training_of_detectors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], wanted: Options
) -> None:
    made: list[LabelTrainer] = []

    def watched(data: Path, precision: str, steps: int | None, mirroring: bool) -> LabelTrainer:
        made.append(label_trainer(data, precision, steps, mirroring))
        return made[-1]

    def train(*sets: object, options: Options, **rest: object) -> None:
        raise _SeenError(options)

    monkeypatch.setattr(rekognition, "label_trainer", watched)
    monkeypatch.setattr(detector_module, "train", train)
    DataFolder(tmp_path).create()
    with closing(Store.open(DataFolder(tmp_path).database)) as store:
        app._job_kinds(Settings(data=tmp_path, **settings), store)
    with pytest.raises(_SeenError) as seen:
        made[0](
            [],
            [],
            task=LabelTask.DETECTION,
            labels=(),
            output=tmp_path,
            seed=1,
            seconds=1.0,
            progress=lambda stage, done, of: None,
        )
    assert seen.value.options == wanted
