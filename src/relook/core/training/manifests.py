"""Augmented manifests: JSON lines, each of whose named attributes is a record of a pipe."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from relook.core.locations import S3Location
from relook.core.training import TrainingInputError

REFERENCE = "-ref"
"""Attributes whose names end so hold the address of an object, and stand for its content."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Line:
    """`attributes` hold those asked for alone, in the order asked for; `number` counts from 1."""

    number: int
    attributes: Mapping[str, Any]

    def records(self) -> Iterator[S3Location | bytes]:
        """One for each attribute: where its content lies, or the content."""
        for name, value in self.attributes.items():
            if name.endswith(REFERENCE):
                yield _location(name, value, self.number)
            else:
                yield json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")


def parse(lines: Iterable[bytes], names: Sequence[str], where: str) -> Iterator[Line]:
    """The lines of a manifest that are not blank; each must hold every attribute. TrainingInputError."""
    for number, text in enumerate(lines, start=1):
        if not text.strip():
            continue
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise TrainingInputError(f"line {number} of {where} is not JSON: {error}") from None
        if not isinstance(values, dict):
            raise TrainingInputError(f"line {number} of {where} is not a JSON object")
        missing = [name for name in names if name not in values]
        if missing:
            raise TrainingInputError(f"line {number} of {where} lacks the attributes {', '.join(missing)}")
        yield Line(number, {name: values[name] for name in names})


def shuffled(items: Sequence[T], seed: int | None, epoch: int = 0) -> list[T]:
    """Another order for each epoch, the same for the same seed; unchanged without a seed."""
    order = list(items)
    if seed is not None:
        random.Random(f"{seed}/{epoch}").shuffle(order)
    return order


def _location(name: str, value: object, number: int) -> S3Location:
    try:
        return S3Location.parse(value if isinstance(value, str) else json.dumps(value))
    except ValueError as error:
        raise TrainingInputError(f"line {number}: {name}: {error}") from None
