"""The artifact: a folder with `model.onnx` and `model.json`, and nothing else.

ArtifactError: the folder cannot be used; the message says which file and why.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from relook.vision.calibration import Calibration
from relook.vision.images import Size
from relook.vision.runtime import Precision
from relook.vision.samples import DefectClass, Task

FORMAT = 3
FORMATS = (2, FORMAT)
"""That are read. Without a temperature, format 2 is a maximum that is not softened."""
GRAPH = "model.onnx"
CARD = "model.json"

C = TypeVar("C")


class ArtifactError(Exception):
    """A model folder that is missing, incomplete, altered or from a newer version."""


@dataclass(frozen=True, slots=True)
class CardView:
    """One working size, its grid of cells, whether it has a head, and mean and deviation of normal cells' distances."""

    size: Size
    grid: Size
    head: bool
    heat: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Card:
    """What `model.json` says that serving needs; `record` is the rest (metrics, hashes, versions), for people.

    `weights` (rows, values), `bias` (rows,) and `temperature` give the raw score from the descriptors of all views.
    `threshold` is in calibrated scores. `masks_from` is the view that draws masks; None for classification.
    """

    task: Task
    classes: tuple[DefectClass, ...]
    views: tuple[CardView, ...]
    masks_from: int | None
    precision: Precision
    weights: tuple[tuple[float, ...], ...]
    bias: tuple[float, ...]
    temperature: float
    calibration: Calibration
    threshold: float
    graph_sha256: str
    record: Mapping[str, Any]


def write(folder: Path, graph: bytes, card: Card) -> None:
    """Create or replace the artifact; the card is written last and names the graph's hash."""
    write_files(folder, graph, _to_json(card))


def read(folder: Path) -> tuple[bytes, Card]:
    """The graph's bytes and the card; ArtifactError."""
    return read_files(folder, FORMATS, _from_json, lambda card: card.graph_sha256)


def write_files(folder: Path, graph: bytes, card: Mapping[str, Any]) -> None:
    """Both files of an artifact of any kind, `card` as JSON's types and last."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / GRAPH).exists() or (folder / GRAPH).read_bytes() != graph:
        _replace(folder / GRAPH, graph)
    _replace(folder / CARD, json.dumps(card, indent=1, sort_keys=True).encode() + b"\n")


def read_files(
    folder: Path, versions: Sequence[int], understand: Callable[[dict[str, Any]], C], digest: Callable[[C], str]
) -> tuple[bytes, C]:
    """The graph's bytes and what `understand` makes of a card of one of the formats `versions`; `digest` is the
    graph's by the card.

    Raises ArtifactError, also where `understand` raises KeyError, TypeError or ValueError.
    """
    try:
        graph = (folder / GRAPH).read_bytes()
    except OSError as error:
        raise _not_whole(folder, error) from error
    content = read_json(folder)
    if content.get("format") not in versions:
        known = " and ".join(map(str, versions))
        raise ArtifactError(
            f"{folder / CARD} has format {content.get('format')!r}; this version reads format {known}: train again"
        )
    try:
        card = understand(content)
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{folder / CARD} is damaged ({error!r}); train or copy the model again") from error
    if hashlib.sha256(graph).hexdigest() != digest(card):
        raise ArtifactError(f"{folder / GRAPH} is not the graph that {CARD} describes; train or copy the model again")
    return graph, card


def read_json(folder: Path) -> dict[str, Any]:
    """What is in the card of an artifact of any kind; empty when it is no object. Raises ArtifactError."""
    try:
        content = json.loads((folder / CARD).read_bytes())
    except (OSError, ValueError) as error:
        raise _not_whole(folder, error) from error
    return content if isinstance(content, dict) else {}


def _not_whole(folder: Path, error: Exception) -> ArtifactError:
    return ArtifactError(f"{folder} is not a whole model: {error}; train or copy it again")


def _to_json(card: Card) -> dict[str, Any]:
    return {"format": FORMAT} | asdict(card)


def _from_json(content: dict[str, Any]) -> Card:
    return Card(
        task=Task(content["task"]),
        classes=tuple(DefectClass(**entry) for entry in content["classes"]),
        views=tuple(
            CardView(Size(**view["size"]), Size(**view["grid"]), bool(view["head"]), tuple(view["heat"]))
            for view in content["views"]
        ),
        masks_from=content["masks_from"],
        precision=Precision(content["precision"]),
        weights=tuple(tuple(float(value) for value in row) for row in content["weights"]),
        bias=tuple(float(value) for value in content["bias"]),
        temperature=float(content["temperature"]) if content["format"] == FORMAT else 0.0,
        calibration=Calibration(**content["calibration"]),
        threshold=float(content["threshold"]),
        graph_sha256=str(content["graph_sha256"]),
        record=dict(content["record"]),
    )


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
