from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_labels_lines import CAT_TEXT, spoiled, values
from relook.core.custom_labels.errors import Drop, LineError
from relook.core.custom_labels.manifest import Dropped, Entry, ImageFacts, read_line, read_manifest

FACTS = st.none() | st.builds(
    ImageFacts,
    st.sampled_from(["JPEG", "PNG", "GIF"]),
    st.integers(1, 5000),
    st.integers(1, 5000),
    st.integers(0, 10**8),
)


def written(found: Entry | Dropped) -> list[str]:
    return [found.validation_line()] + ([found.dataset_line()] if isinstance(found, Entry) else [])


@given(st.binary(max_size=400) | st.binary(max_size=60).map(lambda noise: CAT_TEXT.encode()[:200] + noise))
def test_no_bytes_make_the_reader_fail(data: bytes) -> None:
    for _, found in read_manifest(io.BytesIO(data)):
        for text in written(found):
            assert isinstance(json.loads(text), dict)


@given(spoiled(), FACTS)
def test_what_is_written_reads_back_as_it_was(line: dict[str, Any], facts: ImageFacts | None) -> None:
    found = read_line(json.dumps(line))
    for text in written(found):
        assert "\n" not in text
        assert text == json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"))
    if isinstance(found, Entry):
        again = read_line(found.dataset_line())
        assert again == found
        assert again.dataset_line() == found.dataset_line()
        checked = found.checked(facts)
        assert (checked.text, checked.uses) == (found.text, found.uses)
        assert checked.checked(facts) == checked
        written(checked)


@given(st.dictionaries(st.text(max_size=5) | st.sampled_from(["x", "x-metadata"]), values, max_size=6))
def test_any_object_is_judged(document: dict[str, Any]) -> None:
    found = read_line(json.dumps({**document, "source-ref": "s3://images/a.jpg"}))
    assert isinstance(found, Entry)
    assert sum((found.invalid, found.ignored, found.usable)) == 1
    assert not found.usable or found.labels or found.boxes


@pytest.mark.parametrize(
    "text",
    [
        "[" * 50_000,
        '{"source-ref":"s3://images/a","x":' + "[" * 65 + "]" * 65 + "}",
        '{"source-ref":"s3://images/a","x":NaN}',
        '{"source-ref":"s3://images/a","x":-Infinity}',
        '{"source-ref":"s3://images/a","x":1e999}',
        '{"source-ref":"s3://images/a","x":' + "9" * 5000 + "}",
        '{"source-ref":"s3://images/a","x":"\\ud83d"}',
        '{"source-ref":"s3://images/a","x\\udc00":1}',
        '{"source-ref":"s3://images/\\ud800"}',
        '{"source-ref":"s3://images/a","x":"\ud800"}',
        '{"source-ref":"s3://images/a"} {}',
        '{"source-ref":"s3://images/a\t"}',
    ],
    ids=[
        "deep-and-open",
        "deep",
        "nan",
        "infinity",
        "large-exponent",
        "5000-digits",
        "half-pair",
        "half-pair-in-key",
        "half-pair-in-source",
        "raw-half-pair",
        "two-objects",
        "raw-tab",
    ],
)
def test_json_that_cannot_be_kept_is_no_json(text: str) -> None:
    found = read_line(text)
    assert found == Dropped(Drop.INVALID_JSON)


def test_of_a_key_that_is_there_twice_the_last_counts() -> None:
    found = read_line('{"source-ref":"s3://images/a","x":1,"source-ref":"s3://images/b"}')
    assert isinstance(found, Entry)
    assert (found.source_ref, found.text) == ("s3://images/b", '{"source-ref":"s3://images/b","x":1}')


def test_a_number_that_no_picture_has_is_kept_and_means_nothing() -> None:
    digits = "9" * 400
    found = read_line(CAT_TEXT.replace('"confidence": 1', f'"confidence": {digits}'))
    assert isinstance(found, Entry)
    assert [problem.code for problem in found.errors] == [
        LineError.NO_VALID_LABEL_ATTRIBUTES,
        LineError.INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT,
    ]
    assert digits in found.dataset_line()


def test_an_attribute_of_the_name_cl_is_the_users_own() -> None:
    found = read_line('{"source-ref":"s3://images/a","cl":{"cl-errors":[]},"cl-metadata":{"is_labeled":true}}')
    assert isinstance(found, Entry)
    assert found.text == '{"source-ref":"s3://images/a","cl":{"cl-errors":[]}}'
