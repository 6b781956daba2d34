from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relook.aws.errors import ServiceError
from relook.blobs.records import Attributes, Checksum, ChecksumType, Version
from relook.services.s3.attributes import attributes_of, checksum_type
from relook.services.s3.conditions import Span, check_read, copied_span, requested_span, write_condition
from relook.services.s3.edge import model, refuse_unsupported
from relook.services.s3.names import check_bucket_name, check_key, check_version_id, copy_source

MODIFIED = 1_700_000_000_500
BEFORE, AFTER = datetime(2023, 11, 14, 22, 13, 19, tzinfo=UTC), datetime(2023, 11, 14, 22, 13, 21, tzinfo=UTC)
AT = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
VERSION = Version(1, "b", "k", "null", True, False, 10, "abc", MODIFIED, Attributes(), Checksum("CRC32", "AAAAAA=="))


@pytest.mark.parametrize("name", ["abc", "a.b-c", "0" * 63, "my-bucket.example.com"])
def test_good_bucket_names(name: str) -> None:
    check_bucket_name(name)


@pytest.mark.parametrize(
    "name",
    ["ab", "0" * 64, "Abc", "a_b", "-abc", "abc-", "a..b", "192.168.0.1", "xn--abc", "abc-s3alias", "../etc", "a/b"],
)
def test_bad_bucket_names(name: str) -> None:
    with pytest.raises(ServiceError, match="InvalidBucketName"):
        check_bucket_name(name)


def test_keys_have_a_limit_in_bytes() -> None:
    check_key("é" * 512)
    with pytest.raises(ServiceError, match="KeyTooLongError"):
        check_key("é" * 513)
    with pytest.raises(ServiceError, match="InvalidURI"):
        check_key("\udc80")


def test_version_ids() -> None:
    assert check_version_id("null") == "null"
    with pytest.raises(ServiceError, match="Invalid version id"):
        check_version_id("../x")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bucket/key", ("bucket", "key", None)),
        ("/bucket/a%20b%2Bc+d", ("bucket", "a b+c+d", None)),
        ("bucket//lead", ("bucket", "/lead", None)),
        ("bucket/k%3FversionId%3D1?versionId=null", ("bucket", "k?versionId=1", "null")),
        ("bucket/é".encode().decode("latin-1"), ("bucket", "é", None)),
        ("bucket/%C3%A9", ("bucket", "é", None)),
    ],
)
def test_copy_sources(header: str, expected: tuple[str, str, str | None]) -> None:
    assert copy_source(header) == expected


@pytest.mark.parametrize("header", ["", "bucket", "bucket/", "arn:aws:s3:us-east-1:1:accesspoint/x/object/k"])
def test_bad_copy_sources(header: str) -> None:
    with pytest.raises(ServiceError, match="Invalid copy source"):
        copy_source(header)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("bytes=0-0", Span(0, 0)),
        ("bytes=3-", Span(3, 9)),
        ("bytes=-4", Span(6, 9)),
        ("bytes=-99", Span(0, 9)),
        ("bytes=5-99", Span(5, 9)),
        ("bytes=5-2", None),
        ("bytes=0-1,3-4", None),
        ("items=0-1", None),
        ("bytes=-", None),
    ],
)
def test_ranges(header: str | None, expected: Span | None) -> None:
    assert requested_span(header, 10) == expected


@pytest.mark.parametrize(("header", "size"), [("bytes=10-", 10), ("bytes=-0", 10), ("bytes=0-", 0), ("bytes=-1", 0)])
def test_ranges_outside(header: str, size: int) -> None:
    with pytest.raises(ServiceError, match="InvalidRange") as caught:
        requested_span(header, size)
    assert caught.value.status == 416
    assert caught.value.headers == {"Content-Range": f"bytes */{size}"}


@given(size=st.integers(0, 50), first=st.integers(0, 60), last=st.integers(0, 60))
def test_a_range_lies_inside(size: int, first: int, last: int) -> None:
    try:
        span = requested_span(f"bytes={first}-{last}", size)
    except ServiceError:
        assert first >= size
        return
    assert (span is None) == (last < first)
    if span is not None:
        assert 0 <= span.first <= span.last < size


def test_copied_ranges() -> None:
    assert copied_span("bytes=2-4", 10) == Span(2, 4)
    assert copied_span(None, 10) == Span(0, 9)
    for header in ("bytes=2-10", "bytes=4-2", "bytes=2-", "2-4"):
        with pytest.raises(ServiceError, match="InvalidArgument"):
            copied_span(header, 10)


@pytest.mark.parametrize(
    ("members", "status"),
    [
        ({"IfMatch": '"abc"'}, None),
        ({"IfMatch": '"x", "abc"'}, None),
        ({"IfMatch": "*"}, None),
        ({"IfMatch": '"x"'}, 412),
        ({"IfNoneMatch": '"abc"'}, 304),
        ({"IfNoneMatch": 'W/"abc"'}, 304),
        ({"IfNoneMatch": '"x"'}, None),
        ({"IfModifiedSince": AT}, 304),
        ({"IfModifiedSince": BEFORE}, None),
        ({"IfUnmodifiedSince": AT}, None),
        ({"IfUnmodifiedSince": BEFORE}, 412),
        ({"IfMatch": '"abc"', "IfUnmodifiedSince": BEFORE}, None),
        ({"IfNoneMatch": '"x"', "IfModifiedSince": AFTER}, None),
        ({"IfNoneMatch": '"abc"', "IfModifiedSince": BEFORE}, 304),
    ],
)
def test_read_conditions(members: dict[str, object], status: int | None) -> None:
    try:
        check_read(members, VERSION)
        found = None
    except ServiceError as error:
        found = error.status
    assert found == status


def test_a_copy_answers_412_where_a_read_answers_304() -> None:
    with pytest.raises(ServiceError) as caught:
        check_read({"CopySourceIfNoneMatch": "abc"}, VERSION, "CopySource")
    assert caught.value.status == 412


def test_if_none_match_takes_a_star_alone() -> None:
    assert write_condition({"IfNoneMatch": "*"}).if_absent
    with pytest.raises(ServiceError, match="NotImplemented"):
        write_condition({"IfNoneMatch": '"abc"'})


def test_what_is_not_supported_is_refused_by_its_header() -> None:
    known = frozenset({"Bucket", "Key", "Body"})
    shape = model().operation_model("PutObject").input_shape
    assert shape is not None
    for name, member in shape.members.items():
        if name in known or member.serialization.get("location") != "header":
            continue
        with pytest.raises(ServiceError) as caught:
            refuse_unsupported("PutObject", known, {"Bucket": "b", name: "something"})
        assert member.serialization["name"] in caught.value.message
        assert caught.value.status == 501


@pytest.mark.parametrize(("member", "value"), [("ACL", "private"), ("StorageClass", "STANDARD")])
def test_asking_for_what_happens_anyway_is_fine(member: str, value: str) -> None:
    refuse_unsupported("PutObject", frozenset({member}), {member: value})
    with pytest.raises(ServiceError, match="NotImplemented"):
        refuse_unsupported("PutObject", frozenset({member}), {member: "other"})


def test_metadata_has_a_limit() -> None:
    assert attributes_of({"Metadata": {"A": "x" * 2047}}).metadata == {"a": "x" * 2047}
    with pytest.raises(ServiceError, match="MetadataTooLarge"):
        attributes_of({"Metadata": {"a": "x" * 2048}})


def test_transfer_framing_is_no_content_encoding() -> None:
    assert attributes_of({"ContentEncoding": "gzip,aws-chunked"}).headers["content-encoding"] == "gzip"
    assert "content-encoding" not in attributes_of({"ContentEncoding": "aws-chunked"}).headers


def test_checksum_types() -> None:
    assert checksum_type("CRC32", None) is ChecksumType.COMPOSITE
    assert checksum_type("CRC64NVME", None) is ChecksumType.FULL_OBJECT
    with pytest.raises(ServiceError, match="COMPOSITE"):
        checksum_type("CRC64NVME", "COMPOSITE")
    with pytest.raises(ServiceError, match="FULL_OBJECT"):
        checksum_type("SHA256", "FULL_OBJECT")
