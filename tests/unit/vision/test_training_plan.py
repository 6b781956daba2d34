"""What is trained and tested, from the entries of datasets."""

from __future__ import annotations

import pytest

from relook.core.datasets import DatasetLimits
from relook.core.locations import S3Location
from relook.core.manifest import Label, ManifestEntry, MaskRef
from relook.core.minimums import RELAXED, Minimums
from relook.vision.plan import Plan, PlanError, make_plan
from relook.vision.samples import Task


def entry(at: int, *defects: str, label: Label = Label.ANOMALY) -> ManifestEntry:
    colours = tuple((f"#{number:06X}", name) for number, name in enumerate(defects, start=1))
    place = S3Location("parts", f"{at}.png")
    return ManifestEntry(str(place), place, "{}", label, MaskRef(place, colours) if defects else None, None)


def normals(count: int) -> list[ManifestEntry]:
    return [entry(1000 + at, label=Label.NORMAL) for at in range(count)]


def planned(train: list[ManifestEntry], minimums: Minimums, task: Task | None = None) -> Plan:
    asked: list[str] = []

    def content(each: ManifestEntry) -> str:
        asked.append(each.source_ref)
        return each.source_ref

    found = make_plan(train, None, minimums=minimums, limits=DatasetLimits(), content=content, seed=0, task=task)
    assert len(asked) == len(set(asked)), "no image is read twice"
    assert sorted(each.source_ref for each in (*found.training, *found.test)) == sorted(
        each.source_ref for each in train
    )
    return found


def shown(entries: tuple[ManifestEntry, ...]) -> int:
    return sum(each.label is Label.ANOMALY for each in entries)


def test_a_classifier_is_tested_with_anomalies_though_each_shows_another_defect() -> None:
    train = [*normals(20), *(entry(at, f"defect {at}") for at in range(10))]
    found = planned(train, Minimums(), Task.CLASSIFICATION)
    assert (len(found.test), shown(found.test), found.classes) == (15, 5, ())


def test_of_many_images_each_set_of_defects_is_tested() -> None:
    train = [*normals(20), *(entry(at, "a" if at < 20 else "b") for at in range(40))]
    found = planned(train, Minimums())
    assert found.task is Task.SEGMENTATION
    assert [sum(each.defects == {name} for each in found.test) for name in "ab"] == [10, 10]


def test_of_few_that_show_each_another_set_one_is_tested_all_the_same() -> None:
    train = [*normals(4), entry(0, "a", "b"), entry(1, "a"), entry(2, "b")]
    found = planned(train, RELAXED)
    assert found.task is Task.SEGMENTATION
    assert (shown(found.training), shown(found.test)) == (2, 1)


def test_normal_images_alone_are_all_learned_from_where_minimums_are_relaxed() -> None:
    found = planned(normals(5), RELAXED)
    assert (found.task, len(found.training), found.test) == (Task.CLASSIFICATION, 5, ())
    with pytest.raises(PlanError, match="To train on normal images alone, add a test dataset"):
        planned(normals(500), Minimums())
    with pytest.raises(PlanError, match="has 3 images labelled normal; training needs at least 4"):
        planned(normals(3), RELAXED)
