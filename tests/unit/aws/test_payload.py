from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import zlib
from collections.abc import AsyncIterator, Iterable

import pytest
from aws_chunks import ChunkKey, encode_signed, encode_unsigned, signing_key
from botocore.httpchecksum import AwsChunkedWrapper, Crc32Checksum, Sha256Checksum
from hypothesis import given, settings
from hypothesis import strategies as st

from relook.aws.checksums import Algorithm, Checksum
from relook.aws.errors import ServiceError
from relook.aws.http import HttpRequest
from relook.aws.payload import BATCH, Body, open_body
from relook.aws.signature import Scheme, Signature

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
SEED = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
SIGNATURE = Signature(Scheme.V4_HEADER, "AKIAIOSFODNN7EXAMPLE", 1369353600000, "us-east-1", "s3", ("host",), SEED)
SCOPE = "20130524/us-east-1/s3/aws4_request"
CHUNK_KEY = ChunkKey(signing_key(SECRET, SCOPE), f"20130524T000000Z\n{SCOPE}", SEED)
SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = f"{SIGNED}-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"

pieces_of_bytes = st.lists(st.binary(min_size=1, max_size=300), max_size=6)
cuts = st.lists(st.integers(1, 200), min_size=1, max_size=8)


def request(*headers: tuple[str, str], method: str = "PUT", query: str = "") -> HttpRequest:
    return HttpRequest(method, "/bucket/key", query, (("host", "s3.example"), *headers))


def streamed(kind: str, length: int, *trailers: str) -> HttpRequest:
    announced = [("x-amz-trailer", ",".join(trailers))] if trailers else []
    return request(("x-amz-content-sha256", kind), ("x-amz-decoded-content-length", str(length)), *announced)


async def arriving(parts: Iterable[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    parts, index = [], 0
    while data:
        parts.append(data[: sizes[index % len(sizes)]])
        data = data[sizes[index % len(sizes)] :]
        index += 1
    return parts


def opened(incoming: HttpRequest, parts: Iterable[bytes], signature: Signature | None = SIGNATURE) -> Body:
    return open_body(incoming, signature, SECRET, arriving(parts))


def read(incoming: HttpRequest, data: bytes, sizes: list[int] | None = None) -> tuple[bytes, Body]:
    body = opened(incoming, cut(data, sizes or [64 * 1024]))
    return asyncio.run(body.read(1 << 30)), body


def refused(incoming: HttpRequest, data: bytes) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        read(incoming, data)
    return caught.value


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def crc32(data: bytes) -> str:
    return b64(zlib.crc32(data).to_bytes(4, "big"))


def test_plain_body_with_its_hash() -> None:
    data = b"part of a picture"
    incoming = request(("x-amz-content-sha256", hashlib.sha256(data).hexdigest()), ("content-length", str(len(data))))
    found, body = read(incoming, data)
    assert (found, body.content_length, body.checksum) == (data, len(data), None)


def test_plain_body_with_another_hash() -> None:
    incoming = request(("x-amz-content-sha256", hashlib.sha256(b"signed").hexdigest()))
    assert refused(incoming, b"altered").code == "XAmzContentSHA256Mismatch"


def test_plain_body_shorter_than_announced() -> None:
    incoming = request(("x-amz-content-sha256", "UNSIGNED-PAYLOAD"), ("content-length", "9"))
    assert refused(incoming, b"short").code == "IncompleteBody"


def test_signed_hash_wins_over_the_header() -> None:
    """The value under the signature counts, not one that a presigned URL's user puts beside it."""
    presigned = Signature(
        Scheme.V4_QUERY, "AK", 0, "us-east-1", "s3", ("host",), SEED, 1, hashlib.sha256(b"signed").hexdigest()
    )
    body = opened(request(("x-amz-content-sha256", "UNSIGNED-PAYLOAD")), [b"altered"], presigned)
    with pytest.raises(ServiceError, match="XAmzContentSHA256Mismatch"):
        asyncio.run(body.read(100))


@pytest.mark.parametrize(
    ("chunk_count", "size"),
    [(3, BATCH), (1, 1)],
)
def test_large_bodies_pass_in_bounded_pieces(chunk_count: int, size: int) -> None:
    async def sizes() -> list[int]:
        body = opened(request(), [b"x" * size] * chunk_count + [b"y" * (3 * BATCH + 5)])
        return [len(chunk) async for chunk in body]

    found = asyncio.run(sizes())
    assert sum(found) == chunk_count * size + 3 * BATCH + 5
    assert max(found) < 2 * BATCH


def test_read_refuses_more_than_its_limit_before_reading_it_all() -> None:
    taken = []

    async def endless() -> AsyncIterator[bytes]:
        for number in range(1000):
            taken.append(number)
            yield b"z" * BATCH

    body = open_body(request(), SIGNATURE, SECRET, endless())
    with pytest.raises(ServiceError, match="EntityTooLarge"):
        asyncio.run(body.read(BATCH))
    assert len(taken) < 5


def test_read_refuses_an_announced_length_at_once() -> None:
    body = opened(request(("content-length", "101")), [])
    with pytest.raises(ServiceError, match="EntityTooLarge"):
        asyncio.run(body.read(100))


def test_a_body_is_read_once() -> None:
    body = opened(request(), [b"once"])
    assert asyncio.run(body.read(10)) == b"once"
    with pytest.raises(RuntimeError, match="only once"):
        asyncio.run(body.read(10))


def test_published_example_of_signed_chunks() -> None:
    """The worked example of the S3 API reference: 66560 bytes of 'a' in chunks of 64 KiB and 1 KiB."""
    data = b"a" * 66560
    framed = encode_signed([data[:65536], data[65536:]], CHUNK_KEY)
    assert b"10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n" in framed
    assert b"0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n" in framed
    assert read(streamed(SIGNED, len(data)), framed)[0] == data


@given(pieces=pieces_of_bytes, sizes=cuts)
@settings(max_examples=60, deadline=None)
def test_signed_chunks_decode_to_what_was_meant(pieces: list[bytes], sizes: list[int]) -> None:
    data = b"".join(pieces)
    assert read(streamed(SIGNED, len(data)), encode_signed(pieces, CHUNK_KEY), sizes)[0] == data


@given(pieces=pieces_of_bytes, sizes=cuts)
@settings(max_examples=60, deadline=None)
def test_signed_chunks_with_a_signed_trailer(pieces: list[bytes], sizes: list[int]) -> None:
    data = b"".join(pieces)
    framed = encode_signed(pieces, CHUNK_KEY, {"x-amz-checksum-crc32": crc32(data)})
    found, body = read(streamed(SIGNED_TRAILER, len(data), "x-amz-checksum-crc32"), framed, sizes)
    assert found == data
    assert body.trailers == {"x-amz-checksum-crc32": crc32(data)}
    assert body.checksum == Checksum(Algorithm.CRC32, crc32(data))


@given(data=st.binary(max_size=900), chunk_size=st.integers(1, 400), sizes=cuts, sha=st.booleans())
@settings(max_examples=60, deadline=None)
def test_what_botocore_frames_is_decoded(data: bytes, chunk_size: int, sizes: list[int], sha: bool) -> None:
    name, kind = ("x-amz-checksum-sha256", Sha256Checksum) if sha else ("x-amz-checksum-crc32", Crc32Checksum)
    framed = AwsChunkedWrapper(io.BytesIO(data), checksum_cls=kind, checksum_name=name, chunk_size=chunk_size).read()
    found, body = read(streamed(UNSIGNED_TRAILER, len(data), name), framed, sizes)
    assert found == data
    assert body.checksum is not None
    assert body.checksum.value == kind().handle(data)


@given(pieces=st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=4), draw=st.data())
@settings(max_examples=150, deadline=None)
def test_any_flipped_bit_of_a_signed_stream_is_refused(pieces: list[bytes], draw: st.DataObject) -> None:
    data = b"".join(pieces)
    trailers = {"x-amz-checksum-crc32": crc32(data)} if draw.draw(st.booleans()) else None
    framed = bytearray(encode_signed(pieces, CHUNK_KEY, trailers))
    position = draw.draw(st.integers(0, len(framed) - 1))
    framed[position] ^= 1 << draw.draw(st.integers(0, 7))
    incoming = streamed(SIGNED_TRAILER, len(data), *trailers) if trailers else streamed(SIGNED, len(data))
    outcome = code_or_content(incoming, bytes(framed))
    if isinstance(outcome, str):
        assert outcome in {"IncompleteBody", "SignatureDoesNotMatch", "MalformedTrailerError"}
    else:  # a hexadecimal size or a trailer's name in capitals means the same
        assert bytes(framed).lower() == encode_signed(pieces, CHUNK_KEY, trailers).lower()
        assert outcome == (data, trailers or {})


def code_or_content(incoming: HttpRequest, framed: bytes) -> str | tuple[bytes, dict[str, str]]:
    try:
        found, body = read(incoming, framed)
    except ServiceError as error:
        return error.code
    return found, body.trailers


@given(pieces=st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=4), draw=st.data())
@settings(max_examples=60, deadline=None)
def test_any_truncated_stream_is_refused(pieces: list[bytes], draw: st.DataObject) -> None:
    framed = encode_signed(pieces, CHUNK_KEY)
    end = draw.draw(st.integers(0, len(framed) - 1))
    length = sum(map(len, pieces))
    assert refused(streamed(SIGNED, length), framed[:end]).code == "IncompleteBody"
    assert refused(streamed(SIGNED, length), framed + b"\r\n").code == "IncompleteBody"


def test_chunks_in_another_order_are_refused() -> None:
    first, second = b"a" * 10, b"b" * 10
    framed = encode_signed([first, second], CHUNK_KEY)
    size = len(b"a;chunk-signature=") + 64 + 2 + 10 + 2
    swapped = framed[size : 2 * size] + framed[:size] + framed[2 * size :]
    assert refused(streamed(SIGNED, 20), swapped).code == "SignatureDoesNotMatch"


@pytest.mark.parametrize("length", [0, 9, 11])
def test_another_decoded_length_is_refused(length: int) -> None:
    framed = encode_signed([b"0123456789"], CHUNK_KEY)
    assert refused(streamed(SIGNED, length), framed).code == "IncompleteBody"


def test_endless_framing_lines_are_refused_before_they_fill_memory() -> None:
    assert "longer than" in refused(streamed(UNSIGNED_TRAILER, 5), b"1" * 5000).message
    trailers = b"0\r\n" + b"".join(b"x-%d:1\r\n" % number for number in range(40))
    assert refused(streamed(UNSIGNED_TRAILER, 0), trailers).code == "MalformedTrailerError"


@pytest.mark.parametrize("header", [b"-1", b"0x5", b"5 ", b"", b"5;chunk-signature=" + b"0" * 64, b"g", b"f" * 17])
def test_garbled_chunk_headers_are_refused(header: bytes) -> None:
    assert refused(streamed(UNSIGNED_TRAILER, 5), header + b"\r\nhello\r\n0\r\n\r\n").code == "IncompleteBody"


@pytest.mark.parametrize(
    ("announced", "sent"),
    [
        (("x-amz-checksum-crc32",), {}),
        ((), {"x-amz-checksum-crc32": crc32(b"hello")}),
        (("x-amz-checksum-crc32",), {"x-amz-checksum-crc32": crc32(b"hello"), "x-amz-meta-a": "b"}),
    ],
)
def test_trailers_are_those_announced(announced: tuple[str, ...], sent: dict[str, str]) -> None:
    framed = encode_unsigned([b"hello"], sent)
    assert refused(streamed(UNSIGNED_TRAILER, 5, *announced), framed).code == "MalformedTrailerError"


def test_signed_trailer_without_its_signature_is_refused() -> None:
    sent = {"x-amz-checksum-crc32": crc32(b"hello")}
    whole = encode_signed([b"hello"], CHUNK_KEY, sent)
    start = whole.index(b"x-amz-trailer-signature")
    framed = whole[:start] + b"\r\n"
    assert refused(streamed(SIGNED_TRAILER, 5, *sent), framed).code == "MalformedTrailerError"


def test_unsigned_trailer_with_a_wrong_checksum_is_refused() -> None:
    framed = encode_unsigned([b"hello"], {"x-amz-checksum-crc32": crc32(b"other")})
    assert refused(streamed(UNSIGNED_TRAILER, 5, "x-amz-checksum-crc32"), framed).code == "BadDigest"


@pytest.mark.parametrize(
    ("algorithm", "value"),
    [
        (Algorithm.CRC32, "cbf43926"),
        (Algorithm.CRC32C, "e3069283"),
        (Algorithm.CRC64NVME, "ae8b14860a799888"),
        (Algorithm.MD5, hashlib.md5(b"123456789").hexdigest()),
        (Algorithm.SHA1, hashlib.sha1(b"123456789").hexdigest()),
        (Algorithm.SHA256, hashlib.sha256(b"123456789").hexdigest()),
        (Algorithm.SHA512, hashlib.sha512(b"123456789").hexdigest()),
    ],
)
def test_checksum_headers_are_verified(algorithm: Algorithm, value: str) -> None:
    """The CRC values are the check values of the catalogue of parametrised CRC algorithms."""
    header = (f"x-amz-checksum-{algorithm.value.lower()}", b64(bytes.fromhex(value)))
    announced = ("x-amz-sdk-checksum-algorithm", algorithm.value)
    _, body = read(request(header, announced), b"123456789", [2])
    assert body.checksum == Checksum(algorithm, header[1])
    assert refused(request(header), b"123456780").code == "BadDigest"
    assert refused(request((header[0], "AAA=")), b"").code == "InvalidRequest"


def test_content_md5_is_verified() -> None:
    md5 = ("content-md5", b64(hashlib.md5(b"hello").digest()))
    _, body = read(request(md5), b"hello")
    assert body.checksum is None
    assert refused(request(md5), b"jello").code == "BadDigest"
    assert refused(request(("content-md5", "junk")), b"hello").code == "InvalidDigest"


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        ([("x-amz-checksum-xxhash64", "AAAAAAAAAAA=")], "x-amz-checksum-xxhash64"),
        ([("x-amz-checksum-crc32", "AAAAAA=="), ("x-amz-checksum-crc32c", "AAAAAA==")], "single"),
        ([("x-amz-sdk-checksum-algorithm", "CRC32C")], "x-amz-checksum-crc32c"),
        ([("x-amz-sdk-checksum-algorithm", "SHA1"), ("x-amz-checksum-crc32", "AAAAAA==")], "SHA1"),
        ([("x-amz-trailer", "x-amz-checksum-crc32")], "x-amz-trailer"),
        ([("content-encoding", "gzip, aws-chunked")], "aws-chunked"),
        ([("content-length", "-1")], "content-length"),
        ([("x-amz-content-sha256", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD")], "x-amz-content-sha256"),
        ([("x-amz-content-sha256", UNSIGNED_TRAILER)], "x-amz-decoded-content-length"),
    ],
)
def test_headers_that_cannot_be_honoured_are_refused_by_name(headers: list[tuple[str, str]], named: str) -> None:
    with pytest.raises(ServiceError) as caught:
        opened(request(*headers), [])
    assert named in caught.value.message


def test_signed_chunks_need_a_signature_to_start_from() -> None:
    old = Signature(Scheme.V2_QUERY, "AK", 0, "us-east-1", "s3", (), "c2ln", 1)
    for signature in (None, old):
        with pytest.raises(ServiceError, match="Signature Version 4"):
            opened(streamed(SIGNED, 0), [], signature)


def test_checksum_of_the_finished_object_is_not_one_of_the_request() -> None:
    """CompleteMultipartUpload sends the object's checksum beside an XML body that does not have it."""
    incoming = request(("x-amz-checksum-crc32", crc32(b"object")), method="POST", query="uploadId=1")
    assert read(incoming, b"<Complete/>")[0] == b"<Complete/>"


@given(data=st.binary(max_size=200) | st.text("0123456789abcdef\r\n;:x-", max_size=60).map(str.encode), sizes=cuts)
@settings(max_examples=150, deadline=None)
def test_nothing_that_arrives_as_chunks_makes_it_stumble(data: bytes, sizes: list[int]) -> None:
    for kind in (SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER):
        body = opened(streamed(kind, 7), cut(data, sizes))
        with pytest.raises(ServiceError):
            asyncio.run(body.read(1000))
