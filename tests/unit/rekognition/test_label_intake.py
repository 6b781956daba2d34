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


def _details(*lines: Any, bucket: str | None = None) -> tuple[str, ...]:
    with pytest.raises(Refused) as caught:
        _taken(*lines, bucket=bucket)
    return caught.value.details


def test_a_refusal_tells_every_bad_line_with_its_number_and_reason() -> None:
    nowhere, elsewhere = GOOD[1] | {"source-ref": "http://x/1.jpg"}, {"set_0": 1}
    assert _details(GOOD[0], "", "{", GOOD[0], nowhere, elsewhere, "x" * 500_000, GOOD[2]) == (
        "6 of the 8 lines of the manifest are invalid and left out; at most 1 (20%) may be.",
        "Line 2 of the manifest, without an image: The JSON Line has an invalid format. It is blank.",
        "Line 3 of the manifest, without an image: The JSON Line has an invalid format.",
        "Line 4 of the manifest, s3://images/image-0.jpg: The source-ref is in an earlier line, which is used.",
        "Line 5 of the manifest, without an image: The format of the source-ref value is invalid.",
        "Line 6 of the manifest, without an image: The source-ref key is missing.",
        "Line 7 of the manifest, without an image: The JSON Line has an invalid format. "
        "It has more than 100,000 characters.",
    )
    assert _details("{")[0] == "1 of 1 line of the manifest is invalid and left out; at most 0 (20%) may be."


def test_ten_bad_lines_are_told_of_and_the_others_counted() -> None:
    with pytest.raises(Refused) as caught:
        list(admitted(_file(*GOOD, *"x" * 12), Limits()))
    first, *ten, last = caught.value.details
    assert first == "12 of the 22 lines of the manifest are invalid and left out; at most 4 (20%) may be."
    assert [line.partition(",")[0] for line in ten] == [f"Line {number} of the manifest" for number in range(11, 21)]
    assert last == "2 more invalid lines of the manifest are not named here."


def test_other_refusals_tell_line_and_limit() -> None:
    foreign = image_level("x", "cat", bucket="elsewhere")
    where = "Line 2 of the manifest, s3://elsewhere/x.jpg: "
    assert _details(GOOD[0], foreign) == (where + "the images before it are in the bucket images.",)
    whose = "Line 1 of the manifest, s3://images/image-0.jpg: the dataset's images are in the bucket elsewhere."
    assert _details(GOOD[0], bucket="elsewhere") == (whose,)
    assert _details(*GOOD, GOOD[0]) == ("The manifest has more than 10 lines.",)
    labels = "Line 2 of the manifest, s3://images/b.jpg: with it there are 4 labels; at most 3 may be."
    assert _details(image_level("a", "x", "y"), image_level("b", "z", "w")) == (labels,)


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
