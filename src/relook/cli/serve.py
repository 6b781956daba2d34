"""`relook serve`: the server, in the foreground."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from relook import logs
from relook.cli import options
from relook.cli.failing import fail
from relook.datafolder import DataFolderError
from relook.iam.keys import KeyFileError
from relook.jobs.lock import WorkerRunning
from relook.server import ServerError
from relook.server import serve as run
from relook.settings import SettingsError, load, refuse_unknown, usual_data
from relook.store.engine import DatabaseUnusable, StorageFull
from relook.store.migrate import SchemaTooNew

_FORESEEN = (
    SettingsError,
    DataFolderError,
    KeyFileError,
    WorkerRunning,
    ServerError,
    StorageFull,
    DatabaseUnusable,
    SchemaTooNew,
)


@click.command()
@options.data
@click.option("--host", help="The address to listen on. [default: 127.0.0.1, this machine only]")
@click.option("--port", type=int, help="The port; 0 takes any free one. [default: 8484]")
@click.option("--account", help="The administrator's account, 12 digits. [default: 000000000000]")
@click.option("--s3-host", help="Host name under which S3 also takes bucket.name addresses.")
def serve(data: Path | None, host: str | None, port: int | None, account: str | None, s3_host: str | None) -> None:
    """Start the server and stay in the foreground; Ctrl-C or SIGTERM ends it in good order.

    Everything lies in one data folder. The first start makes the administrator's access key there. Every setting can
    also stand in the environment as RELOOK_NAME or in relook.toml in the data folder; flags win. Logs are JSON lines
    on standard error.
    """
    logs.configure()
    try:
        refuse_unknown()
        settings = load(data, host=host, port=port, account=account, s3_host=s3_host)
        run(settings, lambda endpoint: click.echo(f"serving {endpoint}; in another shell: {_next(settings.data)}"))
    except _FORESEEN as error:
        fail(error)
    except OSError as error:
        fail(f"the server cannot go on: {error}")


def _next(data: Path) -> str:
    """What to type in another shell, which need not have RELOOK_DATA."""
    option = "" if data == usual_data() else f" --data {shlex.quote(str(data))}"
    return f'eval "$(relook env{option})"'
