"""How long a training may take: the setting, and what the caller leaves it."""

from __future__ import annotations

import math
from contextlib import closing
from pathlib import Path

import pytest
from rendered_parts import ignore, samples

import relook.vision.train as training_module
from relook import app
from relook.datafolder import DataFolder
from relook.services import lookoutvision
from relook.settings import Settings
from relook.store.engine import Store
from relook.vision.samples import Task
from relook.vision.train import Options
from relook.vision.trainer import Trainer, engine


class _SeenError(Exception):
    """Raised in the place of a training."""

    def __init__(self, options: Options) -> None:
        self.options = options


@pytest.mark.parametrize(("setting", "most", "wanted"), [(60.0, math.inf, 60.0), (60.0, 9.0, 9.0), (60.0, 90.0, 60.0)])
def test_the_shorter_of_both_times_counts(
    setting: float, most: float, wanted: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(*sets: object, options: Options, **rest: object) -> None:
        raise _SeenError(options)

    monkeypatch.setattr(training_module, "train", train)
    with pytest.raises(_SeenError) as seen:
        engine(tmp_path, seconds=setting)(
            samples(0, 1, 0),
            [],
            task=Task.CLASSIFICATION,
            classes=(),
            output=tmp_path,
            seed=1,
            progress=ignore,
            most=most,
        )
    assert seen.value.options == Options(seconds=wanted)


def test_the_settings_reach_both_kinds_of_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = []

    def watched(data: Path, precision: str, seconds: float, milliseconds: float) -> Trainer:
        given.append((seconds, milliseconds))
        return engine(data, precision, seconds, milliseconds)

    for module in (app, lookoutvision):
        monkeypatch.setattr(module, "engine", watched)
    DataFolder(tmp_path).create()
    with closing(Store.open(DataFolder(tmp_path).database)) as store:
        app._job_kinds(Settings(data=tmp_path, anomaly_minutes=7), store)
        app._job_kinds(Settings(data=tmp_path, anomaly_milliseconds=60), store)
    assert given == [(420, math.inf)] * 2 + [(1800, 60)] * 2
