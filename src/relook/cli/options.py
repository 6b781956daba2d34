"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

data = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="The data folder. [env: RELOOK_DATA; default: relook in the user's data folder, ~/.local/share/relook]",
)
