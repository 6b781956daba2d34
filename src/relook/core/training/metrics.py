"""Metrics that are read from lines of output by regular expressions."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from relook.core.training import TrainingInputError


@dataclass(frozen=True, slots=True)
class Metric:
    """The latest value; `time` in milliseconds since the epoch."""

    name: str
    value: float
    time: int


class Metrics:
    """The latest value of each metric. `definitions` are pairs of name and expression; TrainingInputError."""

    def __init__(self, definitions: Iterable[Mapping[str, str]]) -> None:
        self._expressions = [(one["Name"], _compiled(one["Name"], one["Regex"])) for one in definitions]
        self._latest: dict[str, Metric] = {}

    def read(self, line: str, time: int) -> None:
        """The expression's first group is the value; what is no finite number there is no value."""
        for name, expression in self._expressions:
            found = expression.search(line)
            if found is not None and (value := _number(found.group(1))) is not None:
                self._latest[name] = Metric(name, value, time)

    def put(self, name: str, value: float, time: int) -> None:
        """What needs no reading."""
        self._latest[name] = Metric(name, value, time)

    def latest(self) -> list[Metric]:
        """In the order of first appearance."""
        return list(self._latest.values())


def _compiled(name: str, text: str) -> re.Pattern[str]:
    try:
        expression = re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise TrainingInputError(f"the Regex of the metric {name} is no regular expression: {error}") from None
    if expression.groups < 1:
        raise TrainingInputError(f"the Regex of the metric {name} needs a group, as in loss=([0-9.]+)")
    return expression


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None
