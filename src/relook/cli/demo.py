"""`relook demo`: from pictures to a found defect, as a client would do it."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.console import Console

_OUT = click.Path(path_type=Path, dir_okay=False)
_DATA = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.option("--images", type=click.Path(path_type=Path), help="Your pictures: a folder or a Lookout manifest.")
@click.option("--out", type=_OUT, default="demo-out/report.html", show_default=True, help="The HTML report.")
@click.option("--montage", type=_OUT, help="Also write a PNG with some found defects beside their masks.")
@click.option(
    "--weights", type=click.Path(path_type=Path), help="Import these weights into the server it starts first."
)
@click.option("--data", type=_DATA, help="Keep the data of the server it starts in this folder.")
@click.option("--endpoint-url", help="Use this server, with your AWS settings, and start none.")
@click.option("--keep-server", is_flag=True, help="Leave the server it starts running at the end.")
@click.option("--small", is_flag=True, help="Draw the smallest set the API trains on (only without --images).")
@click.option("--seed", type=int, default=7, show_default=True, help="Of the drawn set.")
def demo(
    images: Path | None,
    out: Path,
    montage: Path | None,
    weights: Path | None,
    data: Path | None,
    endpoint_url: str | None,
    keep_server: bool,
    small: bool,
    seed: int,
) -> None:
    """Train, host and ask a model, through the API alone.

    Starts a server with a fresh data folder, uploads pictures, trains, evaluates, starts the model, detects on
    pictures it has not seen, stops it, and writes a table and an HTML report. Without --images it draws a set.
    """
    from relook.demo.errors import DemoError
    from relook.demo.main import Options, demonstrate
    from relook.demo.progress import Screen

    if images is not None and small:
        raise click.UsageError("--small is about the drawn set; it cannot be combined with --images")
    if endpoint_url and (data or keep_server or weights):
        raise click.UsageError(
            "--data, --weights and --keep-server are about a server of its own; leave out --endpoint-url"
        )
    options = Options(images, out, montage, weights, data, endpoint_url, keep_server, small, seed)
    try:
        demonstrate(options, Screen(), Console(highlight=False))
    except DemoError as error:
        click.echo(f"relook demo: {error}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        click.echo("\nrelook demo: interrupted; the server it started has been stopped", err=True)
        sys.exit(130)
