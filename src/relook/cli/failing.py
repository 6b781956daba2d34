"""How commands fail: one line that names the thing, the rule and the fix, and exit code 1."""

from __future__ import annotations

from typing import NoReturn

import click


def fail(error: BaseException | str) -> NoReturn:
    """End the command with exit code 1 and the error's words on standard error."""
    raise click.ClickException(str(error))
