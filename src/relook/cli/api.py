"""`relook api`: which operations of which services this server offers. docs/api-coverage.md is made by it."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Iterable
from pathlib import Path

import click

from relook.app import offered
from relook.aws.operation import Service
from relook.datafolder import DataFolder
from relook.settings import Settings

_ABOUT = """# Operations

What this server offers of each service, printed by `relook api --markdown` from the code itself; a test keeps this page
true. What an operation does differently from the original is in [compatibility](compatibility.md). Every operation that
is not here is refused by name: UnknownOperationException where the service speaks JSON, NotImplemented by S3,
InvalidAction by services of the query protocol.
"""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON: operations by service.")
@click.option("--markdown", is_flag=True, help="Print the page of the documentation.")
def api(as_json: bool, markdown: bool) -> None:
    """List the operations that this server offers, by service."""
    services = asyncio.run(_services())
    if markdown:
        click.echo(page(services), nl=False)
        return
    found = {service.model.service_id.hyphenize(): _offered(service) for service in services}
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for name, operations in found.items():
        for operation in operations:
            click.echo(f"{name} {operation}")


async def _services() -> tuple[Service, ...]:
    """Those of a server with the default settings."""
    with tempfile.TemporaryDirectory(prefix="relook-") as name:
        folder = DataFolder(Path(name) / "data")
        folder.create()
        return await offered(Settings(folder.root))


def page(services: Iterable[Service]) -> str:
    """Markdown: a section for each service, in the order of their names; operations in that of theirs."""
    ordered = sorted(services, key=lambda service: str(service.model.service_id))
    return _ABOUT + "".join(_section(service) for service in ordered)


def _section(service: Service) -> str:
    names, model = _offered(service), service.model
    refused = sorted(name for name, each in service.operations.items() if not each.offered)
    count = f"{len(names)} operation{'' if len(names) == 1 else 's'}"
    lines = [
        f"\n## {model.service_id}\n",
        f"`{model.service_id.hyphenize()}`, API version {model.api_version}: {count}.\n",
        *(f"- {name}" for name in names),
    ]
    if refused:
        lines.append(f"\nKnown, but refused with a reason: {', '.join(refused)}.")
    return "\n".join(lines) + "\n"


def _offered(service: Service) -> list[str]:
    return sorted(name for name, each in service.operations.items() if each.offered)
