from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from manifest_lines import CONSOLE_ANOMALY, changed, lines

from relook.core.manifest import Label, ManifestError, parse_line, read_manifest

LINE = json.dumps(CONSOLE_ANOMALY)

MAP = "anomaly-mask-ref-metadata/internal-color-map"


def test_a_line_of_the_original_console_is_read() -> None:
    entry = parse_line(f"  {LINE}\r\n")
    assert entry.line == LINE
    assert (entry.source_ref, entry.label) == ("s3://bucket/anomaly-1.jpg", Label.ANOMALY)
    assert entry.label_date == 1661201571851
    assert entry.mask is not None
    assert str(entry.mask.location) == "s3://bucket/masks/anomaly-1.png"
    assert entry.mask.colours == (("#23A436", "cracked"),)
    assert entry.defects == {"cracked"}


def test_a_ground_truth_map_loses_its_background() -> None:
    colours = {
        "0": {"class-name": "BACKGROUND", "hex-color": "#000000", "confidence": 0.0},
        "1": {"class-name": "scratch", "hex-color": "#2ca02c", "confidence": 0.0},
        "2": {"class-name": "Background", "hex-color": "#ffFFff", "confidence": 0.0},
    }
    entry = parse_line(changed("anomaly-mask-ref-metadata/internal-color-map", colours))
    assert entry.mask is not None
    assert entry.mask.colours == (("#2CA02C", "scratch"),)
    assert entry.mask.background == ("#000000", "#FFFFFF")
    assert entry.defects == {"scratch"}


def test_white_is_the_background_whatever_it_is_called_where_nothing_else_is() -> None:
    colours = {
        "0": {"class-name": "clean", "hex-color": "#ffFFff"},
        "1": {"class-name": "scratch", "hex-color": "#2ca02c"},
    }
    entry = parse_line(changed(MAP, colours))
    assert entry.mask is not None
    assert (entry.mask.colours, entry.mask.background) == ((("#2CA02C", "scratch"),), ("#FFFFFF",))


@pytest.mark.parametrize(
    "beside",
    [
        {"0": {"class-name": "BACKGROUND", "hex-color": "#000000"}},
        {
            "0": {"class-name": "Background", "hex-color": "#000000"},
            "2": {"class-name": "dent", "hex-color": "#FF0000"},
        },
        {},
    ],
    ids=["a binary mask", "beside a coloured class", "alone"],
)
def test_a_class_drawn_in_white_is_refused(beside: dict[str, Any]) -> None:
    """It would be background, and its defects learned from as nothing."""
    colours = beside | {"1": {"class-name": "scratch", "hex-color": "#ffffff"}}
    with pytest.raises(ManifestError, match=r'gives white to the class "scratch": white \(#FFFFFF\) is the background'):
        parse_line(changed(MAP, colours))


@pytest.mark.parametrize(
    ("class_name", "label"),
    [("normal", Label.NORMAL), ("Anomaly", Label.ANOMALY), ("NORMAL", Label.NORMAL), ("dented", None), ("", None)],
)
@pytest.mark.parametrize("number", [0, 1, 0.5])
def test_the_class_name_alone_decides(class_name: str, label: Label | None, number: float) -> None:
    line = json.loads(changed("anomaly-label-metadata/class-name", class_name)) | {"anomaly-label": number}
    assert parse_line(json.dumps(line)).label is label


def test_an_image_without_annotations_is_unlabelled() -> None:
    boxes = {"boxes": {}, "boxes-metadata": {"type": "groundtruth/object-detection"}, "note-metadata": "text"}
    entry = parse_line(json.dumps({"source-ref": "s3://bucket/a", **boxes}))
    assert (entry.label, entry.mask, entry.label_date, entry.defects) == (None, None, None, frozenset())


def test_a_machine_label_counts_only_without_a_human_one() -> None:
    machine = {"class-name": "normal", "human-annotated": "no", "type": "groundtruth/image-classification"}
    both = {**CONSOLE_ANOMALY, "anomaly-label-detected": 0, "anomaly-label-detected-metadata": machine}
    assert parse_line(json.dumps(both)).label is Label.ANOMALY
    alone = {"source-ref": "s3://bucket/a", "x": 0, "x-metadata": machine}
    assert parse_line(json.dumps(alone)).label is Label.NORMAL


@pytest.mark.parametrize("date", ["someday", 12, None, {}])
def test_a_strange_date_costs_no_image(date: Any) -> None:
    assert parse_line(changed("anomaly-label-metadata/creation-date", date)).label_date is None


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("", "has 0 characters"),
        ("{", "has 1 characters"),
        (json.dumps({"source-ref": "s3://bucket/a", "x": "y" * 8192}), "a line has 2 to 8192"),
        ("[]", "not a JSON object"),
        ("nonsense", "not valid JSON: Expecting value"),
        ('{"source-ref": "s3://bucket/a"} {}', "not valid JSON: Extra data"),
        ('{"source-ref": "s3://bucket/a", "x": NaN}', "not valid JSON"),
        ('{"x": ' + "[" * 8000 + "}", "not valid JSON"),
        ('{"x": ' + "1" * 5000 + "}", "not valid JSON"),
        ("{}", '"source-ref" is required'),
        (changed("source-ref", 3), '"source-ref" is required'),
        (changed("source-ref", "a.jpg"), "not of the form s3://bucket/key"),
        (changed("source-ref", "https://bucket/a.jpg"), "not of the form s3://bucket/key"),
        (changed("source-ref", "s3://bucket/"), "not of the form s3://bucket/key"),
        (changed("source-ref", "s3://no/a.jpg"), "names no valid bucket"),
        (changed("source-ref", "s3://bucket/" + "ä" * 513), "a key of 1026 bytes"),
        (changed("source-ref", "s3://bucket/\ud800"), "half a surrogate pair"),
        (changed("anomaly-label", ...), '"anomaly-label" is required beside its metadata'),
        (changed("anomaly-label", "1"), "must be a number"),
        (changed("anomaly-label", True), "must be a number"),
        (changed("anomaly-label-metadata/class-name", ...), '"anomaly-label-metadata" needs "class-name"'),
        (changed("anomaly-label-metadata/human-annotated", ...), 'needs "human-annotated": "yes" or "no"'),
        (changed("anomaly-label-metadata/human-annotated", True), 'needs "human-annotated": "yes" or "no"'),
        (changed("anomaly-mask-ref", ...), '"anomaly-mask-ref" is required beside its metadata'),
        (changed("anomaly-mask-ref", "mask.png"), "\"anomaly-mask-ref\": 'mask.png' is not of the form"),
        (changed(MAP, ...), 'needs an "internal-color-map" that is not empty'),
        (changed(MAP, {}), 'needs an "internal-color-map" that is not empty'),
        (changed(f"{MAP}/0", "red"), "entry '0' must be an object"),
        (changed(f"{MAP}/0/class-name", ""), 'needs a "class-name" of 1 to 256 characters'),
        (changed(f"{MAP}/0/class-name", "\udfff"), 'needs a "class-name" of 1 to 256 characters'),
        (changed(f"{MAP}/0/hex-color", "red"), 'needs a "hex-color" such as "#2CA02C"'),
        (changed(f"{MAP}/1", {"class-name": "b", "hex-color": "#23a436"}), "the colour #23A436 to two classes"),
        (changed("b-metadata", CONSOLE_ANOMALY["anomaly-mask-ref-metadata"]), "more than one mask"),
    ],
)
def test_a_broken_rule_is_named_with_the_line(line: str, rule: str) -> None:
    with pytest.raises(ManifestError) as error:
        parse_line(line, 7)
    assert rule in error.value.rule
    assert (error.value.line, str(error.value)) == (7, f"line 7: {error.value.rule}")


def test_labels_that_contradict_each_other_are_refused() -> None:
    metadata = {"class-name": "normal", "human-annotated": "yes", "type": "groundtruth/image-classification"}
    line = {**CONSOLE_ANOMALY, "other": 1, "other-metadata": metadata}
    with pytest.raises(ManifestError, match="contradict"):
        parse_line(json.dumps(line))
    agreeing = {**line, "other-metadata": {**metadata, "class-name": "ANOMALY"}}
    assert parse_line(json.dumps(agreeing)).label is Label.ANOMALY


@given(lines())
def test_what_was_written_is_read(written: tuple[str, dict[str, Any]]) -> None:
    text, told = written
    entry = parse_line(text)
    assert (entry.line, entry.source_ref, entry.image.key) == (text.strip(" \t\r\n"), told["source_ref"], told["key"])
    assert entry.label == told["label"]
    assert (dict(entry.mask.colours) if entry.mask else None) == told["colours"]
    assert parse_line(entry.line) == entry


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(
        ["s3://bucket/a", "yes", "#112233", "groundtruth/image-classification", "groundtruth/semantic-segmentation"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.text(max_size=3) | st.sampled_from(
            ["source-ref", "a", "a-metadata", "type", "class-name", "human-annotated", "internal-color-map"]
        ),
        inner,
        max_size=5,
    ),
    max_leaves=20,
)  # fmt: skip


@given(st.text() | json_values.map(json.dumps))
def test_junk_breaks_a_rule_and_nothing_else(text: str) -> None:
    try:
        entry = parse_line(text)
    except ManifestError as error:
        assert error.rule  # noqa: PT017
    else:
        assert entry.source_ref.lower().startswith("s3://")


@given(st.binary(max_size=300) | st.lists(st.sampled_from([LINE.encode(), b"", b"\xff", b"{}"])).map(b"\n".join))
def test_junk_files_break_a_rule_and_nothing_else(data: bytes) -> None:
    try:
        found = list(read_manifest(io.BytesIO(data)))
    except ManifestError as error:
        assert error.rule  # noqa: PT017
    else:
        assert all(entry.line == LINE for _, entry in found)


def test_files_may_have_a_mark_blank_lines_and_either_ending() -> None:
    other = LINE.replace("anomaly-1.jpg", "ä.jpg")
    data = f"\ufeff{LINE}\r\n\r\n   \n{other}".encode()
    assert [(number, entry.line) for number, entry in read_manifest(io.BytesIO(data))] == [(1, LINE), (4, other)]


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\xef\xbb\xbf\n"])
def test_a_file_without_images_is_refused(data: bytes) -> None:
    with pytest.raises(ManifestError, match="there is no image in it") as error:
        list(read_manifest(io.BytesIO(data), bucket="bucket"))
    assert error.value.line is None


def test_all_images_must_be_in_one_bucket() -> None:
    data = f"{LINE}\n{LINE.replace('s3://bucket/anomaly', 's3://other/anomaly')}".encode()
    with pytest.raises(ManifestError, match="not in the bucket bucket") as error:
        list(read_manifest(io.BytesIO(data)))
    assert error.value.line == 2
    with pytest.raises(ManifestError, match="not in the bucket third") as error:
        list(read_manifest(io.BytesIO(data), bucket="third"))
    assert error.value.line == 1


def test_an_endless_line_is_never_held_whole() -> None:
    class Endless(io.RawIOBase):
        taken = 0

        def readline(self, size: int | None = -1, /) -> bytes:
            assert size is not None
            assert 0 < size < 50_000
            self.taken += size
            return b"x" * size

    with pytest.raises(ManifestError, match="line 1: is longer than 8192 characters"):
        list(read_manifest(Endless()))  # type: ignore[arg-type]


def test_a_line_that_is_not_utf8_is_named() -> None:
    with pytest.raises(ManifestError, match="line 2: is not UTF-8"):
        list(read_manifest(io.BytesIO(LINE.encode() + b'\n{"source-ref": "s3://bucket/\xff"}')))


def test_the_first_broken_lines_are_named_together() -> None:
    good = '{"source-ref": "s3://pictures/%d.jpg"}\n'
    lines = [good % 1, "junk\n", '{"no": "ref"}\n', good % 2, '{"source-ref": "http://pictures/3.jpg"}\n']
    with pytest.raises(ManifestError) as caught:
        list(read_manifest(io.BytesIO("".join(lines).encode())))
    assert caught.value.line == 2
    text = str(caught.value)
    assert text.startswith("line 2: is not valid JSON")
    assert '; line 3: "source-ref" is required' in text
    assert "; line 5: " in text
    assert "line 4" not in text


def test_no_more_than_five_broken_lines_are_named() -> None:
    with pytest.raises(ManifestError) as caught:
        list(read_manifest(io.BytesIO(b"junk\n" * 1000)))
    assert str(caught.value).count("line ") == 5
