from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from lookout_world import World


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with images and nothing else: every put waits for the disk, so it is made once and copied."""
    root = tmp_path_factory.mktemp("pictures")
    made = World(root)
    made.lines(34, 20, mask={"scratch": "#111111"})
    made.lines(10, 10, "test/")
    made.close()
    return root


@pytest.fixture
def world(tmp_path: Path, pictures: Path) -> Iterator[World]:
    shutil.copytree(pictures, tmp_path, dirs_exist_ok=True)
    made = World(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Path:
    """A data folder with one trained model, made once and copied."""
    root = tmp_path_factory.mktemp("trained")
    shutil.copytree(pictures, root, dirs_exist_ok=True)
    made = World(root)
    made.trained()
    made.close()
    return root


@pytest.fixture
def trained_world(tmp_path: Path, trained: Path) -> Iterator[World]:
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    made = World(tmp_path)
    yield made
    made.close()
