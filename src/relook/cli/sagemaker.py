"""`relook sagemaker`: what the SageMaker SDK needs to know beside what every client does."""

from __future__ import annotations

import os
from pathlib import Path

import click

from relook.cli import options
from relook.cli.env import announce, client_environment

_HELP = Path(__file__).resolve().parents[1] / "sdkhelp"


@click.group()
def sagemaker() -> None:
    """Set the SageMaker Python SDK up for this server."""


@sagemaker.command()
@options.data
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object instead.")
def env(data: Path | None, as_json: bool) -> None:
    """Print the exports for the SageMaker SDK, v2 and v3: eval "$(relook sagemaker env)".

    Those of `relook env`; PYTHONPATH with a sitecustomize that leads the SDK's hard-wired STS clients here; a
    configuration of the SDK that opts out of its telemetry; and v3 told not to check roles. Exits with 1 as long as no
    server of the data folder answers.
    """
    announce(client_environment(data) | _of_the_sdk(), as_json)


def _of_the_sdk() -> dict[str, str]:
    before = [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]
    path = [str(_HELP), *(folder for folder in before if folder != str(_HELP))]
    return {
        "PYTHONPATH": os.pathsep.join(path),
        "SAGEMAKER_USER_CONFIG_OVERRIDE": str(_HELP / "config.yaml"),
        "SAGEMAKER_VALIDATE_ROLE": "false",  # v3 would ask IAM what the role may do, which here is not looked at yet
    }
