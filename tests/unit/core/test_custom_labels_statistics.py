from __future__ import annotations

import pytest

from custom_labels_lines import boxes, changed, entry, image_level
from relook.core.custom_labels.statistics import DatasetStats, EntryFilter, LabelStats, dataset_stats, label_stats

MIXED = {
    **image_level("mixed", "cat"),
    **{key: value for key, value in boxes("x", "cat").items() if key != "source-ref"},
}
ENTRIES = [
    entry(image_level("one", "cat", "dog")),
    entry(boxes("two", "dog", "dog", "bird")),
    entry(MIXED),
    entry({"source-ref": "s3://images/bare.jpg"}),
    entry(changed(boxes("off", "fish"), "bb/annotations/0/left", -5)),
    entry({"source-ref": "s3://images/odd.jpg", "x": 1}),
]


def test_entries_are_counted() -> None:
    assert dataset_stats(ENTRIES) == DatasetStats(labeled=4, total=6, labels=4, errors=2)
    assert dataset_stats([]) == DatasetStats()


def test_boxes_count_by_image_and_not_at_all_for_image_level_labels() -> None:
    assert label_stats([*ENTRIES, entry(image_level("a", "ape"))]) == [
        LabelStats("ape", 1, None),
        LabelStats("bird", 1, 1),
        LabelStats("cat", 2, 1),
        LabelStats("dog", 2, 1),
        LabelStats("fish", 1, 1),
    ]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (EntryFilter(), "one two mixed bare off odd"),
        (EntryFilter(labels=frozenset({"dog"})), "one two"),
        (EntryFilter(labels=frozenset({"bird", "fish", "none"})), "two off"),
        (EntryFilter(labels=frozenset()), ""),
        (EntryFilter(labeled=True), "one two mixed off"),
        (EntryFilter(labeled=False), "bare odd"),
        (EntryFilter(contains="images/o"), "one off odd"),
        (EntryFilter(contains="O"), ""),
        (EntryFilter(errors=True), "off odd"),
        (EntryFilter(errors=True, labeled=True, contains="o", labels=frozenset({"fish"})), "off"),
    ],
    ids=range(10),
)
def test_listings_are_filtered_by_all_that_is_asked(wanted: EntryFilter, found: str) -> None:
    names = [one.image.key.removesuffix(".jpg") for one in ENTRIES if wanted.matches(one)]
    assert names == found.split()
