"""The engine as the jobs of the services see it: one call that trains. It is loaded only when it is called."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from relook.vision.samples import DefectClass, Progress, Sample, Task, TrainingError, TrainingResult


class Trainer(Protocol):
    """The engine: `relook.vision.train.train` with its weights chosen."""

    def __call__(
        self,
        training: Sequence[Sample],
        test: Sequence[Sample],
        *,
        task: Task,
        classes: Sequence[DefectClass],
        output: Path,
        seed: int,
        progress: Progress,
        most: float = math.inf,
    ) -> TrainingResult:
        """`most` seconds it may take, if that is less than it should take anyway."""


def engine(data: Path, precision: str = "auto", seconds: float = math.inf, milliseconds: float = math.inf) -> Trainer:
    """The vision engine with the best weights of the data folder; imported at the first training.

    `precision` is one of `vision.runtime.Precision`, or auto: the engine's own choice. `seconds` are what a
    training should take, `milliseconds` what an answer of its model may.
    """

    def train(
        training: Sequence[Sample],
        test: Sequence[Sample],
        *,
        task: Task,
        classes: Sequence[DefectClass],
        output: Path,
        seed: int,
        progress: Progress,
        most: float = math.inf,
    ) -> TrainingResult:
        from relook.vision import train as vision
        from relook.vision import weights
        from relook.vision.runtime import Precision

        try:
            backbone = weights.choose(data)
        except weights.WeightsError as error:
            raise TrainingError(str(error)) from error
        return vision.train(
            training,
            test,
            task=task,
            classes=classes,
            backbone=backbone,
            output=output,
            seed=seed,
            progress=progress,
            options=vision.Options(
                None if precision == "auto" else Precision(precision),
                seconds=min(seconds, most),
                milliseconds=milliseconds,
            ),
        )

    return train
