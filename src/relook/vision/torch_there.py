"""Whether PyTorch, an extra, can be used: asked before a training begins, not found out in the middle of one."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec


def installed() -> bool:
    """Without loading it."""
    return find_spec("torch") is not None


def fault() -> str | None:
    """What keeps an installed PyTorch from being loaded, such as a library that is missing; None if nothing does."""
    try:
        import_module("torch")
    except (ImportError, OSError) as error:
        return str(error)
    return None
