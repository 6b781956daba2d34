from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from crash_disk import mount, unmount


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, small enough to be filled."""
    mounted = tmp_path / "data"  # the log lies beside it
    mounted.mkdir()
    mount(mounted)
    yield mounted
    unmount(mounted)
