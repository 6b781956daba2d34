"""The `relook` command. Each noun lies in a file of its own and is imported only when it is called."""

from __future__ import annotations

import importlib

import click

import relook

_COMMANDS = {
    "serve": "relook.cli.serve:serve",
    "env": "relook.cli.env:env",
    "api": "relook.cli.api:api",
    "check": "relook.cli.check:check",
    "demo": "relook.cli.demo:demo",
    "doctor": "relook.cli.doctor:doctor",
    "export": "relook.cli.export:export",
    "jobs": "relook.cli.jobs:jobs",
    "pretrain": "relook.cli.pretrain:pretrain",
    "sagemaker": "relook.cli.sagemaker:sagemaker",
    "sdk": "relook.cli.sdk:sdk",
    "weights": "relook.cli.weights:weights",
    "_worker": "relook.cli.internal:worker",
    "_job": "relook.cli.internal:job",
}


class _Lazy(click.Group):
    def list_commands(self, context: click.Context) -> list[str]:
        return [name for name in _COMMANDS if not name.startswith("_")]

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        module, attribute = _COMMANDS[name].split(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command


@click.group(cls=_Lazy)
@click.version_option(relook.__version__, prog_name="relook")
def main() -> None:
    """A self-hosted machine-vision service: the AWS APIs of Lookout for Vision, Custom Labels and SageMaker."""
