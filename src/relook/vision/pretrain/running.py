"""The whole way from a teacher and a folder to the files that come with the package."""

from __future__ import annotations

import fcntl
import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from relook.vision import resnet18, shipped, torch_there
from relook.vision.pretrain import pool, teachers
from relook.vision.pretrain.finishing import finish
from relook.vision.pretrain.recipe import PretrainError, Recipe
from relook.vision.pretrain.teachers import TeacherFile

CHECKPOINT = "checkpoint.pt"


def _quiet(stage: str, done: int, total: int, unexplained: float) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Observer:
    """Who is told, and who may end it."""

    progress: Callable[[str, int, int, float], None] = _quiet
    """Stage, steps done, steps in all, and the unexplained part of the teacher's variance (nan while drawing)."""
    stop: Callable[[], bool] = lambda: False


def pretrain(
    teacher: Path,
    folder: Path,
    recipe: Recipe,
    pictures: int,
    notes: Sequence[str] = (),
    processes: pool.Processes | None = None,
    observer: Observer | None = None,
) -> Path:
    """Draw the pictures, distil, measure, and write weights and card into `folder`; the path of the weights.

    Pictures and checkpoint stay in `folder`: the same call goes on with them. The pictures do not depend on
    `processes`; its count is the number of threads of the training too, on which the last bits of the weights depend.

    Raises PretrainError, Stopped for one, and OSError where the disk fails.
    """
    processes, observer = processes or pool.Processes(), observer or Observer()
    _can_train()
    _fits(recipe)
    source = teachers.read(teacher)
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        return _run(source, folder, recipe, pictures, notes, processes, observer)


def _run(
    source: TeacherFile,
    folder: Path,
    recipe: Recipe,
    pictures: int,
    notes: Sequence[str],
    processes: pool.Processes,
    observer: Observer,
) -> Path:
    def drawn(done: int, total: int) -> None:
        observer.progress("pictures", done, total, math.nan)

    def learnt(done: int, unexplained: float) -> None:
        observer.progress("training", done, recipe.steps, unexplained)

    images = pool.drawn(folder, recipe.seed, pictures, processes, drawn, observer.stop)
    from relook.vision.pretrain import distill

    threads = processes.count
    distill.use_threads(threads)
    network = distill.Teacher(source.onnx, source.outputs, recipe.batch, threads)
    identity = f"teacher {source.sha256[:12]} and {pictures} pictures"
    made = distill.distill(images, network, recipe, folder / CHECKPOINT, learnt, observer.stop, identity)
    minutes = round(made.seconds / 60, 1)
    return finish(made.state, recipe, pictures, notes, folder, teacher=source, minutes=minutes, threads=threads)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two runs in one folder would mix their pictures. The lock ends with the process, however that ends."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PretrainError(f"another run is at work in {folder}; let it end, or name another folder") from error
        yield
    finally:
        os.close(descriptor)


def _can_train() -> None:
    if not torch_there.installed():
        raise PretrainError(
            "pretraining needs PyTorch, which is not installed here; in a clone: make torch; elsewhere: "
            "pip install 'relook[train]'"
        )
    if (why := torch_there.fault()) is not None:
        raise PretrainError(f"pretraining needs PyTorch, which is installed here, but cannot be loaded ({why})")


def _fits(recipe: Recipe) -> None:
    """Found out before the hours, not after them."""
    values = sum(math.prod(shape) + shape[0] for shape in resnet18.shapes(recipe.width, heads=True).values())
    if 2 * values > shipped.LARGEST - 2**16:
        raise PretrainError(
            f"a student of width {recipe.width} has {2 * values / 1e6:.1f} MB of weights, more than the "
            f"{shipped.LARGEST / 1e6:.1f} MB that the package takes; give a smaller --width"
        )
