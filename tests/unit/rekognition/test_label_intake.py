"""What a dataset takes of a manifest, without a dataset."""

from __future__ import annotations

import io
import json
import tracemalloc
from typing import Any

import pytest

from custom_labels_lines import boxes, image_level
from relook.core.custom_labels.errors import FileError
from relook.services.rekognition import Limits
from relook.services.rekognition.intake import Refused, admitted, batched

LIMITS = Limits(images=10, labels=3)
GOOD = [image_level(f"image-{number}", "cat") for number in range(10)]


def _file(*lines: Any) -> io.BytesIO:
    return io.BytesIO("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines).encode())


def _taken(*lines: Any, bucket: str | None = None) -> int:
    return len([*admitted(_file(*lines), LIMITS, bucket)])


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        ((), FileError.EMPTY),
        (("", " \t"), FileError.EMPTY),
        (("x", "[]"), FileError.INACCESSIBLE_OR_UNSUPPORTED_FORMAT),
        ((*GOOD[:4], "x", "y"), FileError.TOO_MANY_RECORDS_IN_ERROR),
        ((*GOOD[:3], GOOD[0]), FileError.TOO_MANY_RECORDS_IN_ERROR),
        ((*GOOD[:2], "", GOOD[2], ""), FileError.TOO_MANY_RECORDS_IN_ERROR),
        ((*GOOD, GOOD[0]), FileError.ROWS_EXCEEDS_MAXIMUM),
        ((boxes("a", "x", "y"), image_level("b", "z", "w")), FileError.TOO_MANY_LABELS),
        ((GOOD[0], image_level("x", bucket="elsewhere")), FileError.MULTIPLE_BUCKETS),
    ],
    ids=["empty", "blank", "garbage", "a third", "duplicates", "blank between", "rows", "labels", "buckets"],
)
def test_refused(lines: tuple[Any, ...], error: FileError) -> None:
    with pytest.raises(Refused, match=error.message) as caught:
        list(admitted(_file(*lines), LIMITS))
    assert caught.value.error is error


def test_taken() -> None:
    assert _taken(*GOOD[:4], "x") == 4, "a fifth may be of no use"
    assert _taken(*GOOD) == 10
    assert _taken(*GOOD, "", "") == 10, "line ends at the end are no lines"
    assert _taken(image_level("a", "x", "y"), image_level("b", "z")) == 2
    assert _taken(GOOD[0], bucket="images") == 1
    with pytest.raises(Refused, match=FileError.MULTIPLE_BUCKETS.message):
        _taken(GOOD[0], bucket="elsewhere")


def test_batches_are_short_and_small() -> None:
    entries = [*admitted(_file(*(image_level(f"i{n}", "cat") | {"n": "x" * 90_000} for n in range(100))), Limits())]
    found = [len(batch) for batch in batched(entries)]
    assert sum(found) == 100
    assert max(found) < 50
    assert [len(batch) for batch in batched(admitted(_file(*GOOD), LIMITS))] == [10]


def test_a_file_of_line_ends_takes_no_memory() -> None:
    file = io.BytesIO(b"\n" * 200_000)
    tracemalloc.start()
    try:
        with pytest.raises(Refused, match=FileError.EMPTY.message):
            list(admitted(file, Limits()))
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()
