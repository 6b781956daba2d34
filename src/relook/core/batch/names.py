"""Which output object belongs to which input object, and the manifest that names inputs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from relook.core.batch import BadInput

SUFFIX = ".out"
MAX_KEY_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Place:
    """A bucket and a prefix of keys, which may be empty; `str()` gives the URI back."""

    bucket: str
    prefix: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}" if self.prefix else f"s3://{self.bucket}"

    @classmethod
    def parse(cls, uri: str) -> Place:
        """Split `s3://bucket[/prefix]`; BadInput names the text and the rule."""
        scheme, separator, rest = uri.partition("://")
        bucket, _, prefix = rest.partition("/")
        if scheme != "s3" or not separator or not bucket:
            raise BadInput(f"{uri} is not of the form s3://bucket/prefix")
        return cls(bucket, prefix)


@dataclass(frozen=True, slots=True)
class Named:
    """An input object and its name below the input, which its output keeps."""

    bucket: str
    key: str
    name: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def name_below(prefix: str, key: str) -> str:
    """The key without the folder that the prefix stands for; the key starts with the prefix.

    `in` and `in/` both stand for the folder `in` where the key lies in it; else a prefix ends within a name, or is the
    whole key, and the folder above it counts.
    """
    if not key.startswith(prefix):
        raise ValueError(f"{key!r} does not start with {prefix!r}")
    if not prefix or prefix.endswith("/"):
        return key[len(prefix) :]
    if key.startswith(prefix + "/"):
        return key[len(prefix) + 1 :]
    return key[prefix.rfind("/") + 1 :]


def output_key(output: Place, name: str) -> str:
    """Where the answer for the input of this name goes. BadInput where that is no key."""
    folder = output.prefix.rstrip("/")
    key = f"{folder}/{name}{SUFFIX}" if folder else f"{name}{SUFFIX}"
    if len(key.encode()) > MAX_KEY_BYTES:
        raise BadInput(f"the output key {key} would have more than {MAX_KEY_BYTES} bytes")
    return key


def output_keys(output: Place, inputs: Sequence[Named]) -> list[str]:
    """One key for each input. BadInput where two inputs would share one: neither may be lost."""
    owners: dict[str, Named] = {}
    for each in inputs:
        other = owners.setdefault(output_key(output, each.name), each)
        if other is not each:
            place = f"s3://{output.bucket}/{output_key(output, each.name)}"
            raise BadInput(f"{other} and {each} would both be written to {place}; name a prefix that ends in /")
    return list(owners)


def is_folder_marker(key: str) -> bool:
    return key.endswith("/")


def parse_manifest(text: bytes, where: str) -> list[Named]:
    """The objects a manifest names: `[{"prefix": "s3://bucket/p/"}, "name", ...]`, each once, in its order.

    `where` is the manifest's own URI, for messages. BadInput.
    """
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"the manifest {where} is not JSON: {error}") from None
    if not isinstance(entries, list) or not entries:
        raise BadInput(f'the manifest {where} is not a JSON array of {{"prefix": "s3://..."}} and names')
    first, *names = entries
    if not isinstance(first, dict) or set(first) != {"prefix"} or not isinstance(first["prefix"], str):
        raise BadInput(f'the first entry of the manifest {where} is not {{"prefix": "s3://..."}}')
    base = Place.parse(first["prefix"])
    return list(_named(base, names, where))


def _named(base: Place, names: Iterable[object], where: str) -> Iterable[Named]:
    seen = set()
    for number, name in enumerate(names, start=2):
        if not isinstance(name, str) or not name:
            raise BadInput(f"entry {number} of the manifest {where} is not a name")
        try:
            name.encode()
        except UnicodeEncodeError:
            raise BadInput(f"entry {number} of the manifest {where} holds half a surrogate pair") from None
        if name not in seen:
            seen.add(name)
            yield Named(base.bucket, base.prefix + name, name)
