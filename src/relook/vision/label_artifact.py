"""The artifact of classifiers and detectors: `model.onnx` and `model.json`, as `artifact`'s, with a card of its own.

Raises `artifact.ArtifactError` for a folder that cannot be used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from relook.vision import artifact
from relook.vision.images import Size
from relook.vision.labelled import LabelTask
from relook.vision.runtime import Precision

FORMAT = 1
"""Of cards whose task is one of `LabelTask`; those of anomaly models are counted apart (`artifact.FORMAT`)."""


class Fit(StrEnum):
    """How an image is brought to the size that the graph takes."""

    STRETCH = "stretch"
    """Both sides on their own."""
    LETTERBOX = "letterbox"
    """In its shape, at the top left; what is left over is grey."""


@dataclass(frozen=True, slots=True)
class LabelCard:
    """What `model.json` says that serving needs; `record` is the rest (start taken, seeds, hashes, versions), for
    people.

    `labels` are in the order of the graph's outputs, `thresholds` (0..1) in that of `labels`. `sizes` are those of the
    graph's inputs, one for each view of the image: a detector has one.
    """

    task: LabelTask
    labels: tuple[str, ...]
    thresholds: tuple[float, ...]
    sizes: tuple[Size, ...]
    fit: Fit
    precision: Precision
    graph_sha256: str
    record: Mapping[str, Any]

    def __post_init__(self) -> None:
        if len(self.labels) != len(self.thresholds):
            raise ValueError(f"{len(self.labels)} labels have {len(self.thresholds)} thresholds")


def write(folder: Path, graph: bytes, card: LabelCard) -> None:
    """Create or replace the artifact; the card is written last and names the graph's hash."""
    artifact.write_files(folder, graph, {"format": FORMAT} | asdict(card))


def read(folder: Path) -> tuple[bytes, LabelCard]:
    """The graph's bytes and the card; ArtifactError."""
    return artifact.read_files(folder, (FORMAT,), _from_json, lambda card: card.graph_sha256)


def task_of(folder: Path) -> LabelTask | None:
    """The task of the artifact's card; None when it is none of these models: `artifact.read` may know it.

    Raises ArtifactError when there is no card.
    """
    told = artifact.read_json(folder).get("task")
    return next((task for task in LabelTask if task.value == told), None)


def _from_json(content: dict[str, Any]) -> LabelCard:
    return LabelCard(
        task=LabelTask(content["task"]),
        labels=tuple(str(label) for label in content["labels"]),
        thresholds=tuple(float(value) for value in content["thresholds"]),
        sizes=tuple(Size(**size) for size in content["sizes"]),
        fit=Fit(content["fit"]),
        precision=Precision(content["precision"]),
        graph_sha256=str(content["graph_sha256"]),
        record=dict(content["record"]),
    )
