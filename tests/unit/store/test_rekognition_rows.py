"""Rows of Custom Labels: what is counted and listed by queries is what the rules count and list in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select
from sqlalchemy.exc import IntegrityError

from custom_labels_lines import entry, image_level, source, spoiled
from relook.core.custom_labels.manifest import Entry
from relook.core.custom_labels.manifest import Kind as Taught
from relook.core.custom_labels.names import DatasetType, VersionName
from relook.core.custom_labels.states import DatasetStatus, VersionStatus
from relook.core.custom_labels.statistics import EntryFilter, dataset_stats, label_stats
from relook.core.names import Scope
from relook.store import rekognition_datasets as datasets
from relook.store import rekognition_entries as entries
from relook.store import rekognition_projects as projects
from relook.store import rekognition_tags as tags
from relook.store import rekognition_versions as versions
from relook.store.engine import Store
from relook.store.rekognition_tags import Kind, Tagged
from relook.store.tables.rekognition import training_entries

SCOPE = Scope("123456789012", "eu-central-1")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    made = Store.open(tmp_path_factory.mktemp("rows") / "rows.sqlite3")
    yield made
    made.close()


def _dataset(connection: Connection, kind: DatasetType = DatasetType.TRAIN, project: str = "p") -> int:
    found = projects.named(connection, SCOPE, project) or projects.create(connection, SCOPE, project, 1)
    return datasets.create(connection, found.id, kind, DatasetStatus.CREATE_COMPLETE, "", 1).id


def _remove(connection: Connection, *dataset_ids: int) -> None:
    for one in dataset_ids:
        datasets.detach(connection, one)
        datasets.remove(connection, one)


def _entries(lines: list[dict[str, Any]]) -> list[Entry]:
    """With source-refs of their own, whatever became of those they had."""
    return [entry(line | {"source-ref": f"s3://images/i/{number}.jpg"}) for number, line in enumerate(lines)]


filters = st.builds(
    EntryFilter,
    labels=st.none() | st.frozensets(st.sampled_from(["cat", "dog", "Käse"]), min_size=1),
    labeled=st.none() | st.booleans(),
    contains=st.none() | st.sampled_from(["1", "i/", "I/", "%", "_"]),
    errors=st.booleans(),
)
quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@quick
@given(lines=st.lists(spoiled(), max_size=12), wanted=filters)
def test_counts_and_lists(store: Store, lines: list[dict[str, Any]], wanted: EntryFilter) -> None:
    found = _entries(lines)
    with store.write() as connection:
        dataset = _dataset(connection)
        entries.append(connection, dataset, found)
        assert entries.stats(connection, dataset) == dataset_stats(found)
        assert entries.label_stats(connection, dataset) == label_stats(found)
        listed = entries.page(connection, dataset, wanted, after=None, limit=100)
        assert [line for _, line in listed] == [one.dataset_line() for one in found if wanted.matches(one)]
        _remove(connection, dataset)


@quick
@given(before=st.lists(spoiled(), min_size=1, max_size=8), after=st.lists(spoiled(), min_size=1, max_size=8))
def test_replacing(store: Store, before: list[dict[str, Any]], after: list[dict[str, Any]]) -> None:
    old, new = _entries(before), _entries(after)
    with store.write() as connection:
        dataset = _dataset(connection)
        entries.append(connection, dataset, old)
        present = entries.positions(connection, dataset, [one.source_ref for one in new])
        kept = old[len(new) :]
        names = {use.name for one in kept for use in one.uses}
        assert entries.names_without(connection, dataset, present.values()) == names
        entries.replace(connection, dataset, {present[one.source_ref]: one for one in new if one.source_ref in present})
        entries.append(connection, dataset, [one for one in new if one.source_ref not in present])
        expected = [*new, *kept]
        assert entries.stats(connection, dataset) == dataset_stats(expected)
        assert entries.label_stats(connection, dataset) == label_stats(expected)
        listed = entries.page(connection, dataset, EntryFilter(), after=None, limit=100)
        assert [line for _, line in listed] == [one.dataset_line() for one in expected]
        _remove(connection, dataset)


def _taught(entry: Entry) -> set[str]:
    return {name for kind in (Taught.IMAGE_LEVEL, Taught.OBJECTS) for name in entry.taught(kind)}


@quick
@given(lines=st.lists(spoiled(), min_size=1, max_size=10), chosen=st.frozensets(st.integers(0, 9)))
def test_copying_and_moving(store: Store, lines: list[dict[str, Any]], chosen: frozenset[int]) -> None:
    found = _entries(lines)
    with store.write() as connection:
        source, copy = _dataset(connection), _dataset(connection, project="q")
        entries.append(connection, source, found)
        after = 0
        while (last := entries.copy_some(connection, source, copy, after=after, most=3)) is not None:
            after = last
        test = _dataset(connection, DatasetType.TEST)
        positions, items = entries.items(connection, source)
        assert [(item.key, item.labels) for item in items] == [
            (one.source_ref, frozenset(_taught(one) if one.errors else (use.name for use in one.uses))) for one in found
        ]
        entries.move(connection, [positions[index] for index in sorted(chosen) if index < len(found)], test)
        sides = [[one for n, one in enumerate(found) if (n in chosen) is side] for side in (False, True)]
        for dataset, expected in ((source, sides[0]), (test, sides[1]), (copy, found)):
            assert entries.stats(connection, dataset) == dataset_stats(expected)
            assert entries.label_stats(connection, dataset) == label_stats(expected)
        _remove(connection, source, copy, test)


def test_what_a_training_began_with_stays(store: Store) -> None:
    def labelled(label: str, *names: str) -> list[Entry]:
        return [entry(image_level(name, label)) for name in names]

    with store.write() as connection:
        train, test = _dataset(connection), _dataset(connection, DatasetType.TEST)
        entries.append(connection, train, labelled("old", "a", "b", "c"))
        a, b, c = entries.positions(connection, train, [source(name) for name in "abc"]).values()
        first, second = _version(connection, "first"), _version(connection, "second")
        versions.snapshot(connection, first, DatasetType.TRAIN, train)
        entries.replace(connection, train, {b: labelled("new", "b")[0]})
        versions.snapshot(connection, second, DatasetType.TRAIN, train)
        entries.replace(connection, train, {b: labelled("newest", "b")[0], c: labelled("newest", "c")[0]})
        entries.append(connection, train, labelled("newest", "d"))
        entries.move(connection, [a], test)

        def trained_on(version: int) -> list[str]:
            return list(versions.lines(connection, version, DatasetType.TRAIN))

        old = [one.dataset_line() for one in labelled("old", "a", "b", "c")]
        assert trained_on(first) == old
        assert trained_on(second) == [old[0], labelled("new", "b")[0].dataset_line(), old[2]]
        copied = select(training_entries.c.entry).where(training_entries.c.line.is_not(None))
        assert sorted(connection.execute(copied).scalars()) == [b, b, c, c], "nothing else is kept twice"
        with pytest.raises(IntegrityError), connection.begin_nested():
            entries.remove_some(connection, train, 10)
        versions.drop_snapshot(connection, first)
        assert trained_on(first) == []
        versions.remove(connection, second)
        assert connection.execute(select(training_entries)).all() == []
        versions.remove(connection, first)
        _remove(connection, train, test)


def test_the_files_of_a_version_that_has_ended_stay(store: Store) -> None:
    with store.write() as connection:
        train = _dataset(connection)
        version = _version(connection, "ended")
        versions.set_files(connection, version, versions.Files(summary="first"))
        outcome = versions.Outcome("folder", "single-label", {"a": 0.5}, 1.0, 1, 2)
        files, done = versions.Files(summary="last"), VersionStatus.TRAINING_COMPLETED
        assert _files(connection, version) == versions.Files(summary="first")
        assert versions.finished(connection, version, done, "", outcome, files)
        versions.set_files(connection, version, versions.Files())
        assert _files(connection, version) == files
        versions.remove(connection, version)
        _remove(connection, train)


def test_who_has_results_of_the_same_names_is_asked_without_going_through_all_versions(store: Store) -> None:
    with store.write() as connection:
        named = projects.create(connection, SCOPE, "a-b", 1)
        others = projects.create(connection, SCOPE, "many", 1)
        alone = _steps(connection)
        for number in range(300):
            versions.create(connection, _new(others.id, f"v{number}"), 1)
        assert _steps(connection) < 2 * alone
        first = versions.create(connection, _new(named.id, "1"), 1)
        assert _of_same_results(connection) == first.name
        projects.remove(connection, named.id)
        projects.remove(connection, others.id)


def _of_same_results(connection: Connection) -> VersionName | None:
    return versions.of_same_results(connection, SCOPE.account, versions.Output("out", "/"), "a-b-1")


def _steps(connection: Connection) -> int:
    """How many tens of steps SQLite's machine takes to find that there is none."""
    counted = 0

    def count() -> int:
        nonlocal counted
        counted += 1
        return 0

    driver = connection.connection.driver_connection
    assert driver is not None
    driver.set_progress_handler(count, 10)
    try:
        assert _of_same_results(connection) is None
    finally:
        driver.set_progress_handler(None, 10)
    return counted


def _files(connection: Connection, version_id: int) -> versions.Files:
    found = versions.get(connection, version_id)
    assert found is not None
    return found.files


def _version(connection: Connection, name: str) -> int:
    project = projects.named(connection, SCOPE, "p")
    assert project is not None
    return versions.create(connection, _new(project.id, name), 1).id


def _new(project_id: int, name: str) -> versions.NewVersion:
    status, output = VersionStatus.TRAINING_IN_PROGRESS, versions.Output("out", "")
    return versions.NewVersion(project_id, name, status, "", output, seed=1, auto_split=True)


def test_a_deleted_dataset_is_found_by_nobody(store: Store) -> None:
    with store.write() as connection:
        dataset = datasets.get(connection, _dataset(connection, project="gone"))
        assert dataset is not None
        tags.replace(connection, Tagged(Kind.DATASET, dataset.id), {"a": "b"})
        entries.append(connection, dataset.id, _entries([json.loads('{"source-ref":"s3://images/a"}')]))
        datasets.remove(connection, dataset.id)
        assert datasets.get(connection, dataset.id) == dataset, "only what was detached is removed"
        datasets.detach(connection, dataset.id)
        assert datasets.get(connection, dataset.id) is None
        assert datasets.find(connection, dataset.name) is None
        assert datasets.of_project(connection, dataset.project_id) == {}
        assert not projects.has_children(connection, dataset.project_id)
        assert entries.count(connection, dataset.id) == 1
        again = _dataset(connection, project="gone")
        assert again != dataset.id
        assert entries.remove_some(connection, dataset.id, 10) == 1
        _remove(connection, dataset.id, again)
        assert tags.of(connection, Tagged(Kind.DATASET, dataset.id)) == {}


def test_statuses_move_by_the_table(store: Store) -> None:
    with store.write() as connection:
        dataset = _dataset(connection, project="moving")
        assert not datasets.change_status(connection, dataset, DatasetStatus.UPDATE_COMPLETE, "", 2)
        assert datasets.change_status(connection, dataset, DatasetStatus.UPDATE_IN_PROGRESS, "m", 3, bucket="b")
        assert datasets.change_status(connection, dataset, DatasetStatus.UPDATE_COMPLETE, "n", 4)
        found = datasets.get(connection, dataset)
        assert found is not None
        assert (found.status, found.message, found.updated, found.bucket) == ("UPDATE_COMPLETE", "n", 4, "b")
        _remove(connection, dataset)


def test_a_project_with_a_dataset_cannot_be_removed(store: Store) -> None:
    with store.write() as connection:
        dataset = _dataset(connection, project="held")
        project = projects.named(connection, SCOPE, "held")
        assert project is not None
        with pytest.raises(IntegrityError):
            projects.remove(connection, project.id)
        _remove(connection, dataset)
        projects.remove(connection, project.id)
        assert projects.find(connection, project.name) is None
