"""The pool of generated pictures on disk: drawn by several processes, and gone on with after a stop.

Pictures are appended in order, so a file that is too short tells how far it came. Writing goes through the file, not
through a memory map, because a disk that fills up under a map kills the process.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from relook.vision.images import Pixels
from relook.vision.pretrain.pictures import SIDE, picture
from relook.vision.pretrain.recipe import PretrainError, Stopped

NAME = "pictures.npy"
_BLOCK = 32
"""Pictures of one process between two looks at `stop`: about a second."""
_ROW = SIDE * SIDE * 3


@dataclass(frozen=True, slots=True)
class Processes:
    """How many draw at once, and what each calls first, such as what ties its life to this process's."""

    count: int = 1
    prepare: Callable[[], None] | None = None


def drawn(
    folder: Path,
    seed: int,
    count: int,
    processes: Processes,
    progress: Callable[[int, int], None],
    stop: Callable[[], bool],
) -> npt.NDArray[np.uint8]:
    """Pictures 0 to `count - 1` of `seed`, (count, SIDE, SIDE, 3) RGB, memory-mapped from `folder`/pictures.npy.

    What is missing there is drawn first; the bytes do not depend on the number of processes. `progress` is given the
    pictures there and wanted. Raises Stopped when `stop` says so, OSError where the disk fails, and PretrainError when
    the file holds other pictures or the disk lacks the space.
    """
    path = folder / NAME
    header = _header(count)
    done = _there(path, header, seed, count)
    if done < count:
        _room(path, (count - done) * _ROW)
        with path.open("r+b" if path.exists() else "xb") as file:
            file.truncate(len(header) + done * _ROW if done else 0)
            file.seek(0, io.SEEK_END)
            if not done:
                file.write(header)
            for pixels in _pictures(seed, done, count, processes, stop):
                file.write(pixels.tobytes())
                done += 1
                progress(done, count)
            file.flush()
            os.fsync(file.fileno())
    if done < count:
        raise Stopped(f"stopped with {done} of {count} pictures drawn; they are kept")
    pool: npt.NDArray[np.uint8] = np.load(path, mmap_mode="r")
    return pool


def _header(count: int) -> bytes:
    with io.BytesIO() as file:
        facts = {"descr": "|u1", "fortran_order": False, "shape": (count, SIDE, SIDE, 3)}
        np.lib.format.write_array_header_1_0(file, facts)
        return file.getvalue()


def _there(path: Path, header: bytes, seed: int, count: int) -> int:
    """Whole pictures in the file. The first and the last are drawn again, which tells another seed, generator or a
    torn end."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            begin = file.read(len(header))
            done = max(0, size - len(header)) // _ROW
            if not header.startswith(begin) or done > count:
                raise PretrainError(
                    f"{path} does not hold {count} pictures; give the number it was made with, delete it, or name "
                    "another folder"
                )
            for index in {0, done - 1} if done else ():
                file.seek(len(header) + index * _ROW)
                if file.read(_ROW) != picture(seed, index).tobytes():
                    raise PretrainError(
                        f"{path} does not hold the pictures that this version draws from seed {seed}; delete it, or "
                        "name another folder"
                    )
    except FileNotFoundError:
        return 0
    return done


def _room(path: Path, needed: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if free < needed:
        raise PretrainError(
            f"the pictures need {needed / 1e9:.1f} GB more and {path.parent} has {free / 1e9:.1f} GB free; free some, "
            "name another folder, or take fewer --pictures"
        )


def _pictures(seed: int, first: int, count: int, processes: Processes, stop: Callable[[], bool]) -> Iterator[Pixels]:
    """In order, until `stop` says so. Submitted by blocks, so that a slow disk does not fill the memory."""
    draw = partial(picture, seed)
    if processes.count == 1:
        for index in range(first, count):
            if stop():
                return
            yield draw(index)
        return
    context = multiprocessing.get_context("spawn")  # a fork would copy the locks of other threads as they are
    begin = partial(_begin, processes.prepare)
    try:
        with ProcessPoolExecutor(processes.count, context, begin) as executor:
            block = _BLOCK * processes.count
            for start in range(first, count, block):
                if stop():
                    return
                yield from executor.map(draw, range(start, min(start + block, count)), chunksize=8)
    except BrokenProcessPool as error:
        raise PretrainError(
            "a process that draws pictures was ended from outside, perhaps for want of memory; the same command goes on"
        ) from error


def _begin(prepare: Callable[[], None] | None) -> None:
    """In a child: a Ctrl-C at the terminal is for the parent to act on."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if prepare is not None:
        prepare()
