"""`relook weights`: the pretrained weights that training builds on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from relook.cli import options
from relook.cli.failing import fail
from relook.cli.fetch import Fetch, FetchError, Report
from relook.settings import SettingsError, load

if TYPE_CHECKING:
    from relook.vision.weights import ImportedWeights

_RESNET, _YOLOX = "resnet18-imagenet", "yolox-nano"
ADDRESSES = {
    _RESNET: "https://huggingface.co/timm/resnet18.tv_in1k/resolve/main/model.safetensors",
    _YOLOX: "https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0/yolox_nano.onnx",
}
_LICENCES = {
    _RESNET: "BSD-3-Clause (torchvision, ResNet18_Weights.IMAGENET1K_V1)",
    _YOLOX: "Apache-2.0 (Megvii, YOLOX 0.1.1rc0)",
}
_PART = ".pull.part"
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def weights() -> None:
    """List, choose, import and fetch the weights that trainings start from."""


@weights.command("list")
@options.data
@_JSON
def list_(data: Path | None, as_json: bool) -> None:
    """All weights there are; a * marks those the next training takes, of object detectors and of all others."""
    from relook.vision.weights import entries

    with _failures():
        found = entries(load(data).data)
    if as_json:
        click.echo(json.dumps([asdict(entry) for entry in found], indent=2))
        return
    width = max(len(entry.name) for entry in found)
    for entry in found:
        mark = "*" if entry.next else " "
        size = f"{entry.size / 1e6:.1f} MB"
        line = f"{mark} {entry.name:<{width}}  {entry.kind:<8}  {size:>8}  sha256 {entry.sha256[:12]}  {entry.source}"
        if entry.detector:
            line += "  (object detectors)"
        click.echo(line.rstrip())


@weights.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@options.data
def import_(file: Path, data: Path | None) -> None:
    """Make FILE what the next trainings build on: ONNX, or safetensors of a ResNet-18.

    The published YOLOX-nano, as ONNX, becomes what object detectors start from; other files are for all other models.
    The data folder may not exist yet. Models that are trained already keep the weights they were trained with.
    """
    from relook.vision.weights import import_weights

    with _failures():
        imported = import_weights(file, load(data).data)
    _say("imported", imported)


@weights.command()
@click.argument("name", type=click.Choice(sorted(ADDRESSES)), default=_RESNET)
@options.data
@click.option("--url", help="Fetch it from there, and not from where it is published.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="Give up when nothing comes for so long.",
)
def pull(name: str, data: Path | None, url: str | None, timeout: float) -> None:
    """Fetch published weights and make them what the next trainings build on.

    resnet18-imagenet, which it is without a NAME: torchvision's ImageNet ResNet-18 (47 MB). yolox-nano: YOLOX-nano
    trained on COCO (4 MB), for object detectors.

    The only command that uses the network. What comes is kept only if it is that network: the first by its features on
    a test picture, the second by its convolutions. A download that broke off goes on where it stopped. Proxies:
    http_proxy, https_proxy, no_proxy.
    """
    from relook.vision.weights import FOLDER, LARGEST_FILE, accept_pulled, accept_pulled_start

    source = url or ADDRESSES[name]
    accept = accept_pulled_start if name == _YOLOX else accept_pulled
    with _failures():
        folder = load(data).data
        fetch = Fetch(source, folder / FOLDER / _PART, LARGEST_FILE, timeout)
        with _progress() as report:
            raw = fetch.run(report)
        try:
            pulled = accept(raw, name, {"source": source, "licence": _LICENCES[name]}, folder)
        finally:
            fetch.drop()  # a wrong file would be wrong again
    _say("pulled", pulled)
    if name == _YOLOX:
        _warn_of_another(pulled.sha256)


def _warn_of_another(sha256: str) -> None:
    """A file with the same convolutions may hold other values than those that were published."""
    from relook.vision.detect.starts import PUBLISHED

    if sha256 != PUBLISHED:
        click.echo(
            f"warning: by its convolutions this is YOLOX-nano, but not the file that was published, whose sha256 is "
            f"{PUBLISHED}: it was saved anew, trained further or tampered with. Unless you know which, go back with "
            "`relook weights use relook-s`",
            err=True,
        )


@weights.command()
@click.argument("name")
@options.data
def use(name: str, data: Path | None) -> None:
    """Let the next trainings build on the weights NAME (or its sha256), one of those in the list."""
    from relook.vision import weights as library

    with _failures():
        entry = library.use(name, load(data).data)
    which = "next training of an object detector" if entry.detector else "next training"
    click.echo(f"the {which} takes {entry.name} ({entry.kind}, sha256 {entry.sha256[:12]})")


@weights.command()
@click.argument("name", required=False)
@options.data
def card(name: str | None, data: Path | None) -> None:
    """Print what is known of the weights NAME as JSON; without NAME, of those the next training takes."""
    from relook.vision import weights as library

    with _failures():
        folder = load(data).data
        wanted = name or next(entry.sha256 for entry in library.entries(folder) if entry.next and not entry.detector)
        told = library.card(wanted, folder)
    click.echo(json.dumps(told, indent=2, ensure_ascii=False))


@weights.command()
@options.data
@_JSON
def show(data: Path | None, as_json: bool) -> None:
    """Say which weights the next training would use."""
    from relook.vision.detect import library
    from relook.vision.weights import choose

    with _failures():
        folder = load(data).data
        backbone, start = choose(folder), library.choose(folder)
    found = {"name": backbone.name, "origin": backbone.origin, "warning": backbone.warning, "detectors": start.name}
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    click.echo(f"{backbone.name}: {backbone.origin}")
    click.echo(f"object detectors start from {start.name}: {start.origin}")
    if backbone.warning:
        click.echo(f"warning: {backbone.warning}", err=True)


def _say(what: str, imported: ImportedWeights) -> None:
    if not imported.layers:
        click.echo(f"{what} {imported.name}: YOLOX-nano, for object detectors; sha256 {imported.sha256}")
        return
    layers = ", ".join(
        f"{layer.output} (stride {layer.stride}, {layer.channels} channels)" for layer in imported.layers
    )
    click.echo(f"{what} {imported.name}: {layers}; sha256 {imported.sha256}")


@contextmanager
def _failures() -> Iterator[None]:
    """What the commands here fail with, told in one line."""
    from relook.vision.weights import WeightsError

    try:
        yield
    except (SettingsError, WeightsError, FetchError) as error:
        fail(error)


@contextmanager
def _progress() -> Iterator[Report]:
    """A bar on standard error at a terminal, nothing elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

    console = Console(stderr=True)
    columns: tuple[Any, ...] = ("fetching", BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("fetching", total=None)
        yield lambda there, whole: bar.update(task, completed=there, total=whole)
