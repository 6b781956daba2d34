"""A small encoder of aws-chunked, written from the S3 API reference, to test the decoder against."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

EMPTY = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True)
class ChunkKey:
    """What signs the chunks: the derived key, `date\\nscope`, and the signature of the headers."""

    key: bytes
    context: str
    seed: str


def signing_key(secret: str, scope: str) -> bytes:
    key = ("AWS4" + secret).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def encode_signed(pieces: Sequence[bytes], chunk_key: ChunkKey, trailers: Mapping[str, str] | None = None) -> bytes:
    """Signed chunks of `pieces` (none empty), the closing chunk, and signed trailers when there are any."""
    out, previous = b"", chunk_key.seed
    for piece in [*pieces, b""]:
        digest = hashlib.sha256(piece).hexdigest()
        previous = _sign(chunk_key, f"AWS4-HMAC-SHA256-PAYLOAD\n{chunk_key.context}\n{previous}\n{EMPTY}\n{digest}")
        out += f"{len(piece):x};chunk-signature={previous}\r\n".encode() + piece + (b"\r\n" if piece else b"")
    if trailers:
        lines = "".join(f"{name}:{value}\n" for name, value in trailers.items())
        digest = hashlib.sha256(lines.encode()).hexdigest()
        signature = _sign(chunk_key, f"AWS4-HMAC-SHA256-TRAILER\n{chunk_key.context}\n{previous}\n{digest}")
        out += "".join(f"{name}:{value}\r\n" for name, value in trailers.items()).encode()
        out += f"x-amz-trailer-signature:{signature}\r\n".encode()
    return out + b"\r\n"


def encode_unsigned(pieces: Sequence[bytes], trailers: Mapping[str, str]) -> bytes:
    out = b"".join(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in pieces) + b"0\r\n"
    return out + "".join(f"{name}:{value}\r\n" for name, value in trailers.items()).encode() + b"\r\n"


def _sign(chunk_key: ChunkKey, text: str) -> str:
    return hmac.new(chunk_key.key, text.encode(), hashlib.sha256).hexdigest()
