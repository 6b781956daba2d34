"""What the user sees while it runs: bars with the time left at a terminal, plain lines elsewhere; all on stderr."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_COUNT = re.compile(r"(\d+)\s*(?:/|of)\s*(\d+)")
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%")


class Bar:
    """One step's progress."""

    def __init__(self, screen: Screen, title: str, progress: Progress | None) -> None:
        self._screen = screen
        self._title = title
        self._progress = progress
        self._task = progress.add_task(escape(title), total=None) if progress else None
        self._said = ""

    def at(self, done: int, total: int) -> None:
        if self._progress and self._task is not None:
            self._progress.update(self._task, completed=done, total=total)

    def message(self, text: str) -> None:
        """Show a StatusMessage; a "12 of 63" or "40 %" in it moves the bar, and a new stage starts it afresh."""
        stage = _stage(text)
        if self._progress and self._task is not None:
            if stage != self._said:
                self._progress.reset(self._task, total=None, description=escape(stage or self._title))
            position = position_in(text)
            if position:
                self._progress.update(self._task, completed=position[0], total=position[1])
        elif stage != self._said:
            self._screen.say(f"  {stage}")
        self._said = stage


class Screen:
    """Writes to a console; bars only where it is a terminal."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False)
        self._began = time.monotonic()

    def say(self, text: str) -> None:
        self.console.print(escape(text))

    def heading(self, text: str) -> None:
        self.console.print(f"[bold]{escape(text)}[/bold]")

    @contextmanager
    def step(self, title: str) -> Iterator[Bar]:
        """A step with a bar while it runs, and a line with its time when it is done."""
        began = time.monotonic()
        if self.console.is_terminal:
            with self._bars() as progress:
                yield Bar(self, title, progress)
        else:
            self.say(f"{title} ..")
            yield Bar(self, title, None)
        self.console.print(f"[green]ok[/green] {escape(title)} [dim]({time.monotonic() - began:.1f} s)[/dim]")

    def _bars(self) -> Progress:
        return Progress(
            TextColumn("   {task.description}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=self.console,
            transient=True,
        )


def position_in(message: str) -> tuple[float, float] | None:
    """How far a StatusMessage says it is: "12 of 63", "12/63" or "19 %"; None when it does not say."""
    if found := _COUNT.search(message):
        done, total = float(found[1]), float(found[2])
        return (done, total) if total > 0 and done <= total else None
    if found := _PERCENT.search(message):
        return min(float(found[1]), 100.0), 100.0
    return None


def _stage(message: str) -> str:
    """The message without its figures, so that a new figure is no new stage."""
    return _PERCENT.sub("", _COUNT.sub("", message)).replace("()", "").strip(" :,.-")
