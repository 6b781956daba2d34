"""Finding and loading the user's module of handlers."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from relook.containers.embedded.host.settings import HostSettings, SettingError


def paths(environment: dict[str, str]) -> list[str]:
    """What PYTHONPATH names: the interpreter itself was started without looking at it."""
    return [each for each in environment.get("PYTHONPATH", "").split(os.pathsep) if each]


def code_folder(model: Path, settings: HostSettings) -> Path:
    """`code/` of the model data, or wherever SAGEMAKER_SUBMIT_DIRECTORY says that it is on this file system."""
    named = os.environ.get("SAGEMAKER_SUBMIT_DIRECTORY", "").removeprefix("file://")
    if settings.multi_model or not named.startswith("/"):
        return model / "code"
    return Path(named)


def find(model: Path, settings: HostSettings) -> Path | None:
    """The module's file; None where there is none and nobody asked for one. SettingError for one that is missing."""
    for folder in (code_folder(model, settings), model, *map(Path, paths(dict(os.environ)))):
        file = folder / settings.program
        if file.is_file():
            return file
    if "SAGEMAKER_PROGRAM" in os.environ:
        submitted = os.environ.get("SAGEMAKER_SUBMIT_DIRECTORY", "")
        hint = f"; SAGEMAKER_SUBMIT_DIRECTORY ({submitted}) is not fetched here" if submitted.startswith("s3:") else ""
        text = f"SAGEMAKER_PROGRAM is {settings.program!r}, which is not in code/ of the model data"
        raise SettingError(text + hint + "; put it there")
    return None


def load(file: Path, folder: Path, alone: bool) -> ModuleType:
    """Run the module. What it imports is found in its own folder first; whatever it raises is the user's to see.

    With several models in one process (`alone` is false), what one model's folder gave is not taken for another's.
    """
    from relook.containers.embedded.host import toolkit

    toolkit.install()
    if (folder / "requirements.txt").is_file():
        print("relook: code/requirements.txt is not installed here: what is imported must be in the server's Python")
    name = file.stem if alone else f"_relook_model_{abs(hash(str(file)))}"
    with _importing_from((file.parent, folder), alone):
        specification = importlib.util.spec_from_file_location(name, file)
        assert specification is not None
        assert specification.loader is not None
        module = importlib.util.module_from_spec(specification)
        sys.modules[name] = module
        specification.loader.exec_module(module)
    return module


@contextmanager
def _importing_from(folders: tuple[Path, ...], alone: bool) -> Iterator[None]:
    added = [each for each in dict.fromkeys(map(str, folders)) if each not in sys.path]
    before = set(sys.modules)
    sys.path[:0] = added
    importlib.invalidate_caches()
    try:
        yield
    finally:
        if not alone:
            for path in added:
                sys.path.remove(path)
            for name in set(sys.modules) - before:
                file = getattr(sys.modules[name], "__file__", None) or ""
                if any(file.startswith(f"{path}/") for path in added) and not name.startswith("_relook_model_"):
                    del sys.modules[name]
