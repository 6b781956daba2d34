"""aws-chunked: the framing in which S3 clients send a body with signatures or a trailing checksum in it.

    1000;chunk-signature=<hex>\r\n<4096 bytes>\r\n ... 0;chunk-signature=<hex>\r\n[trailers]\r\n

Follows "Signature calculations: transferring payload in multiple chunks" of the S3 API reference. Bytes go in as they
arrive and come out as the client meant them; nothing but a header line is ever held back.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator
from enum import Enum, auto

from relook.aws.errors import ServiceError
from relook.aws.signature import Signature
from relook.aws.sigv4 import hmac_sha256, signing_key

MAX_LINE = 1024
MAX_TRAILERS = 16
EMPTY_HASH = hashlib.sha256(b"").hexdigest()
SIGNATURE_TRAILER = "x-amz-trailer-signature"
PLAIN_HEADER = re.compile(rb"([0-9a-fA-F]{1,16})")
SIGNED_HEADER = re.compile(rb"([0-9a-fA-F]{1,16});chunk-signature=([0-9a-f]{64})")
TRAILER_NAME = re.compile(r"[0-9a-z-]{1,128}")


class ChunkSigner:
    """The chain of chunk signatures, each over the one before; it starts from the signature of the headers."""

    def __init__(self, secret: str, signature: Signature) -> None:
        self._key = signing_key(secret, signature)
        self._context = f"{signature.amz_date}\n{signature.scope}"
        self._previous = signature.signature
        self._hash = hashlib.sha256()

    def update(self, data: bytes) -> None:
        self._hash.update(data)

    def close_chunk(self, claimed: str) -> None:
        """Compare the signature claimed for the bytes since the last chunk; ServiceError when it is another."""
        text = f"{self._previous}\n{EMPTY_HASH}\n{self._hash.hexdigest()}"
        self._advance(f"AWS4-HMAC-SHA256-PAYLOAD\n{self._context}\n{text}", claimed, "a chunk")
        self._hash = hashlib.sha256()

    def close_trailers(self, trailers: bytes, claimed: str) -> None:
        """The same for the trailing headers, given as `name:value\\n` lines."""
        text = f"{self._previous}\n{hashlib.sha256(trailers).hexdigest()}"
        self._advance(f"AWS4-HMAC-SHA256-TRAILER\n{self._context}\n{text}", claimed, "the trailers")

    def _advance(self, text: str, claimed: str, what: str) -> None:
        wanted = hmac_sha256(self._key, text)
        if not hmac.compare_digest(wanted.encode(), claimed.encode("utf-8", "surrogateescape")):
            raise ServiceError(
                "SignatureDoesNotMatch",
                f"The signature of {what} in the aws-chunked body does not match its bytes: they were changed, or "
                "signed with another key.",
                403,
            )
        self._previous = wanted


class _State(Enum):
    HEADER = auto()
    DATA = auto()
    DATA_END = auto()
    TRAILERS = auto()
    DONE = auto()


class ChunkDecoder:
    """Takes aws-chunked framing off. `feed` gives decoded bytes, `finish` says that the input ended.

    signer: verifies every chunk; None for the unsigned form. announced: names in x-amz-trailer, each of which must
    come, and no other. decoded_length: bytes that must come out in all.
    """

    def __init__(self, signer: ChunkSigner | None, announced: tuple[str, ...], decoded_length: int) -> None:
        self._signer = signer
        self._announced = announced
        self._left = decoded_length
        self._state = _State.HEADER
        self._line = bytearray()
        self._chunk_left = 0
        self._claimed = ""
        self._trailer_bytes = b""
        self.trailers: dict[str, str] = {}

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Decoded pieces of `data`, none empty. ServiceError as soon as the framing or a signature is wrong."""
        view, position = memoryview(data), 0
        while position < len(data):
            if self._state is _State.DATA:
                piece = bytes(view[position : position + self._chunk_left])
                position += len(piece)
                self._take(piece)
                yield piece
            else:
                position = self._collect_line(data, position)

    def finish(self) -> None:
        """ServiceError unless the final chunk and its trailers were read and all promised bytes came out."""
        if self._state is not _State.DONE:
            raise _broken("it ends before its final chunk")

    def _take(self, piece: bytes) -> None:
        self._chunk_left -= len(piece)
        if self._signer is not None:
            self._signer.update(piece)
        if self._chunk_left == 0:
            self._state = _State.DATA_END

    def _collect_line(self, data: bytes, position: int) -> int:
        """Add to the current line up to its CRLF, act on it when complete; the position after what was used."""
        if self._state is _State.DONE:
            raise _broken("bytes follow its end")
        end = data.find(b"\n", position)
        stop = len(data) if end < 0 else end + 1
        if len(self._line) + stop - position > MAX_LINE:
            raise _broken(f"a line of its framing is longer than {MAX_LINE} bytes")
        self._line += data[position:stop]
        if self._line.endswith(b"\r\n"):
            line = bytes(self._line[:-2])
            self._line.clear()
            self._act(line)
        return stop

    def _act(self, line: bytes) -> None:
        if self._state is _State.HEADER:
            self._open_chunk(line)
        elif self._state is _State.DATA_END:
            if line:
                raise _broken("a chunk is longer than its header says")
            self._close_chunk()
            self._state = _State.HEADER
        elif line:
            self._add_trailer(line)
        else:
            self._close_trailers()

    def _open_chunk(self, line: bytes) -> None:
        match = (PLAIN_HEADER if self._signer is None else SIGNED_HEADER).fullmatch(line)
        if match is None:
            form = "SIZE" if self._signer is None else "SIZE;chunk-signature=SIGNATURE"
            raise _broken(f"a chunk does not start with {form} in hexadecimal")
        size = int(match[1], 16)
        if size > self._left:
            raise _broken("it holds more bytes than x-amz-decoded-content-length says")
        self._left -= size
        self._claimed = "" if self._signer is None else match[2].decode()
        if size:
            self._chunk_left, self._state = size, _State.DATA
            return
        if self._left:
            raise _broken("it holds fewer bytes than x-amz-decoded-content-length says")
        self._close_chunk()
        self._state = _State.TRAILERS

    def _close_chunk(self) -> None:
        if self._signer is not None:
            self._signer.close_chunk(self._claimed)

    def _add_trailer(self, line: bytes) -> None:
        # S3's own examples end a trailer in LF CRLF: the LF belongs to what is signed, not to the value.
        name, colon, value = line.rstrip(b"\n").decode("latin-1").partition(":")
        name = name.strip().lower()
        if not colon or not TRAILER_NAME.fullmatch(name) or name in self.trailers:
            raise _malformed("a line of it is not a header, or comes twice")
        if len(self.trailers) >= MAX_TRAILERS:
            raise _malformed(f"it has more than {MAX_TRAILERS} headers")
        value = value.strip(" \t\n")
        self.trailers[name] = value
        if name != SIGNATURE_TRAILER:
            self._trailer_bytes += f"{name}:{value}\n".encode("latin-1")

    def _close_trailers(self) -> None:
        claimed = self.trailers.pop(SIGNATURE_TRAILER, None)
        if set(self.trailers) != set(self._announced):
            raise _malformed("its headers are not those that x-amz-trailer announces")
        if self._signer is not None and self._announced:
            if claimed is None:
                raise _malformed(f"it has no {SIGNATURE_TRAILER}")
            self._signer.close_trailers(self._trailer_bytes, claimed)
        elif claimed is not None:
            raise _malformed(f"{SIGNATURE_TRAILER} has no place in this form")
        self._state = _State.DONE


def _broken(rule: str) -> ServiceError:
    return ServiceError("IncompleteBody", f"The aws-chunked body is broken: {rule}.")


def _malformed(rule: str) -> ServiceError:
    return ServiceError("MalformedTrailerError", f"The trailer of the aws-chunked body is malformed: {rule}.")
