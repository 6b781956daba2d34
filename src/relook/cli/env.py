"""`relook env`: what clients need to know, as shell exports."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from relook.cli import options
from relook.cli.failing import fail
from relook.datafolder import DataFolder, DataFolderError
from relook.iam.keys import KeyFileError, administrators_key
from relook.settings import SettingsError, load


@click.command()
@options.data
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object instead.")
def env(data: Path | None, as_json: bool) -> None:
    """Print the exports that point today's boto3 and AWS CLI at the running server: eval "$(relook env)".

    Older ones do not heed AWS_ENDPOINT_URL, which is said in a comment, and on standard error at a terminal. Exits
    with 1 as long as no server of the data folder answers, so it can be polled.
    """
    announce(client_environment(data), as_json)
    if not as_json:
        click.echo(f"# {_OLDER}")  # last, so that an eval without quotes loses nothing
    if sys.stderr.isatty():
        click.echo(f"note: {_OLDER}", err=True)


_OLDER = (
    "boto3 before 1.28, AWS CLI v1 before 1.29 and v2 before 2.13 ignore AWS_ENDPOINT_URL and would call AWS itself: "
    "give them endpoint_url= or --endpoint-url"
)


def announce(values: Mapping[str, str], as_json: bool) -> None:
    """Print variables, as exports of a shell or as JSON."""
    if as_json:
        click.echo(json.dumps(values, indent=2))
        return
    for name, value in values.items():
        click.echo(f"export {name}={shlex.quote(value)}")


def client_environment(data: Path | None) -> dict[str, str]:
    """What leads boto3 and the AWS CLI to the server of a data folder; fails as a command does if there is none."""
    try:
        return _environment(data)
    except (SettingsError, DataFolderError, KeyFileError) as error:
        fail(error)


def _environment(data: Path | None) -> dict[str, str]:
    settings = load(data)
    folder = DataFolder(settings.data)
    endpoint = folder.address()
    if endpoint is None:
        if folder.served():
            raise DataFolderError(
                f"the server on {folder.root} is starting and has no address yet: ask again in a moment"
            )
        start = f"relook serve --data {shlex.quote(str(folder.root))}"
        raise DataFolderError(f"no server runs on {folder.root}: start one with {start}")
    key = administrators_key(folder.key)
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": key.access_key_id,
        "AWS_SECRET_ACCESS_KEY": key.secret,
        "AWS_REGION": settings.region,
        "AWS_DEFAULT_REGION": settings.region,
        "AWS_DATA_PATH": str(folder.models),
    }
