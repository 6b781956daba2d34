"""Every driver of this machine as one: an image goes to the first that runs it, under the name the table gives it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from relook.containers.api import CannotRun, Container, ContainerSpec, Driver, LogSink
from relook.containers.images import ImageTable


class Drivers:
    """Implements `Driver` over `drivers`, in order of preference."""

    def __init__(self, drivers: Sequence[Driver], table: ImageTable) -> None:
        self._drivers = tuple(drivers)
        self._table = table

    def runs(self, image: str) -> bool:
        return any(driver.runs(image) for driver in self._drivers)

    def start(self, spec: ContainerSpec, log: LogSink) -> Container:
        """See `api.Driver`."""
        image = self._table.resolve(spec.image)
        for driver in self._drivers:
            if driver.runs(image):
                return driver.start(replace(spec, image=image), log)
        raise CannotRun(
            f"nothing here runs the image {spec.image}: there is no container engine, and no runtime of ours"
        )

    def reap(self, prefix: str) -> None:
        """See `api.Driver`."""
        for driver in self._drivers:
            driver.reap(prefix)


def name_prefix(data: Path, use: str) -> str:
    """What the names of a server's containers begin with: one data folder's are not another's."""
    return f"relook-{hashlib.sha256(str(data.resolve()).encode()).hexdigest()[:10]}-{use}-"
