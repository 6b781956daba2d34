"""From a folder of model data to a model that answers."""

from __future__ import annotations

import importlib
import time
from pathlib import Path

from relook.containers.embedded.host import program
from relook.containers.embedded.host.context import Context
from relook.containers.embedded.host.handlers import Model, choose
from relook.containers.embedded.host.settings import HostSettings


def load(runtime: str, folder: Path, name: str, settings: HostSettings) -> Model:
    """Raises whatever the user's code raises, and for a model that is not there."""
    began = time.monotonic()
    file = program.find(folder, settings)
    alone = not settings.multi_model
    user = None if file is None else program.load(file, program.code_folder(folder, settings), alone)
    handlers = choose(user, importlib.import_module(f"relook.containers.embedded.host.runtimes.{runtime}"))
    model = Model(handlers, Context(folder, name), settings.accept)
    whose = f"{runtime} runtime" + (f" with {file.name}" if file else "")
    print(f"relook: {name} loaded in {time.monotonic() - began:.2f} s by the {whose}", flush=True)
    return model
