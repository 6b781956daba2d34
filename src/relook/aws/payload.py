"""The body of a request to S3, decoded and checked while it is read: never more than a small buffer of it in memory."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import re
from collections.abc import AsyncIterator
from typing import Protocol

from relook.aws.checksums import Checksum, Digest, Expectation, decode, expectations
from relook.aws.chunked import ChunkDecoder, ChunkSigner
from relook.aws.errors import ServiceError
from relook.aws.http import HttpRequest
from relook.aws.signature import UNSIGNED_PAYLOAD, Scheme, Signature

BATCH = 256 * 1024
"""Bytes gathered before they are decoded and hashed: enough to be worth a worker thread."""
UNSIGNED_STREAM = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
SIGNED_STREAM = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_STREAM_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
STREAMS = frozenset({UNSIGNED_STREAM, SIGNED_STREAM, SIGNED_STREAM_TRAILER})
LENGTH = re.compile(r"[0-9]{1,18}")


class _Decoder(Protocol):
    trailers: dict[str, str]

    def feed(self, data: bytes) -> list[bytes]: ...

    def finish(self) -> None: ...


def open_body(
    request: HttpRequest, signature: Signature | None, secret: str | None, receive: AsyncIterator[bytes]
) -> Body:
    """The body of a request whose signature was verified, ready to be read once.

    `signature`, `secret`: what signed it, needed for the forms that sign each chunk. `receive` gives the bytes as they
    arrive, in pieces of any size. ServiceError at once for headers that cannot be honoured (a missing or malformed
    length, an unknown checksum); everything about the bytes themselves is raised while reading, at the latest at the
    end: XAmzContentSHA256Mismatch, BadDigest, IncompleteBody, SignatureDoesNotMatch, MalformedTrailerError.
    """
    declared = _declared(request, signature)
    announced = _announced(request)
    length = _length(request, "x-amz-decoded-content-length" if declared in STREAMS else "content-length")
    promised = expectations(request, announced)
    if declared not in STREAMS:
        _refuse_framing(request, announced)
        return Body(receive, _Plain(length), length, promised, None if declared == UNSIGNED_PAYLOAD else declared)
    if length is None:
        raise ServiceError("MissingContentLength", f"{declared} needs the header x-amz-decoded-content-length.", 411)
    if declared == SIGNED_STREAM and announced:
        raise ServiceError("InvalidRequest", f"x-amz-trailer has no place with {SIGNED_STREAM}.")
    signer = None if declared == UNSIGNED_STREAM else _signer(declared, signature, secret)
    return Body(receive, _Framed(ChunkDecoder(signer, announced, length)), length, promised, None)


class Body:
    """An IncomingBody. Iterate over it, or `read` it, once."""

    def __init__(
        self,
        receive: AsyncIterator[bytes],
        decoder: _Decoder,
        content_length: int | None,
        promised: list[Expectation],
        sha256: str | None,
    ) -> None:
        self.content_length = content_length
        self.checksum: Checksum | None = None
        """The client's x-amz-checksum-* once the end was reached and it was found right; None when it sent none."""
        self._receive = receive
        self._decoder = decoder
        self._promised = promised
        self._running: list[Digest] = [expectation.algorithm.start() for expectation in promised]
        self._sha256, self._sha256_running = sha256, hashlib.sha256()
        self._opened = False

    @property
    def trailers(self) -> dict[str, str]:
        return self._decoder.trailers

    def __aiter__(self) -> AsyncIterator[bytes]:
        if self._opened:
            raise RuntimeError("the body of a request can be read only once")
        self._opened = True
        return self._chunks()

    async def read(self, limit: int) -> bytes:
        """All of it; ServiceError EntityTooLarge as soon as more than `limit` bytes are announced or arrive."""
        whole = bytearray()
        too_large = ServiceError("EntityTooLarge", f"The body is larger than the {limit} bytes allowed here.")
        if self.content_length is not None and self.content_length > limit:
            raise too_large
        async for chunk in self:
            whole += chunk
            if len(whole) > limit:
                raise too_large
        return bytes(whole)

    async def _chunks(self) -> AsyncIterator[bytes]:
        batch = bytearray()
        async for piece in self._receive:
            # A piece may be of any size: cut it, so that what is held stays within two batches.
            for start in range(0, len(piece), BATCH):
                batch += piece[start : start + BATCH]
                if len(batch) >= BATCH:
                    decoded = await asyncio.to_thread(self._take, bytes(batch))
                    batch.clear()
                    if decoded:
                        yield decoded
        decoded = self._take(bytes(batch))
        if decoded:
            yield decoded
        self._finish()

    def _take(self, data: bytes) -> bytes:
        decoded = b"".join(self._decoder.feed(data))
        for digest in self._running:
            digest.update(decoded)
        if self._sha256 is not None:
            self._sha256_running.update(decoded)
        return decoded

    def _finish(self) -> None:
        self._decoder.finish()
        if self._sha256 is not None and not hmac.compare_digest(self._sha256_running.hexdigest(), self._sha256):
            raise ServiceError(
                "XAmzContentSHA256Mismatch", "The SHA-256 of the body is not the one in x-amz-content-sha256."
            )
        for expectation, running in zip(self._promised, self._running, strict=True):
            self._compare(expectation, running.digest())

    def _compare(self, promised: Expectation, found: bytes) -> None:
        wanted = promised.value
        if wanted is None:
            wanted = decode(promised.header, promised.algorithm, self.trailers[promised.header])
        if wanted != found:
            raise ServiceError(
                "BadDigest", f"The {promised.algorithm.value} of the body is not the one in {promised.header}."
            )
        if promised.header != "content-md5":
            self.checksum = Checksum(promised.algorithm, base64.b64encode(found).decode())


class _Plain:
    """No framing: the bytes are the body, and there must be as many as Content-Length says."""

    def __init__(self, length: int | None) -> None:
        self._length, self._seen = length, 0
        self.trailers: dict[str, str] = {}

    def feed(self, data: bytes) -> list[bytes]:
        self._seen += len(data)
        return [data]

    def finish(self) -> None:
        if self._length is not None and self._seen != self._length:
            raise ServiceError(
                "IncompleteBody", f"The body has {self._seen} bytes, Content-Length says {self._length}."
            )


class _Framed:
    def __init__(self, decoder: ChunkDecoder) -> None:
        self._decoder = decoder
        self.trailers = decoder.trailers

    def feed(self, data: bytes) -> list[bytes]:
        return list(self._decoder.feed(data))

    def finish(self) -> None:
        self._decoder.finish()


def _declared(request: HttpRequest, signature: Signature | None) -> str:
    """What is said of the payload: a SHA-256, or one of S3's constants. `verify` has checked that it is one of them."""
    declared = signature.payload_hash if signature is not None else None
    declared = declared or request.header("x-amz-content-sha256") or UNSIGNED_PAYLOAD
    if declared not in STREAMS and declared != UNSIGNED_PAYLOAD and not re.fullmatch(r"[0-9a-f]{64}", declared):
        raise ServiceError(
            "InvalidRequest",
            "The header x-amz-content-sha256 must be the SHA-256 of the body in hexadecimal, or one of "
            + ", ".join(sorted({UNSIGNED_PAYLOAD, *STREAMS}))
            + ".",
        )
    return declared


def _announced(request: HttpRequest) -> tuple[str, ...]:
    lines = [value for name, value in request.headers if name == "x-amz-trailer"]
    return tuple(name.strip().lower() for name in ",".join(lines).split(",") if name.strip())


def _length(request: HttpRequest, header: str) -> int | None:
    text = request.header(header)
    if text is None:
        return None
    if not LENGTH.fullmatch(text.strip()):
        raise ServiceError("InvalidArgument", f"The header {header} must be a number of bytes.")
    return int(text)


def _refuse_framing(request: HttpRequest, announced: tuple[str, ...]) -> None:
    codings = (request.header("content-encoding") or "").lower().replace(" ", "").split(",")
    if announced or "aws-chunked" in codings or request.header("x-amz-decoded-content-length") is not None:
        raise ServiceError(
            "InvalidRequest",
            "x-amz-trailer, x-amz-decoded-content-length and Content-Encoding aws-chunked go with an "
            f"x-amz-content-sha256 of {', '.join(sorted(STREAMS))} only.",
        )


def _signer(declared: str, signature: Signature | None, secret: str | None) -> ChunkSigner:
    if signature is None or secret is None or signature.scheme is Scheme.V2_QUERY:
        raise ServiceError("InvalidRequest", f"{declared} needs a Signature Version 4 signature to start from.")
    return ChunkSigner(secret, signature)
