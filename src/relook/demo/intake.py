"""Taking files in: each is decoded once to see that it can be used; what cannot is listed, not silently dropped."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from relook.demo.errors import PicturesError
from relook.demo.pictures import Encoded, Mask, Picture, Truth
from relook.demo.prepare import EXTENSIONS, prepare

_NAMED = 4
"""How many file names a note lists before it counts the rest."""
_WORKERS = 4
Tick = Callable[[int, int], None]
"""Called with the files looked at and the files in all."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that may become a picture. `mask` is asked for the mask once the image is known to be usable."""

    path: Path
    name: str
    truth: Truth
    mask: Callable[[Encoded], Mask | None] | None = None
    line: dict[str, object] | None = None


class Intake:
    """Turns candidates into pictures and keeps account of what was skipped or changed."""

    def __init__(self, tick: Tick | None = None) -> None:
        self._tick = tick
        self._done = 0
        self._skipped: dict[str, list[str]] = {}
        self._changed: dict[str, list[str]] = {}
        self._unusable: dict[str, list[str]] = {}

    def pictures(self, *groups: Sequence[Candidate]) -> tuple[tuple[Picture, ...], ...]:
        """The usable ones of each group, in the order given."""
        total = sum(len(group) for group in groups)
        with ThreadPoolExecutor(_WORKERS) as pool:
            return tuple(self._group(group, pool, total) for group in groups)

    def _group(self, candidates: Sequence[Candidate], pool: ThreadPoolExecutor, total: int) -> tuple[Picture, ...]:
        found: list[Picture] = []
        for candidate, outcome, change in pool.map(_take, candidates):
            if isinstance(outcome, Picture):
                found.append(outcome)
                if change:
                    self._changed.setdefault(change, []).append(candidate.name)
            else:
                self.skip(candidate.name, outcome)
                self._unusable.setdefault(outcome, []).append(candidate.name)
            self._done += 1
            if self._tick:
                self._tick(self._done, total)
        return tuple(found)

    def skip(self, name: str, reason: str) -> None:
        self._skipped.setdefault(reason, []).append(name)

    @property
    def unusable(self) -> dict[str, tuple[str, ...]]:
        """Images that were skipped for what they are, by reason."""
        return {reason: tuple(names) for reason, names in self._unusable.items()}

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence for each reason."""
        skipped = [f"Skipped {listed(names)}: {reason}." for reason, names in self._skipped.items()]
        changed = [f"Changed before upload ({change}): {listed(names)}." for change, names in self._changed.items()]
        return (*skipped, *changed)


def _take(candidate: Candidate) -> tuple[Candidate, Picture | str, str]:
    """A picture, or why it is none, and what has to be changed about the file."""
    try:
        encoded = prepare(candidate.path)
        mask = candidate.mask(encoded) if candidate.mask else None
    except PicturesError as error:
        return candidate, str(error), ""
    picture = Picture(
        name=candidate.name,
        truth=candidate.truth,
        size=encoded.size,
        load=lambda: prepare(candidate.path),
        mask=mask,
        line=candidate.line,
    )
    return candidate, picture, encoded.change


def listed(names: Sequence[str]) -> str:
    """`a, b, c and 12 more`."""
    shown = ", ".join(names[:_NAMED])
    return shown if len(names) <= _NAMED else f"{shown} and {len(names) - _NAMED} more"


def files_under(folder: Path) -> list[Path]:
    """Every visible file below a folder, `2.png` before `10.png`."""
    visible = (path for path in folder.rglob("*") if not _hidden(path.relative_to(folder)) and path.is_file())
    return sorted(visible, key=natural)


def images_under(folder: Path, root: Path, intake: Intake) -> list[Path]:
    """The image files below a folder; other files are put on the intake's list of skipped ones."""
    images = []
    for path in files_under(folder):
        if path.suffix.lower() in EXTENSIONS:
            images.append(path)
        else:
            intake.skip(path.relative_to(root).as_posix(), "not an image file")
    return images


def natural(path: Path) -> tuple[tuple[int, str], ...]:
    """A sort key that puts numbers in numeric order."""
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path.as_posix()))


def _hidden(relative: Path) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in relative.parts)
