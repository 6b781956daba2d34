"""The canonical request of Signature Version 4, from the bytes a client sent.

botocore's signer works on text that it made itself; a verifier has bytes that somebody else made, so everything here
is bytes: Python's idea of white space in text (U+00A0, U+0085) would fold bytes that differ into one signature.
Follows "Create a signed AWS API request" of the IAM user guide.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote, unquote_to_bytes

from botocore.utils import normalize_url_path

from relook.aws.http import HttpRequest

SIGNATURE_PARAMETER = "X-Amz-Signature"


def octets(text: str) -> bytes:
    """The bytes that arrived: request lines and headers are kept as text with one character per byte."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape")


def decoded_query(query: str) -> list[tuple[str, str]]:
    """Names and values of a raw query, percent-decoded, in order; `+` stays as it is."""
    pairs = (pair.partition("=") for pair in query.split("&") if pair)
    return [(_unquote(name), _unquote(value)) for name, _, value in pairs]


def _unquote(text: str) -> str:
    return unquote_to_bytes(octets(text)).decode("utf-8", "surrogateescape")


def canonical_requests(request: HttpRequest, signed_headers: tuple[str, ...], payload: str, s3: bool) -> list[bytes]:
    """The canonical requests that a correct client may have signed, most likely first: one, or two that mean the same.

    Clients sign the query, and for S3 the path, either as they send it or in AWS's uniform percent-encoding
    (`/?prefix=a/b` signed as `prefix=a%2Fb`). Both decode to the same request, so both are taken. The path of every
    other service is normalised and encoded once more, always.
    KeyError names a signed header that did not arrive.
    """
    headers = canonical_headers(request, signed_headers)
    tail = b"\n".join((headers, octets(";".join(signed_headers)), octets(payload)))
    head = octets(request.method)
    return [b"\n".join((head, path, query, tail)) for path, query in dict.fromkeys(_targets(request, s3))]


def _targets(request: HttpRequest, s3: bool) -> Iterator[tuple[bytes, bytes]]:
    path = request.path or "/"
    exact = _query_pairs(request.query)
    uniform = [(_uniform(name), _uniform(value)) for name, value in exact]
    if not s3:
        normal = octets(quote(octets(normalize_url_path(path)), safe="/~"))
        yield normal, _join(exact)
        yield normal, _join(uniform)
        return
    yield octets(path), _join(exact)
    yield b"/".join(octets(quote(unquote_to_bytes(octets(part)), safe="~")) for part in path.split("/")), _join(uniform)


def _query_pairs(query: str) -> list[tuple[bytes, bytes]]:
    pairs = (octets(pair).partition(b"=") for pair in query.split("&") if pair)
    return [(name, value) for name, _, value in pairs if unquote_to_bytes(name) != SIGNATURE_PARAMETER.encode()]


def _uniform(part: bytes) -> bytes:
    # A bare "+" is left alone: read as a space it would let "%20", and read as itself "%2B", be exchanged for it
    # unnoticed by one kind of query parser or the other.
    return b"+".join(octets(quote(unquote_to_bytes(piece), safe="~")) for piece in part.split(b"+"))


def _join(pairs: list[tuple[bytes, bytes]]) -> bytes:
    return b"&".join(name + b"=" + value for name, value in sorted(pairs))


def canonical_headers(request: HttpRequest, names: tuple[str, ...]) -> bytes:
    """`name:value\\n` for each name, values of repeated headers joined by commas, runs of white space folded."""
    values: dict[str, list[bytes]] = {name: [] for name in names}
    for name, value in request.headers:
        if name in values:
            values[name].append(b" ".join(octets(value).split()))
    absent = [name for name, found in values.items() if not found]
    if absent:
        raise KeyError(absent[0])
    return b"".join(octets(name) + b":" + b",".join(values[name]) + b"\n" for name in names)
