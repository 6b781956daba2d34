"""Where an object lies: `s3://bucket/key`."""

from __future__ import annotations

import re
from dataclasses import dataclass

_BUCKET = re.compile(r"[0-9A-Za-z.\-_]{3,63}")
MAX_KEY_BYTES = 1024


@dataclass(frozen=True, slots=True)
class S3Location:
    """An object of a bucket; `str()` gives the URI back."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    @classmethod
    def parse(cls, uri: str) -> S3Location:
        """Split `s3://bucket/key`; ValueError names the text and the rule."""
        scheme, separator, rest = uri.partition("://")
        bucket, slash, key = rest.partition("/")
        if scheme.lower() != "s3" or not separator or not slash or not key:
            raise ValueError(f"{_short(uri)} is not of the form s3://bucket/key")
        if not _BUCKET.fullmatch(bucket):
            raise ValueError(f"{_short(uri)} names no valid bucket: 3 to 63 letters, digits, dots, dashes, underscores")
        try:
            size = len(key.encode())
        except UnicodeEncodeError:
            raise ValueError(f"{_short(uri)} holds half a surrogate pair, which no key can") from None
        if size > MAX_KEY_BYTES:
            raise ValueError(f"{_short(uri)} has a key of {size} bytes; the most is {MAX_KEY_BYTES}")
        return cls(bucket, key)


def _short(text: str, most: int = 120) -> str:
    return ascii(text if len(text) <= most else text[:most] + "...")
