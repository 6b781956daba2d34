"""`relook sdk`: teach this user's boto3 and AWS CLI to speak Lookout for Vision again, for good."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from botocore.loaders import Loader

from relook.aws.sdk_files import State, model_paths, models_state, remove_models, write_models

DEFAULT = Path(Loader.CUSTOMER_DATA_PATH)

_path = click.option(
    "--path",
    "root",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT,
    show_default=True,
    help="The models folder; one that is not the default must be named by AWS_DATA_PATH when a client runs.",
)
_force = click.option("--force", is_flag=True, help="Also when the description there is not from Relook.")

_ABOUT = {
    State.ABSENT: "no description of lookoutvision here; `relook sdk install` writes it",
    State.CURRENT: "the description of lookoutvision is installed and up to date",
    State.OUTDATED: "a description of another version of Relook; `relook sdk install` brings it up to date",
    State.FOREIGN: "a description of lookoutvision that is not from Relook; `relook sdk install --force` replaces it",
}


@click.group()
def sdk() -> None:
    """Put the description of Lookout for Vision where boto3 and the AWS CLI look for it."""


@sdk.command()
@_path
@_force
def install(root: Path, force: bool) -> None:
    """Write the description. Run it again at any time; no other file there is touched."""
    with _worded(root):
        _refuse_foreign(root, force)
        changed = write_models(root)
    for path in changed:
        click.echo(f"wrote {path}")
    if not changed:
        click.echo(f"already up to date: {root}")
    if root.absolute() != DEFAULT:
        click.echo(f'This is not the default folder, so tell clients of it: export AWS_DATA_PATH="{root.absolute()}"')
    click.echo('Next, with a server running: eval "$(relook env)" && aws lookoutvision list-projects')


@sdk.command()
@_path
@_force
def uninstall(root: Path, force: bool) -> None:
    """Remove the description, and nothing else."""
    with _worded(root):
        _refuse_foreign(root, force)
        removed = remove_models(root)
    for path in removed:
        click.echo(f"removed {path}")
    if not removed:
        click.echo(f"nothing to remove in {root}")


@sdk.command()
@_path
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(root: Path, as_json: bool) -> None:
    """Say whether the description is installed, and where."""
    with _worded(root):
        state = models_state(root)
        files = [str(path) for path in model_paths(root) if path.is_file()]
    if as_json:
        click.echo(json.dumps({"path": str(root), "status": state.value, "files": files}))
        return
    click.echo(f"{root}: {state.value}")
    click.echo(_ABOUT[state])
    for path in files:
        click.echo(f"  {path}")


def _refuse_foreign(root: Path, force: bool) -> None:
    if not force and models_state(root) is State.FOREIGN:
        raise click.ClickException(
            f"{model_paths(root)[0]} describes lookoutvision but is not from Relook, so it is left alone. "
            "Pass --force, or choose another folder with --path."
        )


@contextmanager
def _worded(root: Path) -> Iterator[None]:
    """Turns what the file system refuses into a message that names the file, the reason and the way out."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise click.ClickException(
            f"{error.filename or root}: {reason}. Make it readable and writable for this user, or choose another "
            "folder with --path."
        ) from error
