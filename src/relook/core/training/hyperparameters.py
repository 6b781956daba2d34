"""Hyperparameters against what an algorithm says of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from relook.core.training import TrainingInputError


def complete(given: Mapping[str, str], specified: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Those given, checked, and the defaults of the others. `specified` is SupportedHyperParameters.

    TrainingInputError for one that the algorithm does not know, that is missing, or has a value outside its range.
    """
    known = {one["Name"]: one for one in specified}
    unknown = [name for name in given if name not in known]
    if unknown:
        there_are = ", ".join(known) or "none"
        raise TrainingInputError(f"the algorithm has no hyperparameter {', '.join(unknown)}; there are: {there_are}")
    complete = dict(given)
    for name, one in known.items():
        if name in given:
            _check(name, given[name], one)
        elif "DefaultValue" in one:
            complete[name] = one["DefaultValue"]
        elif one.get("IsRequired"):
            raise TrainingInputError(f"the algorithm needs the hyperparameter {name}")
    return complete


def _check(name: str, value: str, one: Mapping[str, Any]) -> None:
    kind, ranges = one["Type"], one.get("Range", {})
    if kind == "Categorical":
        allowed = ranges.get("CategoricalParameterRangeSpecification", {}).get("Values", [value])
        if value not in allowed:
            raise TrainingInputError(f"the hyperparameter {name} is {value!r}; it takes one of {', '.join(allowed)}")
    elif kind in ("Integer", "Continuous"):
        between = ranges.get(f"{kind}ParameterRangeSpecification", {})
        low, high = between.get("MinValue", "-inf"), between.get("MaxValue", "inf")
        number = _number(value, whole=kind == "Integer")
        if number is None or not float(low) <= number <= float(high):
            what = "a whole number" if kind == "Integer" else "a number"
            raise TrainingInputError(f"the hyperparameter {name} is {value!r}; it takes {what} from {low} to {high}")


def _number(text: str, *, whole: bool) -> float | None:
    try:
        number = float(int(text)) if whole else float(text)
    except (ValueError, OverflowError):
        return None
    return None if math.isnan(number) else number
