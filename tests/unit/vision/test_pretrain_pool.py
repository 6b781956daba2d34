"""The pool of pictures on disk: the same however it came to be, gone on with, and never another's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from relook.vision.pretrain.pictures import SIDE, picture
from relook.vision.pretrain.pool import NAME, Processes, drawn
from relook.vision.pretrain.recipe import PretrainError, Stopped


def ignore(done: int, total: int) -> None:
    pass


def never() -> bool:
    return False


def fill(folder: Path, seed: int = 1, count: int = 6) -> np.ndarray:
    return drawn(folder, seed, count, Processes(), ignore, never)


def test_the_number_of_processes_changes_no_byte(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    pool = fill(one, count=20)
    drawn(two, 1, 20, Processes(2), ignore, never)
    assert (pool.shape, pool.dtype) == ((20, SIDE, SIDE, 3), np.uint8)
    assert isinstance(pool, np.memmap)
    assert np.array_equal(pool[13], picture(1, 13))
    assert (one / NAME).read_bytes() == (two / NAME).read_bytes()


@pytest.mark.parametrize("torn", [0, 5000])
def test_a_stopped_pool_is_gone_on_with(tmp_path: Path, torn: int) -> None:
    seen: list[int] = []

    def note(done: int, total: int) -> None:
        seen.append(done)

    with pytest.raises(Stopped, match="3 of 6 pictures"):
        drawn(tmp_path, 1, 6, Processes(), note, lambda: len(seen) == 3)
    with (tmp_path / NAME).open("ab") as file:
        file.write(bytes(torn))  # half a picture, as after a crash
    pool = drawn(tmp_path, 1, 6, Processes(), note, never)
    assert seen == [1, 2, 3, 4, 5, 6]
    assert all(np.array_equal(pool[index], picture(1, index)) for index in range(6))
    drawn(tmp_path, 1, 6, Processes(), note, never)
    assert len(seen) == 6


@pytest.mark.parametrize(
    ("seed", "count", "reason"),
    [(2, 6, "from seed 2; delete it"), (1, 5, "does not hold 5 pictures"), (1, 7, "does not hold 7 pictures")],
)
def test_other_pictures_are_refused_and_kept(tmp_path: Path, seed: int, count: int, reason: str) -> None:
    fill(tmp_path)
    before = (tmp_path / NAME).read_bytes()
    with pytest.raises(PretrainError, match=reason):
        fill(tmp_path, seed, count)
    assert (tmp_path / NAME).read_bytes() == before


def test_damage_at_the_end_is_noticed(tmp_path: Path) -> None:
    fill(tmp_path)
    raw = bytearray((tmp_path / NAME).read_bytes())
    raw[-9:] = bytes(9)
    (tmp_path / NAME).write_bytes(raw)
    with pytest.raises(PretrainError, match=r"pictures\.npy does not hold the pictures"):
        fill(tmp_path)


def test_a_disk_too_small_is_told_before_anything_is_drawn(tmp_path: Path) -> None:
    with pytest.raises(PretrainError, match=r"the pictures need 307200000\.0 GB more and .* GB free"):
        fill(tmp_path, count=10**12)
    assert not (tmp_path / NAME).exists()


def test_a_disk_that_fills_up_ends_it_with_an_error_and_whole_pictures(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: the kernel refuses a write in the same place."""
    code = (
        "import pathlib, resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))\n"
        "from relook.vision.pretrain.pool import Processes, drawn\n"
        "try:\n"
        "    drawn(pathlib.Path(sys.argv[1]), 1, 6, Processes(), lambda done, total: None, lambda: False)\n"
        "except OSError as error:\n"
        "    print(error.strerror)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "File too large"
    assert (tmp_path / NAME).stat().st_size <= 1_000_000
    assert np.array_equal(fill(tmp_path)[5], picture(1, 5))


def test_a_process_that_dies_is_told(tmp_path: Path) -> None:
    with pytest.raises(PretrainError, match="ended from outside"):
        drawn(tmp_path, 1, 6, Processes(2, sys.exit), ignore, never)
