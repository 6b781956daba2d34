from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from version_world import World


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with images and nothing else: every put waits for the disk, so it is made once and copied."""
    root = tmp_path_factory.mktemp("pictures")
    made = World(root)
    made.labelled(10, "red", "green")
    made.labelled(3, "red", "green", prefix="test/")
    made.boxed(5, "red", "blue")
    made.boxed(3, "red", "blue", prefix="test/")
    made.close()
    return root


@pytest.fixture
def world(tmp_path: Path, pictures: Path) -> Iterator[World]:
    shutil.copytree(pictures, tmp_path, dirs_exist_ok=True)
    made = World(tmp_path)
    yield made
    made.close()
