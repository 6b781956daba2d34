from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandboxes import Sandboxes


@pytest.fixture
def sandboxes(tmp_path: Path) -> Iterator[Sandboxes]:
    made = Sandboxes(tmp_path)
    yield made
    made.end()
