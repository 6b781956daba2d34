"""Where in a line its problems are written: in the line, in a label attribute, in its metadata, in an annotation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from relook.core.custom_labels.attributes import METADATA
from relook.core.custom_labels.errors import Place, Problem

DATASET_METADATA = "cl-metadata"
"""The service's own: of no attribute, even where there is one of the name "cl"."""


def write(document: dict[str, Any], key: str, problems: Iterable[Problem]) -> None:
    """Add problems to the lists named `key`, in place; what is there under that name and no list is lost."""
    for problem in problems:
        place = _place(document, problem)
        if not isinstance(place.get(key), list):
            place[key] = []
        place[key].append(problem.document())


def erase(document: dict[str, Any], keys: Iterable[str], kind: type = object) -> None:
    """Remove `keys` from every place that may carry problems, where their values are of a `kind`."""
    for place in list(_places(document)):
        for key in keys:
            if isinstance(place.get(key), kind):
                place.pop(key, None)


def _places(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every object of a line that may carry problems."""
    yield from _objects([document])
    for name in [name for name in document if name.endswith(METADATA) and name != DATASET_METADATA]:
        value = document.get(name.removesuffix(METADATA))
        yield from _objects([document[name], value])
        if isinstance(value, dict) and isinstance(value.get("annotations"), list):
            yield from _objects(value["annotations"])


def _objects(values: Iterable[object]) -> Iterator[dict[str, Any]]:
    return (value for value in values if isinstance(value, dict))


def _place(document: dict[str, Any], problem: Problem) -> dict[str, Any]:
    """The object that carries a problem: the nearest one where the place itself is none, such as a bare number."""
    if problem.attribute is None:
        return document
    value, metadata = document.get(problem.attribute), document.get(problem.attribute + METADATA)
    if problem.annotation is not None and isinstance(value, dict):
        annotation: dict[str, Any] = value["annotations"][problem.annotation]
        return annotation
    nearest = (metadata, value) if problem.place is Place.METADATA else (value, metadata)
    return next(_objects(nearest), document)
