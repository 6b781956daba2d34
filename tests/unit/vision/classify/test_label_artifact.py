from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from relook.vision import artifact, label_artifact
from relook.vision.artifact import ArtifactError
from relook.vision.images import Size
from relook.vision.label_artifact import Fit, LabelCard
from relook.vision.labelled import LabelTask
from relook.vision.runtime import Precision

GRAPH = b"any bytes"
CARD = LabelCard(
    task=LabelTask.DETECTION,
    labels=("Blutplättchen", "白血球"),
    thresholds=(0.25, 1 / 3),
    sizes=(Size(416, 416),),
    fit=Fit.LETTERBOX,
    precision=Precision.BF16,
    graph_sha256=hashlib.sha256(GRAPH).hexdigest(),
    record={"seed": 7, "start": "random"},
)


@pytest.mark.parametrize("task", LabelTask)
def test_what_was_written_is_read(tmp_path: Path, task: LabelTask) -> None:
    label_artifact.write(tmp_path, GRAPH, replace(CARD, task=task))
    assert label_artifact.read(tmp_path) == (GRAPH, replace(CARD, task=task))
    assert label_artifact.task_of(tmp_path) is task
    assert sorted(path.name for path in tmp_path.iterdir()) == [artifact.CARD, artifact.GRAPH]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"thresholds": [0.5]}, "2 labels have 1 thresholds"),
        ({"task": "poetry"}, "damaged"),
        ({"format": 99}, "has format 99"),
        ({"fit": None}, "damaged"),
        ({"graph_sha256": "0" * 64}, "is not the graph"),
    ],
    ids=["thresholds", "task", "format", "fit", "hash"],
)
def test_a_card_that_was_changed_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    label_artifact.write(tmp_path, GRAPH, CARD)
    card = tmp_path / artifact.CARD
    card.write_text(json.dumps(json.loads(card.read_text()) | change))
    with pytest.raises(ArtifactError, match=message):
        label_artifact.read(tmp_path)


def test_a_folder_without_a_card_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="not a whole model"):
        label_artifact.task_of(tmp_path)


def test_other_cards_are_left_to_others(tmp_path: Path) -> None:
    (tmp_path / artifact.CARD).write_text('{"task": "classification", "format": 2}')
    assert label_artifact.task_of(tmp_path) is None
