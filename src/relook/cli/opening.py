"""The rows of a data folder, for commands that read them beside a server or without one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from relook.cli.failing import fail
from relook.datafolder import DataFolder, DataFolderError
from relook.settings import SettingsError, load
from relook.store.engine import DatabaseUnusable, StorageFull, Store
from relook.store.migrate import SchemaTooNew


@dataclass(frozen=True, slots=True)
class Opened:
    """A data folder with its rows; `served`: a server runs on it."""

    folder: DataFolder
    store: Store
    served: bool

    @property
    def root(self) -> Path:
        return self.folder.root


@contextmanager
def opened(data: Path | None) -> Iterator[Opened]:
    """The folder of `--data`, or that of the settings; the command fails where no server has ever run on it."""
    try:
        folder = DataFolder(load(data).data)
        served = folder.served()
    except (SettingsError, DataFolderError) as error:
        fail(error)
    if not folder.database.exists():
        fail(f"{folder.root}: no server has run on this data folder: name the right one with --data")
    try:
        store = Store.open(folder.database)
    except (DatabaseUnusable, SchemaTooNew, StorageFull, OSError) as error:
        fail(error)
    try:
        yield Opened(folder, store, served)
    finally:
        store.close()
