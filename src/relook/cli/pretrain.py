"""`relook pretrain`: make the backbone that comes with the package, from a teacher and generated pictures."""

from __future__ import annotations

import math
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import click

from relook.cli.failing import fail
from relook.control_groups import usable_cpus
from relook.processes import die_with

EARLY = 3
"""Exit code of a run that --minutes ended before its last step."""
_LINES = 50
"""Lines of a stage where there is no terminal."""

Told = Callable[[str, int, int, float], None]


@click.command()
@click.option(
    "--teacher",
    required=True,
    type=click.Path(path_type=Path),
    help="The network to imitate: ONNX, or a ResNet-18 as safetensors.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Pictures, checkpoint, weights and card go there.",
)
@click.option("--pictures", type=click.IntRange(1), default=9000, show_default=True, help="How many to draw.")
@click.option("--steps", type=click.IntRange(1), default=7000, show_default=True, help="Of training.")
@click.option("--batch", type=click.IntRange(2), default=32, show_default=True, help="Crops in a step.")
@click.option("--width", type=click.IntRange(4), default=48, show_default=True, help="Channels of the stem.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of pictures and training.")
@click.option("--threads", type=click.IntRange(1), help="Processes and threads. [default: the CPUs there are]")
@click.option("--minutes", type=click.FloatRange(0, min_open=True), help="Stop after so long, to go on later.")
@click.option("--note", "notes", multiple=True, help="A sentence on quality for the card; may be repeated.")
def pretrain(
    teacher: Path,
    out: Path,
    pictures: int,
    steps: int,
    batch: int,
    width: int,
    seed: int,
    threads: int | None,
    minutes: float | None,
    notes: tuple[str, ...],
) -> None:
    """Teach a small network to give the features of a large one on pictures that Relook draws itself.

    Writes relook-s.safetensors and its card, relook-s.json, to --out. Pictures (0.3 MB each) and a checkpoint stay
    there: the same command goes on where it was stopped, by Ctrl-C, --minutes or a crash. Needs PyTorch.

    The same options give the same pictures, and with the same number of threads on the same machine the same weights.

    Exits with 0 when the files are written, with 3 when --minutes ended it before, with 130 after Ctrl-C.
    """
    from relook.vision.pretrain import PretrainError, Recipe, Stopped
    from relook.vision.pretrain.pool import Processes
    from relook.vision.pretrain.running import Observer
    from relook.vision.pretrain.running import pretrain as run

    recipe = Recipe(steps, batch, width=width, seed=seed)
    workers = Processes(threads or usable_cpus(), partial(die_with, os.getpid()))
    try:
        with _interruptible(minutes) as (stop, interrupted), _progress() as told:
            path = run(teacher, out, recipe, pictures, notes, workers, Observer(told, stop))
    except Stopped as stopped:
        click.echo(f"{stopped}; the same command goes on", err=True)
        sys.exit(130 if interrupted() else EARLY)
    except (PretrainError, OSError) as error:
        fail(error)
    click.echo(path)


@contextmanager
def _interruptible(minutes: float | None) -> Iterator[tuple[Callable[[], bool], Callable[[], bool]]]:
    """Whether to stop, and whether that was a signal's wish. The first Ctrl-C asks, the second ends at once."""
    asked = False
    begin = time.monotonic()

    def ask(number: int, frame: object) -> None:
        nonlocal asked
        asked = True
        for each in before:
            signal.signal(each, before[each])

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop() -> bool:
        return asked or (minutes is not None and time.monotonic() - begin > 60 * minutes)

    try:
        yield stop, lambda: asked
    finally:
        for number in before:
            signal.signal(number, before[number])


@contextmanager
def _progress() -> Iterator[Told]:
    """Bars with the time left at a terminal, a line now and then elsewhere; both on standard error."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield _lines()
        return
    from rich import progress as rich

    columns = (
        rich.TextColumn("{task.description}"),
        rich.BarColumn(bar_width=28),
        rich.MofNCompleteColumn(),
        rich.TimeRemainingColumn(),
        rich.TextColumn("{task.fields[note]}"),
    )
    with rich.Progress(*columns, console=console, speed_estimate_period=300) as bars:
        tasks: dict[str, rich.TaskID] = {}

        def told(stage: str, done: int, total: int, unexplained: float) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total, completed=done, note="")
            bars.update(tasks[stage], completed=done, note=_unexplained(unexplained))

        yield told


def _lines() -> Told:
    begun: dict[str, tuple[float, int]] = {}

    def told(stage: str, done: int, total: int, unexplained: float) -> None:
        now = time.monotonic()
        since, first = begun.setdefault(stage, (now, done))
        if done % max(1, total // _LINES) and done != total:
            return
        left = (now - since) / (done - first) * (total - done) if done > first else math.nan
        words = [f"{stage} {done}/{total}", _unexplained(unexplained), "" if math.isnan(left) else _left(left)]
        click.echo(", ".join(word for word in words if word), err=True)

    return told


def _unexplained(part: float) -> str:
    return "" if math.isnan(part) else f"unexplained {part:.4f}"


def _left(seconds: float) -> str:
    return f"{seconds / 60:.0f} min left" if seconds >= 60 else f"{seconds:.0f} s left"
