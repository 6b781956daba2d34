"""How many threads torch takes. Imports torch: for a training's process alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from relook.control_groups import usable_cpus


@contextmanager
def torch_threads(wanted: int | None) -> Iterator[int]:
    """Of torch in this process, as long as this runs; None: as many as can compute at a time."""
    before = torch.get_num_threads()
    torch.set_num_threads(wanted or usable_cpus())
    try:
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)
