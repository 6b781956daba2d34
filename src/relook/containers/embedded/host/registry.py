"""The models of a container: one that is always there, or many that come and go (multi-model)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from relook.containers.embedded.host.handlers import Model
from relook.containers.embedded.host.http import Request, Response

Load = Callable[[Path, str], Model]


@dataclass(slots=True)
class Entry:
    """A model; `turn` is held while it is asked."""

    name: str
    url: str
    model: Model
    turn: threading.Lock = field(default_factory=threading.Lock)


class AlreadyLoaded(Exception):
    """A model of that name is loaded."""


class NoModelData(Exception):
    """There is no folder where the model is said to be."""


class NotLoaded(Exception):
    """No model of that name is loaded."""


class Registry:
    """Used by several threads. Models are loaded one after another, while others answer."""

    def __init__(self, load: Load, watch: Callable[[Callable[[], Response]], Response]) -> None:
        self._load = load
        self._watch = watch
        self._entries: dict[str, Entry] = {}
        self._loading = threading.Lock()

    def load(self, name: str, url: str) -> None:
        """NoModelData, AlreadyLoaded, MemoryError, and whatever the user's code raises."""
        with self._loading:
            if name in self._entries:
                raise AlreadyLoaded(name)
            folder = Path(url)
            if not folder.is_dir():
                raise NoModelData(url)
            self._entries[name] = Entry(name, url, self._load(folder, name))

    def unload(self, name: str) -> None:
        """Waits for the call under way. NotLoaded."""
        with self.entry(name).turn:
            if self._entries.pop(name, None) is None:
                raise NotLoaded(name)

    def entry(self, name: str) -> Entry:
        """NotLoaded."""
        try:
            return self._entries[name]
        except KeyError:
            raise NotLoaded(name) from None

    def entries(self) -> list[Entry]:
        return sorted(self._entries.copy().values(), key=lambda entry: entry.name)

    def invoke(self, name: str, request: Request) -> Response:
        """NotLoaded. Calls of one model wait for one another."""
        entry = self.entry(name)
        with entry.turn:
            response = self._watch(lambda: entry.model.invoke(request))
        if response.pieces is None:
            return response
        return replace(response, pieces=_in_turn(entry, response.pieces))


def _in_turn(entry: Entry, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """An answer that is made piece by piece is still the model at work."""
    with entry.turn:
        yield from pieces
