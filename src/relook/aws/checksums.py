"""Digests that clients send along with a body: Content-MD5 and x-amz-checksum-*, in a header or a trailer."""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

import anycrc

from relook.aws.errors import ServiceError
from relook.aws.http import HttpRequest

PREFIX = "x-amz-checksum-"
# Headers with the prefix that name a kind of checksum instead of carrying one.
NOT_VALUES = frozenset({"x-amz-checksum-algorithm", "x-amz-checksum-mode", "x-amz-checksum-type"})


class Digest(Protocol):
    """A running digest, as hashlib has them."""

    def update(self, data: bytes, /) -> None: ...

    def digest(self) -> bytes: ...


class _Crc:
    """A CRC as big-endian bytes; `step(data, value)` continues from `value`."""

    def __init__(self, step: Callable[[bytes, int], int], size: int) -> None:
        self._step, self._size, self._value = step, size, 0

    def update(self, data: bytes, /) -> None:
        self._value = self._step(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._size, "big")


_CRC32C: Any = anycrc.Model("CRC32-ISCSI")
_CRC64NVME: Any = anycrc.Model("CRC64-NVME")


class Algorithm(Enum):
    """The checksum algorithms of S3 that are computed here; the value is the name on the wire."""

    CRC32 = "CRC32"
    CRC32C = "CRC32C"
    CRC64NVME = "CRC64NVME"
    MD5 = "MD5"
    SHA1 = "SHA1"
    SHA256 = "SHA256"
    SHA512 = "SHA512"

    @property
    def header(self) -> str:
        return PREFIX + self.value.lower()

    @property
    def size(self) -> int:
        """Length of the digest in bytes."""
        return len(self.start().digest())

    def start(self) -> Digest:
        """A fresh running digest."""
        return _STARTS[self]()


_STARTS: dict[Algorithm, Callable[[], Digest]] = {
    Algorithm.CRC32: lambda: _Crc(zlib.crc32, 4),
    Algorithm.CRC32C: lambda: _Crc(_CRC32C.calc, 4),
    Algorithm.CRC64NVME: lambda: _Crc(_CRC64NVME.calc, 8),
    Algorithm.MD5: lambda: hashlib.md5(usedforsecurity=False),
    Algorithm.SHA1: lambda: hashlib.sha1(usedforsecurity=False),
    Algorithm.SHA256: hashlib.sha256,
    Algorithm.SHA512: hashlib.sha512,
}
_BY_HEADER = {algorithm.header: algorithm for algorithm in Algorithm}


@dataclass(frozen=True, slots=True)
class Checksum:
    """A verified checksum of a whole body: `value` is base64, as it travels on the wire."""

    algorithm: Algorithm
    value: str


@dataclass(frozen=True, slots=True)
class Expectation:
    """A digest that the client promised: its value now, or (None) in a trailer of the same name."""

    header: str
    algorithm: Algorithm
    value: bytes | None


def algorithm_of(header: str) -> Algorithm:
    """The algorithm of an x-amz-checksum-* header; ServiceError names one that is not computed here."""
    try:
        return _BY_HEADER[header]
    except KeyError:
        known = ", ".join(algorithm.value for algorithm in Algorithm)
        raise ServiceError(
            "InvalidRequest", f"The checksum of the header {header} is not supported: use one of {known}."
        ) from None


def decode(header: str, algorithm: Algorithm, text: str, code: str = "InvalidRequest") -> bytes:
    """The digest in a header value; ServiceError `code` when it is not base64 of the right length."""
    try:
        value = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        value = b""
    if len(value) != algorithm.size:
        raise ServiceError(
            code,
            f"Value for {header} header is invalid: it must be {algorithm.size} bytes of {algorithm.value} in base64.",
        )
    return value


def expectations(request: HttpRequest, trailers: tuple[str, ...]) -> list[Expectation]:
    """What the client promised about the bytes of this body: at most one Content-MD5 and one x-amz-checksum-*.

    `trailers`: the names announced in x-amz-trailer. ServiceError when a value is malformed, an algorithm is not
    supported, more than one checksum is there, or x-amz-sdk-checksum-algorithm announces one that is not.
    """
    promised = _checksum(request, trailers)
    md5 = request.header("content-md5")
    if md5 is not None:
        value = decode("content-md5", Algorithm.MD5, md5, "InvalidDigest")
        promised.append(Expectation("content-md5", Algorithm.MD5, value))
    return promised


def _checksum(request: HttpRequest, trailers: tuple[str, ...]) -> list[Expectation]:
    if _completes_upload(request):
        return []
    found = [
        Expectation(name, algorithm_of(name), decode(name, algorithm_of(name), value))
        for name, value in request.headers
        if name.startswith(PREFIX) and name not in NOT_VALUES
    ]
    found += [Expectation(name, algorithm_of(name), None) for name in trailers if name.startswith(PREFIX)]
    if len(found) > 1:
        names = ", ".join(sorted(expectation.header for expectation in found))
        raise ServiceError("InvalidRequest", f"Expecting a single {PREFIX} header or trailer, got {names}.")
    announced = request.header("x-amz-sdk-checksum-algorithm")
    if announced is not None and (not found or found[0].algorithm.value != announced.strip().upper()):
        raise ServiceError(
            "InvalidRequest",
            f"x-amz-sdk-checksum-algorithm is {announced[:20]!r}, but no header or announced trailer "
            f"{PREFIX}{announced.strip().lower()[:20]} came with it.",
        )
    return found


def _completes_upload(request: HttpRequest) -> bool:
    """CompleteMultipartUpload: its checksum headers speak of the finished object, not of the XML it sends."""
    names = {pair.partition("=")[0] for pair in request.query.split("&")}
    return request.method == "POST" and "uploadId" in names
