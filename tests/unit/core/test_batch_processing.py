from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relook.core.batch import BadPath, BadRecord
from relook.core.batch.paths import WHOLE, Path
from relook.core.batch.processing import Format, Processing, format_of

RECORD = {"id": 7, "a b": [10, 11, 12, 13, 14, 15], "SageMakerOutput": {"score": 0.5, "who": [{"n": 1}, {"n": 2}]}}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$", RECORD),
        ("$.id", 7),
        ("$['id']", 7),
        ('$["a b"][0]', 10),
        ("$['a b'][-1]", 15),
        ("$['a b'][1:]", [11, 12, 13, 14, 15]),
        ("$['a b'][:-2]", [10, 11, 12, 13]),
        ("$['a b'][0,5:]", [10, 15]),
        ("$['a b'][1, 3 , 99]", [11, 13]),
        ("$['a b'][2:4]", [12, 13]),
        ("$['a b'][:]", [10, 11, 12, 13, 14, 15]),
        ("$['id','SageMakerOutput']", {"id": 7, "SageMakerOutput": RECORD["SageMakerOutput"]}),
        ("$.['id','gone']", {"id": 7}),
        ("$.SageMakerOutput.score", 0.5),
        ("$.SageMakerOutput.who[*].n", [1, 2]),
        ("$.SageMakerOutput.who[:1].n", [1]),
        ("$.SageMakerOutput.*", [0.5, [{"n": 1}, {"n": 2}]]),
    ],
)
def test_what_a_path_chooses(path: str, found: Any) -> None:
    assert Path.parse(path).choose(RECORD) == found


@pytest.mark.parametrize(
    ("path", "at"),
    [
        ("", 1),
        ("id", 1),
        ("$id", 2),
        ("$.", 3),
        ("$..id", 3),
        ("$.id.", 6),
        ("$[", 3),
        ("$[]", 3),
        ("$[1", 4),
        ("$[1;2]", 4),
        ("$[1 2]", 3),
        ("$['a'", 6),
        ("$['a]", 3),
        ("$['']", 3),
        ("$['a',1]", 7),
        ("$[1,'a']", 5),
        ("$[1:2:3]", 6),
        ("$[?(@.x)]", 3),
        ("$.a b", 4),
        ("$[*", 4),
    ],
)
def test_a_path_that_is_none_is_refused_with_the_place(path: str, at: int) -> None:
    with pytest.raises(BadPath, match=f"at character {at}$"):
        Path.parse(path)


def test_the_longest_path() -> None:
    assert str(Path.parse("$." + "x" * 61)) == "$." + "x" * 61
    with pytest.raises(BadPath, match="has 64 characters: a path has at most 63"):
        Path.parse("$." + "x" * 62)


@given(st.text("$.[]'\",:*-0123456789ab ", max_size=30))
def test_any_text_is_a_path_or_refused(text: str) -> None:
    try:
        path = Path.parse(text)
    except BadPath:
        return
    assert text.startswith("$")
    assert str(path) == text


@given(st.lists(st.integers()), st.integers(-9, 9) | st.none(), st.integers(-9, 9) | st.none())
def test_slices_are_those_of_arrays(values: list[int], start: int | None, end: int | None) -> None:
    text = f"$[{'' if start is None else start}:{'' if end is None else end}]"
    assert Path.parse(text).choose(values) == values[start:end]


@pytest.mark.parametrize("path", ["$.gone", "$.id[0]", "$.id.x", "$['a b'][6]", "$['a b'][-7]", "$.id.*"])
def test_a_path_that_leads_nowhere(path: str) -> None:
    with pytest.raises(BadRecord):
        Path.parse(path).choose(RECORD)


def test_which_paths_fit_a_row_of_csv() -> None:
    assert all(Path.parse(path).of_columns for path in ("$", "$[1:]", "$[0,5:]", "$[-1]", "$.*"))
    assert not Path.parse("$['id','SageMakerOutput']").of_columns


@pytest.mark.parametrize(
    ("content_type", "form"),
    [
        ("application/json", Format.JSON),
        ("Application/JSON; charset=utf-8", Format.JSON),
        ("application/jsonlines", Format.JSON_LINES),
        ("application/x-ndjson", Format.JSON_LINES),
        ("text/csv;header=present", Format.CSV),
        ("image/jpeg", None),
        (None, None),
    ],
)
def test_formats(content_type: str | None, form: Format | None) -> None:
    assert format_of(content_type) is form


def processing(given: str = "$", out: str = "$", join: bool = False) -> Processing:
    return Processing(Path.parse(given), Path.parse(out), join)


def test_what_the_model_gets() -> None:
    assert processing().request(b"\xff any", None) == b"\xff any"
    assert processing("$[1:]").request(b'7,"a,b",c\r\n', Format.CSV) == b'"a,b",c\r\n'
    assert processing("$[1]").request(b"7,8", Format.CSV) == b"8"
    assert processing("$.x").request(b'{"id": 1, "x": [1.5, "\xc3\xa4"]}\n', Format.JSON) == '[1.5,"ä"]\n'.encode()
    assert processing("$.x").request(b'{\n "x": 1\n}', Format.JSON) == b"1"
    assert processing("$.x").request(b'{"x":1}\n{"x":2}\n', Format.JSON_LINES) == b"1\n2\n"
    with pytest.raises(BadRecord, match=r"InputFilter .* ContentType names another type"):
        processing("$[1:]").request(b"7,8", None)


def test_json_joined() -> None:
    join = processing(join=True)
    answer = b'{"p": 1}\n{"p": 2}\n'
    inputs = [b'{"id": 1}\n', b"[5]\n"]
    assert join.answer(inputs, answer, Format.JSON_LINES, Format.JSON_LINES) == (
        b'{"id":1,"SageMakerOutput":{"p":1}}\n{"SageMakerInput":[5],"SageMakerOutput":{"p":2}}\n'
    )
    some = processing(out="$['id','SageMakerOutput']", join=True)
    assert some.answer([b'{"id": 1, "x": 2}'], b"[\n 0.5\n]", Format.JSON, Format.JSON) == (
        b'{"id":1,"SageMakerOutput":[0.5]}'
    )
    assert join.answer([b'{"id": 1}'], b"0.9,yes\n", Format.JSON, Format.CSV) == (
        b'{"id":1,"SageMakerOutput":"0.9,yes"}\n'
    )


def test_csv_joined() -> None:
    join = processing(join=True)
    assert join.answer([b'1,"a,b"\n', b"2,c\n"], b"0.1,x\n0.2,y\n", Format.CSV, Format.CSV) == (
        b'1,"a,b",0.1,x\n2,c,0.2,y\n'
    )
    some = processing(out="$[0,2:]", join=True)
    assert some.answer([b"1,a\n2,b"], b"0.1\n0.2", Format.CSV, Format.CSV) == b"1,0.1\n2,0.2"
    assert join.answer([b"1,a"], b'{"p": 1}', Format.CSV, Format.JSON) == b'1,a,"{""p"":1}"'


def test_answers_filtered_without_a_join() -> None:
    out = processing(out="$.IsAnomalous")
    assert out.answer([b"\xff\xd8 image"], b'{"IsAnomalous": true, "Confidence": 0.9}', None, Format.JSON) == b"true"
    with pytest.raises(BadRecord, match=r"OutputFilter .* Accept or the answer's content type names another type"):
        out.answer([b"image"], b"mask", None, None)
    with pytest.raises(BadRecord, match="answer 2: there is no member 'IsAnomalous'"):
        out.answer([b"a", b"b"], b'{"IsAnomalous":true}\n{}\n', None, Format.JSON)


@pytest.mark.parametrize(
    ("inputs", "answer", "message"),
    [
        ([b"{}\n", b"{}\n"], b"{}\n", "1 records were answered for 2"),
        ([b"{\n", b"{}\n"], b"{}\n{}\n", "answer 1: it is not JSON"),
        ([b"{}"], b"NaN", "answer 1: it is not JSON: NaN"),
        ([b"{}"], b"1e999", "answer 1: it cannot be written as JSON"),
        ([b"{}"], b"[" * 100_000, "answer 1: it is not JSON"),
        ([b"{}"], b"\xff", "not application/json in UTF-8"),
    ],
)
def test_answers_that_cannot_be_joined(inputs: list[bytes], answer: bytes, message: str) -> None:
    with pytest.raises(BadRecord, match=message):
        processing(join=True).answer(inputs, answer, Format.JSON, Format.JSON)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=5))
def test_every_record_meets_its_own_answer(pairs: list[tuple[Any, Any]]) -> None:
    inputs = [json.dumps(record).encode() + b"\n" for record, _ in pairs]
    answer = b"".join(json.dumps(got).encode() + b"\n" for _, got in pairs)
    joined = processing(join=True).answer(inputs, answer, Format.JSON, Format.JSON)
    for line, (record, got) in zip(joined.decode().removesuffix("\n").split("\n"), pairs, strict=True):
        value = json.loads(line)
        assert value["SageMakerOutput"] == got
        rest = {name: each for name, each in value.items() if name != "SageMakerOutput"}
        if isinstance(record, dict):
            assert rest == {name: each for name, each in record.items() if name != "SageMakerOutput"}
        else:
            assert rest == {"SageMakerInput": record}


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0")), min_size=2, max_size=5))
def test_columns_survive_a_filter(columns: list[str]) -> None:
    import csv
    import io

    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(columns)
    found = processing("$[1:]").request(out.getvalue().encode(), Format.CSV).decode()
    assert next(csv.reader([found]), []) == columns[1:]


def test_the_whole_path_is_the_default() -> None:
    assert Processing() == processing()
    assert WHOLE.whole
    assert not Processing().of_answers
