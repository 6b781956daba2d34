"""A small disk of its own, to be filled."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

DISK_BYTES = 90 * 1024 * 1024
"""Little more than a start asks for."""


def mount(folder: Path) -> None:
    """Skips where that is not allowed."""
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if done.returncode != 0:
        pytest.skip("a small file system cannot be mounted here: needs root and CAP_SYS_ADMIN")


def unmount(folder: Path) -> None:
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def resize(folder: Path, size: int) -> None:
    """While it is in use."""
    subprocess.run(["mount", "-o", f"remount,size={size}", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """Take every byte that is left; the file to remove again."""
    plug = disk / "plug"
    with plug.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    return plug
