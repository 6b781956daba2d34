"""`relook check`: what is wrong with a set of pictures, before anything is trained on it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from relook.cli import options
from relook.cli.failing import fail
from relook.settings import SettingsError, load

if TYPE_CHECKING:
    from relook.demo.pictures import Picture, Pools
    from relook.vision.check import Finding, Report
    from relook.vision.samples import Progress, Sample

FOUND = 3
"""Exit code with --strict when there is a finding of `warning` or worse."""
_STYLES = {"info": "dim", "warning": "yellow", "error": "bold red"}


@click.command()
@click.argument("pictures", nargs=-1, required=True, type=click.Path(path_type=Path))
@options.data
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object, with all images of every finding.")
@click.option(
    "--seed", type=click.IntRange(0), default=7, show_default=True, help="Of what is drawn by lot in large sets."
)
@click.option("--strict", is_flag=True, help=f"Exit with {FOUND} on a finding that is a warning or worse.")
def check(pictures: tuple[Path, ...], data: Path | None, as_json: bool, seed: int, strict: bool) -> None:
    """Look at PICTURES (folders or Lookout manifests, as `relook demo --images` takes them) before training.

    Says when the label can be told from what is not the product (border, background, brightness, size, file format,
    camera), which pictures are copies of one another or lie in training and test alike, which normals may be
    mislabelled, and which files cannot be used. --data names the folder whose weights are used.

    Exits with 0 when the check was made, whatever it found, and with 1 when it could not be made.
    """
    from relook.demo.errors import PicturesError
    from relook.vision import runtime
    from relook.vision.check import check as look
    from relook.vision.weights import WeightsError, choose

    try:
        backbone = choose(load(data).data)
        with _bars() as progress:
            pools = _read(pictures, progress)
            _check_any(pools)
            training = [_sample(picture) for pool in pools for picture in pool.train]
            test = [_sample(picture) for pool in pools for picture in (*pool.test, *pool.extra)]
            precision = runtime.native_precision()
            report = look(training, test, backbone, seed=seed, precision=precision, progress=progress)
    except (SettingsError, WeightsError, PicturesError) as error:
        fail(error)
    report = replace(report, findings=(*_unusable(pools), *report.findings))
    remarks = [note for pool in pools for note in pool.notes if not any(reason in note for reason in pool.unusable)]
    remarks += _seen(report, training)
    remarks += [backbone.warning] if backbone.warning else []
    if as_json:
        told = {name: value for name, value in asdict(report).items() if name != "copies"}  # findings have them
        click.echo(json.dumps(told | {"worst": report.worst, "remarks": remarks}, indent=2))
    else:
        _print(report, remarks)
    sys.exit(FOUND if strict and report.notes() else 0)


def _seen(report: Report, training: Sequence[Sample]) -> Iterator[str]:
    """What was not looked at."""
    normals = sum(not sample.anomalous for sample in training)
    if report.examined < len(training):
        yield (
            f"Shortcuts were looked for in {report.examined} of the {len(training)} training images, drawn by the seed "
            "or usable."
        )
    if report.judged < normals:
        yield (
            f"Wrong labels were looked for among {report.judged} of the {normals} normal images: those that can be "
            "used, if they are 8 at least."
        )


def _read(paths: Sequence[Path], progress: Progress) -> list[Pools]:
    """Manifests of one folder are one set: whether one is the test set, its name says."""
    from relook.demo.layouts import read_pictures
    from relook.demo.manifests import read_manifests

    def tick(done: int, total: int) -> None:
        progress("read", done, total)

    if len(paths) > 1 and all(path.is_file() for path in paths) and len({path.parent for path in paths}) == 1:
        return [read_manifests(paths[0].parent, paths, tick)]
    pools = [read_pictures(path, tick) for path in paths]
    return pools if len(paths) == 1 else [_named(pool, path) for pool, path in zip(pools, paths, strict=True)]


def _check_any(pools: Sequence[Pools]) -> None:
    """PicturesError where every line of the manifests, or every file, was passed over: nothing can be said of it."""
    from relook.demo.errors import PicturesError

    if not any(pool.train or pool.test or pool.unusable for pool in pools):
        nothing = f"there is nothing to check in {'; '.join(pool.source for pool in pools)}."
        whose = (
            "relook check is for sets of Lookout for Vision, whose pictures are normal or anomaly; "
            "sets of Custom Labels are checked by their training."
        )
        raise PicturesError(" ".join([nothing, *(note for pool in pools for note in pool.notes), whose]))


def _named(pool: Pools, path: Path) -> Pools:
    """With the path before each name: two folders may use the same names."""
    train, test, extra = (
        tuple(replace(picture, name=f"{path}/{picture.name}") for picture in group)
        for group in (pool.train, pool.test, pool.extra)
    )
    return replace(pool, train=train, test=test, extra=extra)


def _sample(picture: Picture) -> Sample:
    from relook.demo.pictures import Truth
    from relook.vision.samples import Sample

    return Sample(picture.name, lambda: picture.load().data, picture.truth is Truth.ANOMALY)


def _unusable(pools: Sequence[Pools]) -> list[Finding]:
    from relook.vision.check import Finding, Kind, Severity

    return [
        Finding(Kind.DAMAGED, Severity.ERROR, f"Cannot be used: {reason}.", {"images": len(names)}, names)
        for pool in pools
        for reason, names in pool.unusable.items()
    ]


@contextmanager
def _bars() -> Iterator[Progress]:
    """Bars on standard error where that is a terminal; else nothing is shown."""
    from rich import progress as rich

    console = Console(stderr=True, highlight=False)
    title, count, left = rich.TextColumn("{task.description}"), rich.MofNCompleteColumn(), rich.TimeRemainingColumn()
    columns = (title, rich.BarColumn(bar_width=28), count, left)
    with rich.Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        tasks: dict[str, rich.TaskID] = {}

        def progress(stage: str, done: int, total: int) -> None:
            task = tasks.get(stage)
            if task is None:
                task = tasks[stage] = bars.add_task(stage, total=total)
            bars.update(task, completed=done, total=total)

        yield progress


def _print(report: Report, remarks: Sequence[str]) -> None:
    from relook.vision.check.report import told

    console = Console(highlight=False)
    images = f"{report.training_images} images for training, {report.test_images} others"
    if console.is_terminal:
        table = Table(box=None, show_header=False, pad_edge=False)
        for finding in report.findings:
            table.add_row(f"[{_STYLES[finding.severity]}]{finding.severity}[/]", finding.kind, escape(told(finding)))
        console.print(f"[bold]{images}[/bold]")
        console.print(table)
    else:
        click.echo(images)
        for finding in report.findings:
            click.echo(f"{finding.severity}: {finding.kind}: {told(finding)}")
    if not report.findings:
        click.echo("nothing found")
    if report.probes:
        told_by = ", ".join(f"{probe.cue} {probe.auroc:.2f}" for probe in report.probes)
        click.echo(f"how well the label can be told (AUROC): {told_by}")
    for remark in remarks:
        click.echo(f"note: {remark}")
