"""`relook export`: a trained model as an archive that SageMaker's side can host."""

from __future__ import annotations

import gzip
import os
import tarfile
from pathlib import Path

import click
from sqlalchemy import Connection

from relook.cli import options
from relook.cli.failing import fail
from relook.cli.opening import Opened, opened
from relook.core.custom_labels.names import SERVICE as REKOGNITION
from relook.core.custom_labels.names import parse_version
from relook.core.identity import Arn
from relook.core.names import SERVICE as LOOKOUT
from relook.core.names import parse_model_arn
from relook.store import lookoutvision_models as models
from relook.store import rekognition_versions as versions

_FORMS = (
    "arn:aws:lookoutvision:region:account:model/project/version or "
    "arn:aws:rekognition:region:account:project/project/version/version/milliseconds"
)


@click.command()
@click.argument("arn")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), default="model.tar.gz")
@options.data
def export(arn: str, file: Path, data: Path | None) -> None:
    """Write the trained model ARN, of Lookout for Vision or Rekognition Custom Labels, to FILE (model.tar.gz).

    It is what CreateModel takes as ModelDataUrl, once it lies in S3, with the image builtin/vision.
    """
    if file.exists():
        fail(f"{file} is there already: name another file, or take it away")
    with opened(data) as folder:
        try:
            _pack(_artifact(folder, arn), file)
        except OSError as error:
            fail(f"{file} could not be written: {error}")
    click.echo(f"{file}: {file.stat().st_size:,} bytes")


def _artifact(folder: Opened, arn: str) -> Path:
    """The model's folder; the command fails where there is none."""
    with folder.store.read() as connection:
        try:
            name = _name(connection, arn)
        except ValueError as error:
            fail(error)
    if name is None:
        fail(f"{arn} is not a trained model of {folder.root}: only trained ones have something to export")
    return folder.folder.artifacts / name


def _name(connection: Connection, arn: str) -> str | None:
    """The artifact's; None where there is no such model or it is not trained. ValueError where it is no model's ARN."""
    try:
        service = Arn.parse(arn).service
    except ValueError:
        service = ""
    if service == LOOKOUT:
        model = models.find(connection, parse_model_arn(arn))
        return None if model is None else model.artifact
    if service == REKOGNITION:
        version = versions.find(connection, parse_version(arn))
        return None if version is None else version.artifact
    raise ValueError(f"{arn!r} is not the ARN of a model: expected {_FORMS}")


def _pack(artifact: Path, file: Path) -> None:
    """Whole or not at all; the same model gives the same bytes."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with (
            temporary.open("wb") as out,
            gzip.GzipFile("", "wb", fileobj=out, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w|") as archive,
        ):
            for path in sorted(artifact.iterdir()):
                entry = tarfile.TarInfo(path.name)
                entry.size = path.stat().st_size
                with path.open("rb") as source:
                    archive.addfile(entry, source)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
