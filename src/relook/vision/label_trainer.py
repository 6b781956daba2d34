"""The trainers of labels as jobs see them: one call. What it needs is loaded only when it is called."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from relook.vision.labelled import LabelledImage, LabelResult, LabelTask, LabelTrainer
from relook.vision.samples import Progress, TrainingError


def label_trainer(
    data: Path, precision: str = "auto", detector_steps: int | None = None, detector_mirroring: bool = True
) -> LabelTrainer:
    """Classifiers and detectors, from the best starts of the data folder.

    `precision` is what classifiers compute in: one of `runtime.Precision`, or auto, the trainer's own choice.
    `detector_steps` None: as many as the time allows. `detector_mirroring`: whether detectors may learn from mirrored
    images, where labels and boxes allow it.
    """

    def train(
        training: Sequence[LabelledImage],
        test: Sequence[LabelledImage],
        *,
        task: LabelTask,
        labels: Sequence[str],
        output: Path,
        seed: int,
        seconds: float,
        progress: Progress,
    ) -> LabelResult:
        from relook.vision.backbones import WeightsError

        try:
            if task is LabelTask.DETECTION:
                chosen = _detector(data, detector_steps, detector_mirroring)
            else:
                chosen = _classifier(data, precision)
        except WeightsError as error:
            raise TrainingError(str(error)) from error
        return chosen(
            training,
            test,
            task=task,
            labels=labels,
            output=output,
            seed=seed,
            seconds=seconds,
            progress=progress,
        )

    return train


def _detector(data: Path, steps: int | None, mirroring: bool) -> LabelTrainer:
    from relook.vision.detect import library
    from relook.vision.detect.plan import Options
    from relook.vision.detect.train import train

    mirrored = None if mirroring else False
    options = Options(steps=steps, mirror=mirrored, upside_down=mirrored)
    return partial(train, start=library.choose(data), options=options)


def _classifier(data: Path, precision: str) -> LabelTrainer:
    from relook.vision import weights
    from relook.vision.classify.train import Options, train
    from relook.vision.runtime import Precision

    options = None if precision == "auto" else Options(Precision(precision))
    return partial(train, backbone=weights.choose(data), options=options)
