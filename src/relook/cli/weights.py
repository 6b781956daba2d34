"""`relook weights`: the pretrained weights that training builds on."""

from __future__ import annotations

import json
from pathlib import Path

import click

from relook.cli import options
from relook.cli.failing import fail
from relook.settings import SettingsError, load


@click.group()
def weights() -> None:
    """Show and import the weights of the backbone."""


@weights.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@options.data
def import_(file: Path, data: Path | None) -> None:
    """Make FILE (ONNX, or torchvision's ResNet-18 as safetensors) what the next trainings build on.

    The data folder may not exist yet. Models that are trained already keep the weights they were trained with.
    """
    from relook.vision.weights import WeightsError, import_weights

    try:
        imported = import_weights(file, load(data).data)
    except (SettingsError, WeightsError) as error:
        fail(error)
    layers = ", ".join(
        f"{layer.output} (stride {layer.stride}, {layer.channels} channels)" for layer in imported.layers
    )
    click.echo(f"imported {imported.name}: {layers}; sha256 {imported.sha256}")


@weights.command()
@options.data
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
def show(data: Path | None, as_json: bool) -> None:
    """Say which weights the next training would use."""
    from relook.vision.weights import WeightsError, choose

    try:
        backbone = choose(load(data).data)
    except (SettingsError, WeightsError) as error:
        fail(error)
    found = {"name": backbone.name, "origin": backbone.origin, "warning": backbone.warning}
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    click.echo(f"{backbone.name}: {backbone.origin}")
    if backbone.warning:
        click.echo(f"warning: {backbone.warning}", err=True)
