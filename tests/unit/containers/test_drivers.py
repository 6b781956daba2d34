from __future__ import annotations

from pathlib import Path

import pytest

from relook.containers.api import CannotRun, Container, ContainerSpec, LogSink
from relook.containers.drivers import Drivers, name_prefix
from relook.containers.embedded.driver import EmbeddedDriver
from relook.containers.engine.driver import EngineDriver
from relook.containers.images import ImageTable


class Recording:
    """Takes every image and runs none: what it is asked to start is the outcome."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.reaped: list[str] = []

    def runs(self, image: str) -> bool:
        return not image.startswith("builtin/")

    def start(self, spec: ContainerSpec, log: LogSink) -> Container:
        self.asked.append(spec.image)
        raise CannotRun(spec.image)

    def reap(self, prefix: str) -> None:
        self.reaped.append(prefix)


def spec(image: str) -> ContainerSpec:
    return ContainerSpec("x", image, ("serve",))


def silent(line: str) -> None:
    """Nobody reads it."""


def test_the_table_renames_what_goes_to_the_engine() -> None:
    engine = Recording()
    drivers = Drivers([EmbeddedDriver(), engine], ImageTable({"mine": "registry/other:2", "builtin-like": "engine"}))
    for image in ("mine:1", "builtin-like", "plain"):
        with pytest.raises(CannotRun):
            drivers.start(spec(image), silent)
    assert engine.asked == ["registry/other:2", "builtin-like", "plain"]


def test_an_image_that_nothing_runs_is_refused_by_name() -> None:
    drivers = Drivers([Recording()], ImageTable())
    assert not drivers.runs("builtin/python")
    with pytest.raises(CannotRun, match="nothing here runs the image builtin/python"):
        drivers.start(spec("builtin/python"), silent)


def test_without_an_engine_the_missing_engine_is_named() -> None:
    drivers = Drivers([EmbeddedDriver(), EngineDriver("none")], ImageTable())
    with pytest.raises(CannotRun, match="engine"):
        drivers.start(spec("somebody/image:1"), silent)


def test_every_driver_clears_away_what_has_the_prefix() -> None:
    first, second = Recording(), Recording()
    Drivers([first, second], ImageTable()).reap("relook-1-")
    assert first.reaped == second.reaped == ["relook-1-"]


def test_two_data_folders_have_names_of_their_own(tmp_path: Path) -> None:
    assert name_prefix(tmp_path / "a", "endpoint") != name_prefix(tmp_path / "b", "endpoint")
    assert name_prefix(tmp_path / "a" / ".." / "a", "endpoint") == name_prefix(tmp_path / "a", "endpoint")
    assert name_prefix(tmp_path, "endpoint").endswith("-endpoint-")
