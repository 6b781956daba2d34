"""The settings that reach Custom Labels: quotas, and the minutes of a training."""

from __future__ import annotations

import asyncio
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from relook import app
from relook.datafolder import DataFolder
from relook.services import rekognition
from relook.services.rekognition import Budgets, Limits
from relook.settings import Settings
from relook.store.engine import Store
from relook.vision.labelled import LabelTask

QUOTAS = {
    "label_projects": "projects",
    "label_versions": "versions",
    "trainings": "trainings",
    "label_running": "running",
    "inference_units": "inference_units",
    "label_policies": "policies",
}
"""Settings, and the limits that they are."""
DEFAULTS = {
    "projects": 100,
    "versions": 100,
    "trainings": 2,
    "running": 2,
    "inference_units": 5,
    "policies": 5,
    "tags": 50,
    "images": 250_000,
    "labels": 250,
}


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    """What the service and its jobs were made with."""
    seen: dict[str, dict[str, Any]] = {}

    def watch(name: str) -> None:
        make = getattr(rekognition, name)

        def watched(**parts: Any) -> Any:
            seen[name] = parts
            return make(**parts)

        monkeypatch.setattr(rekognition, name, watched)

    watch("service")
    watch("job_kinds")
    return seen


def wire(root: Path, **settings: Any) -> None:
    """The server's parts, and its jobs'."""
    DataFolder(root).create()
    chosen = Settings(data=root, **settings)
    asyncio.run(app.offered(chosen))
    with closing(Store.open(DataFolder(root).database)) as store:
        app._job_kinds(chosen, store)


def test_the_quotas_are_the_originals(given: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    wire(tmp_path)
    assert asdict(Limits()) == DEFAULTS
    assert [asdict(parts["limits"]) for parts in given.values()] == [DEFAULTS, DEFAULTS]


def test_every_quota_setting_is_a_limit(given: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    values = {name: number for number, name in enumerate(QUOTAS, start=11)}
    wire(tmp_path, **values)
    wanted = DEFAULTS | {limit: values[name] for name, limit in QUOTAS.items()}
    assert [asdict(parts["limits"]) for parts in given.values()] == [wanted, wanted]


@pytest.mark.parametrize(
    ("settings", "classifier", "detector"),
    [
        ({}, 600, 1800),
        ({"classifier_minutes": 3}, 180, 1800),
        ({"detector_minutes": 4}, 600, 240),
        ({"classifier_minutes": 3, "detector_minutes": 4}, 180, 240),
    ],
    ids=["defaults", "classifiers", "detectors", "both"],
)
def test_minutes_of_a_training(
    given: dict[str, dict[str, Any]], tmp_path: Path, settings: dict[str, int], classifier: int, detector: int
) -> None:
    wire(tmp_path, **settings)
    budgets = given["job_kinds"]["budgets"]
    assert {task: budgets.of(task) for task in LabelTask} == {
        LabelTask.SINGLE_LABEL: classifier,
        LabelTask.MULTI_LABEL: classifier,
        LabelTask.DETECTION: detector,
    }


def test_minutes_where_nothing_is_set() -> None:
    assert Budgets() == Budgets(classifier=600, detector=1800)
