from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from relook.blobs.folder import FolderBlobs
from relook.store.engine import Store

ACCOUNT = "123456789012"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "relook.db")
    yield opened
    opened.close()


@pytest.fixture
def blobs(tmp_path: Path, store: Store) -> FolderBlobs:
    ticks = count(1_700_000_000_000, 1000)
    made = FolderBlobs(store, tmp_path / "objects", lambda: next(ticks))
    made.buckets.create(ACCOUNT, "us-east-1", "bucket")
    return made
