from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relook.core.batch import BadInput
from relook.core.batch.names import Named, Place, name_below, output_key, output_keys, parse_manifest


@pytest.mark.parametrize(
    ("prefix", "key", "name"),
    [
        ("in", "in/x.jpg", "x.jpg"),
        ("in/", "in/x.jpg", "x.jpg"),
        ("in", "in/sub/x.jpg", "sub/x.jpg"),
        ("in/", "in/sub/x.jpg", "sub/x.jpg"),
        ("in/im", "in/img1.jpg", "img1.jpg"),
        ("in/im", "in/images/1.jpg", "images/1.jpg"),
        ("in/x.jpg", "in/x.jpg", "x.jpg"),
        ("x.jpg", "x.jpg", "x.jpg"),
        ("", "in/x.jpg", "in/x.jpg"),
        ("in", "in2/x.jpg", "in2/x.jpg"),
    ],
)
def test_the_name_of_an_input(prefix: str, key: str, name: str) -> None:
    assert name_below(prefix, key) == name


def test_a_key_outside_the_prefix_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="does not start"):
        name_below("in/", "out/x.jpg")


@pytest.mark.parametrize(
    ("uri", "key"),
    [
        ("s3://b/out", "out/sub/x.jpg.out"),
        ("s3://b/out/", "out/sub/x.jpg.out"),
        ("s3://b", "sub/x.jpg.out"),
        ("s3://b/", "sub/x.jpg.out"),
    ],
)
def test_the_key_of_an_output(uri: str, key: str) -> None:
    assert output_key(Place.parse(uri), "sub/x.jpg") == key


def test_an_output_key_that_no_object_can_have() -> None:
    with pytest.raises(BadInput, match="more than 1024 bytes"):
        output_key(Place("b", "out"), "x" * 1017)
    assert len(output_key(Place("b", "out"), "x" * 1016)) == 1024


def test_two_inputs_never_share_an_output() -> None:
    twins = [Named("b", "in/in2/x", "in2/x"), Named("b", "in2/x", "in2/x")]
    with pytest.raises(BadInput, match=r"s3://b/in/in2/x and s3://b/in2/x would both .* s3://o/p/in2/x\.out"):
        output_keys(Place("o", "p"), twins)


@given(st.lists(st.text("ab/.", min_size=1, max_size=6), unique=True))
def test_outputs_of_a_folder_are_as_many_as_its_objects(names: list[str]) -> None:
    inputs = [Named("b", f"in/{name}", name_below("in/", f"in/{name}")) for name in names]
    assert output_keys(Place("b", "out/"), inputs) == [f"out/{name}.out" for name in names]


@pytest.mark.parametrize("uri", ["https://b/x", "s3:/b", "s3:///x", "b/x"])
def test_places_that_are_none(uri: str) -> None:
    with pytest.raises(BadInput, match=r"s3://bucket/prefix"):
        Place.parse(uri)


def test_a_manifest() -> None:
    found = parse_manifest(b'[{"prefix": "s3://b/p/"}, "x.jpg", "sub/y.jpg", "x.jpg"]', "s3://b/m")
    assert found == [Named("b", "p/x.jpg", "x.jpg"), Named("b", "p/sub/y.jpg", "sub/y.jpg")]
    assert str(found[1]) == "s3://b/p/sub/y.jpg"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[]", "is not a JSON array"),
        (b'{"prefix": "s3://b/"}', "is not a JSON array"),
        (b'["x.jpg"]', "first entry"),
        (b'[{"prefix": 1}, "x"]', "first entry"),
        (b'[{"prefix": "b/p"}, "x"]', "not of the form"),
        (b'[{"prefix": "s3://b/"}, "x", 5]', "entry 3 of the manifest s3://b/m is not a name"),
        (b'[{"prefix": "s3://b/"}, "\\ud800"]', "entry 2 .* surrogate"),
    ],
)
def test_manifests_that_are_none(text: bytes, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        parse_manifest(text, "s3://b/m")
