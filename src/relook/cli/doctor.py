"""`relook doctor`: what this machine offers, and what to do about what is missing."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from relook.cli import options
from relook.cli.checks import Check, Status, run_checks

_STYLES = {Status.OK: "green", Status.WARN: "yellow", Status.FAIL: "bold red"}


@click.command()
@options.data
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(data: Path | None, as_json: bool) -> None:
    """Say what this machine offers: Python, CPU, threads, memory, runtime, weights, detectors, disk, GPU, container
    engine, sandbox.

    Exits with 1 when something is missing that Relook cannot do without, or that a setting asks for.
    """
    checks = run_checks(data or _default_data())
    if as_json:
        click.echo(json.dumps([asdict(check) for check in checks], indent=2))
    else:
        _print(checks)
    sys.exit(1 if any(check.status is Status.FAIL for check in checks) else 0)


def _default_data() -> Path:
    from relook.settings import default_data

    return default_data()


def _print(checks: list[Check]) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    for check in checks:
        text = escape(check.found) + (f"\n[dim]{escape(check.advice)}[/dim]" if check.advice else "")
        table.add_row(f"[{_STYLES[check.status]}]{check.status}[/]", check.name, text)
    Console(highlight=False).print(table)
