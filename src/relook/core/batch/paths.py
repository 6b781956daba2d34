"""The paths that InputFilter and OutputFilter take: a small part of JSONPath.

| piece | chooses |
|---|---|
| `$` | the whole record; every path begins with it |
| `.name`, `['name']` | a member of an object |
| `['a','b']` | some members, as an object |
| `[0]`, `[-1]` | an element of an array, from its end when negative |
| `[1:]`, `[:5]`, `[2:5]`, `[0,5:]` | some elements, as an array |
| `.*`, `[*]` | all elements or members' values, as an array |

A row of CSV is an array of its columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from relook.core.batch import BadPath, BadRecord

LONGEST = 63
_NAME = re.compile(r"[^\s.\[\]'\",:*$@?()]+")
_INDEX = re.compile(r"\s*(-?\d{1,9})?\s*(:)?\s*(-?\d{1,9})?\s*")


@dataclass(frozen=True, slots=True)
class _Members:
    names: tuple[str, ...]

    def choose(self, value: Any) -> Any:
        if not isinstance(value, dict):
            raise BadRecord(f"there is no member {self.names[0]!r}: it is no JSON object")
        if len(self.names) > 1:
            return {name: value[name] for name in self.names if name in value}
        if self.names[0] not in value:
            raise BadRecord(f"there is no member {self.names[0]!r}")
        return value[self.names[0]]


@dataclass(frozen=True, slots=True)
class _Elements:
    """Indexes and slices; `single` where it is one index, whose element itself is the result."""

    parts: tuple[int | slice, ...]

    def choose(self, value: Any) -> Any:
        if not isinstance(value, list):
            raise BadRecord("it is no array, so it has no elements to choose")
        if len(self.parts) == 1 and isinstance(self.parts[0], int):
            return _element(value, self.parts[0])
        return list(self._chosen(value))

    def _chosen(self, value: Sequence[Any]) -> Iterator[Any]:
        for part in self.parts:
            if isinstance(part, slice):
                yield from value[part]
            elif -len(value) <= part < len(value):
                yield value[part]


@dataclass(frozen=True, slots=True)
class _Everything:
    def choose(self, value: Any) -> Any:
        if isinstance(value, dict):
            return list(value.values())
        if isinstance(value, list):
            return value
        raise BadRecord("it is neither an object nor an array, so * chooses nothing")


_Step = _Members | _Elements | _Everything


@dataclass(frozen=True, slots=True)
class Path:
    """A parsed path; `str()` gives its text."""

    text: str
    steps: tuple[_Step, ...]

    def __str__(self) -> str:
        return self.text

    @property
    def whole(self) -> bool:
        """Whether it chooses the whole record, so that the record may stay as it is written."""
        return not self.steps

    @property
    def of_columns(self) -> bool:
        """Whether a row of CSV can have it."""
        return all(not isinstance(step, _Members) for step in self.steps)

    def choose(self, value: Any) -> Any:
        """What the path leads to in a JSON value. BadRecord where it leads nowhere."""
        return _through(self.steps, value)

    @classmethod
    def parse(cls, text: str) -> Path:
        """BadPath says what is wrong at which place, counted from 1."""
        if len(text) > LONGEST:
            raise BadPath(f"{text[:LONGEST]}... has {len(text)} characters: a path has at most {LONGEST}")
        return cls(text, tuple(_Parser(text).steps()))


WHOLE = Path("$", ())


def _through(steps: tuple[_Step, ...], value: Any) -> Any:
    for number, step in enumerate(steps):
        value = step.choose(value)
        many = isinstance(step, _Everything) or (isinstance(step, _Elements) and _plural(step))
        if many and steps[number + 1 :]:
            return [_through(steps[number + 1 :], each) for each in value]
    return value


def _plural(step: _Elements) -> bool:
    return len(step.parts) > 1 or isinstance(step.parts[0], slice)


def _element(value: Sequence[Any], index: int) -> Any:
    if not -len(value) <= index < len(value):
        raise BadRecord(f"there is no element {index}: it has {len(value)}")
    return value[index]


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def steps(self) -> Iterator[_Step]:
        if not self._take("$"):
            raise self._bad("a path begins with $")
        while self._at < len(self._text):
            dot = self._take(".")
            if self._take("["):
                yield self._bracket()
            elif dot and self._take("*"):
                yield _Everything()
            elif dot:
                yield _Members((self._name(),))
            else:
                raise self._bad("expected .name or [")

    def _name(self) -> str:
        found = _NAME.match(self._text, self._at)
        if found is None:
            raise self._bad("expected a name")
        self._at = found.end()
        return found.group()

    def _bracket(self) -> _Step:
        self._space()
        if self._take("*"):
            self._close()
            return _Everything()
        if self._peek() in ("'", '"'):
            return _Members(tuple(self._list(self._quoted)))
        return _Elements(tuple(self._list(self._index)))

    def _list(self, one: Any) -> Iterator[Any]:
        yield one()
        self._space()
        while self._take(","):
            self._space()
            yield one()
            self._space()
        self._close()

    def _quoted(self) -> str:
        quote = self._peek()
        if quote not in ("'", '"'):
            raise self._bad("expected a name in quotes")
        end = self._text.find(quote, self._at + 1)
        if end <= self._at + 1:
            raise self._bad("expected a name and its closing quote")
        name = self._text[self._at + 1 : end]
        self._at = end + 1
        return name

    def _index(self) -> int | slice:
        found = _INDEX.match(self._text, self._at)
        assert found is not None  # every piece of it may be absent
        start, colon, end = found.groups()
        if not colon and (start is None or end is not None):
            raise self._bad("expected a number, a slice such as 1:5, or a name in quotes")
        self._at = found.end()
        if not colon:
            return int(start)
        return slice(_number(start), _number(end))

    def _close(self) -> None:
        self._space()
        if not self._take("]"):
            raise self._bad("expected , or ]")

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self, sign: str) -> bool:
        found = self._peek() == sign
        self._at += found
        return found

    def _space(self) -> None:
        while self._take(" "):
            pass

    def _bad(self, what: str) -> BadPath:
        return BadPath(f"{self._text!r} is no path that can be used: {what} at character {self._at + 1}")


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)
