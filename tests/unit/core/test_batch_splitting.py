from __future__ import annotations

import io
import itertools

import pytest
from batch_formats import MAGIC, recordio, tfrecord
from hypothesis import given
from hypothesis import strategies as st

from relook.core.batch import BadRecord, BatchError, PayloadTooLarge
from relook.core.batch.batching import Limits, Strategy, Wishes, batches, body, check_wishes, limits
from relook.core.batch.splitting import Record, Split, records

MB = 2**20
PAYLOADS = st.lists(st.one_of(st.binary(max_size=40), st.just(b"abcd" + MAGIC + b"xy" + MAGIC + MAGIC)))


def split(content: bytes, how: Split, largest: int = MB) -> list[Record]:
    return list(records(io.BytesIO(content), how, largest))


def test_an_object_that_is_not_split() -> None:
    assert split(b"a\nb", Split.NONE) == [Record(b"a\nb", b"a\nb")]
    assert split(b"x" * 10, Split.NONE, 10) == [Record(b"x" * 10, b"x" * 10)]
    with pytest.raises(PayloadTooLarge, match=r"the object is larger than 1 MB.*SplitType"):
        split(b"x" * (MB + 1), Split.NONE)


def test_lines_keep_their_ends_and_empty_ones_are_no_records() -> None:
    assert [record.raw for record in split(b"a\r\n\n\r\n b\n\nc", Split.LINE)] == [b"a\r\n", b" b\n", b"c"]


def test_a_line_over_the_limit_is_named() -> None:
    with pytest.raises(PayloadTooLarge, match="record 2 is larger"):
        split(b"ab\nabcd\n", Split.LINE, 4)
    assert len(split(b"ab\nabc\n", Split.LINE, 4)) == 2


@given(PAYLOADS)
def test_recordio_comes_apart_and_together(payloads: list[bytes]) -> None:
    content = b"".join(recordio(payload) for payload in payloads)
    found = split(content, Split.RECORDIO)
    assert [record.payload for record in found] == payloads
    assert b"".join(record.raw for record in found) == content


@given(PAYLOADS)
def test_tfrecords_come_apart_and_together(payloads: list[bytes]) -> None:
    content = b"".join(tfrecord(payload) for payload in payloads)
    found = split(content, Split.TFRECORD)
    assert [record.payload for record in found] == payloads
    assert b"".join(record.raw for record in found) == content


@given(st.sampled_from([Split.RECORDIO, Split.TFRECORD]), st.binary(min_size=1, max_size=60))
def test_noise_is_refused_and_never_read_past_the_limit(how: Split, noise: bytes) -> None:
    with pytest.raises(BatchError, match="record 1"):
        split(noise, how, 1000)


@pytest.mark.parametrize(("write", "how"), [(recordio, Split.RECORDIO), (tfrecord, Split.TFRECORD)])
def test_a_record_that_is_cut_off_or_damaged_or_too_large(write: type[bytes], how: Split) -> None:
    content = write(b"first") + write(b"second one")
    with pytest.raises(BadRecord, match="record 2 is cut off"):
        split(content[:-1], how)
    with pytest.raises(BadRecord, match="record 2 is cut off"):
        split(content[: len(write(b"first")) + 5], how)
    with pytest.raises(PayloadTooLarge, match="record 2"):
        split(content, how, len(write(b"second one")) - 1)


def test_a_flipped_bit_in_a_tfrecord() -> None:
    content = bytearray(tfrecord(b"payload"))
    content[14] ^= 1
    with pytest.raises(BadRecord, match="record 1 is damaged"):
        split(bytes(content), Split.TFRECORD)


def test_a_recordio_part_out_of_order() -> None:
    content = recordio(b"abcd" + MAGIC + b"efgh")
    with pytest.raises(BadRecord, match="record 1 is broken"):
        split(content[12:], Split.RECORDIO)


@given(
    st.lists(st.binary(min_size=1, max_size=9).map(lambda raw: Record(raw, raw))),
    st.integers(9, 40),
    st.sampled_from(Strategy),
)
def test_batches_keep_order_and_fit(made: list[Record], largest: int, strategy: Strategy) -> None:
    found = list(batches(made, strategy, largest))
    assert [record for batch in found for record in batch] == made
    assert all(0 < sum(len(record.raw) for record in batch) <= largest for batch in found)
    if strategy is Strategy.SINGLE_RECORD:
        assert all(len(batch) == 1 for batch in found)
    else:  # as many as fit: no batch could have taken the first record of the next one
        assert all(
            sum(len(record.raw) for record in batch) + len(later[0].raw) > largest
            for batch, later in itertools.pairwise(found)
        )


def test_one_record_is_sent_without_its_wrapping_and_many_with_it() -> None:
    batch = split(tfrecord(b"a") + tfrecord(b"b"), Split.TFRECORD)
    assert body(batch, Strategy.MULTI_RECORD) == tfrecord(b"a") + tfrecord(b"b")
    assert body(batch[:1], Strategy.SINGLE_RECORD) == b"a"


@pytest.mark.parametrize(
    ("job", "container", "expected"),
    [
        (Wishes(), Wishes(), (1, 6, Strategy.MULTI_RECORD)),
        (Wishes(), Wishes(4, 10, Strategy.SINGLE_RECORD), (4, 10, Strategy.SINGLE_RECORD)),
        (Wishes(2, 3, Strategy.MULTI_RECORD), Wishes(4, 10, Strategy.SINGLE_RECORD), (2, 3, Strategy.MULTI_RECORD)),
        (Wishes(concurrent=0), Wishes(concurrent=4), (4, 6, Strategy.MULTI_RECORD)),
        (Wishes(), Wishes(64, 6), (16, 6, Strategy.MULTI_RECORD)),
        (Wishes(concurrent=50), Wishes(), (50, 2, Strategy.MULTI_RECORD)),
        (Wishes(megabytes=50), Wishes(concurrent=8), (2, 50, Strategy.MULTI_RECORD)),
        (Wishes(), Wishes(1, 1000), (1, 100, Strategy.MULTI_RECORD)),
    ],
)
def test_whose_word_counts(job: Wishes, container: Wishes, expected: tuple[int, int, Strategy]) -> None:
    concurrent, megabytes, strategy = expected
    assert limits(job, container) == Limits(concurrent, megabytes * MB, strategy)


def test_no_limit_means_chunks() -> None:
    assert limits(Wishes(concurrent=8, megabytes=0), Wishes(megabytes=5)) == Limits(
        8, 1024 * MB, Strategy.MULTI_RECORD, chunked=True
    )


@pytest.mark.parametrize(
    ("job", "message"),
    [
        (Wishes(megabytes=101), "MaxPayloadInMB is 101: at most 100"),
        (Wishes(concurrent=101), "MaxConcurrentTransforms is 101: at most 100"),
        (Wishes(11, 10), r"11 \* 10 = 110: at most 100"),
    ],
)
def test_wishes_that_are_too_much(job: Wishes, message: str) -> None:
    with pytest.raises(BatchError, match=message):
        check_wishes(job)


def test_wishes_that_are_just_fine() -> None:
    for job in (Wishes(10, 10), Wishes(100, 1), Wishes(100, 0), Wishes(0, 100), Wishes()):
        check_wishes(job)
