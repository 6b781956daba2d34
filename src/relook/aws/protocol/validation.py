"""Every constraint of a service model, checked on parsed members; violations are data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from relook.aws.errors import ServiceError
from relook.aws.protocol.patterns import compiled

_SHOWN = 256
_LENGTH_UNITS = {"string", "blob", "list", "map"}
_NUMBERS = {"integer", "long", "float", "double"}


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken constraint: the path as AWS writes it (`tags.1.key`), the value shown, and the rule in words."""

    path: str
    shown: str
    rule: str
    required: bool = False

    def __str__(self) -> str:
        return f"Value {self.shown}at '{self.path}' failed to satisfy constraint: {self.rule}"


class ValidationError(ServiceError):
    """Constraints of the model are broken; `violations` are the data behind the message."""

    def __init__(self, code: str, violations: Sequence[Violation]) -> None:
        super().__init__(code, message(violations), 400)
        self.violations = tuple(violations)


def validate(shape: Any, members: Mapping[str, Any]) -> list[Violation]:
    """All constraints that the members of an input shape break; none for a shape that is None.

    Length counts characters of strings, bytes of blobs, elements of lists and maps. A pattern must match the whole
    string, and is tried only on strings of a permitted length. Streams are not looked into.
    """
    return [] if shape is None else list(_check(shape, members, ""))


def message(violations: Sequence[Violation]) -> str:
    """One message for all of them, in AWS's words."""
    count = len(violations)
    return f"{count} validation error{'' if count == 1 else 's'} detected: " + "; ".join(map(str, violations))


def _check(shape: Any, value: Any, path: str) -> Iterator[Violation]:
    kind = shape.type_name
    if value is None:
        yield _null(path)
    elif kind == "structure":
        yield from _structure(shape, value, path)
    elif kind == "list":
        yield from _length(shape, value, path)
        for index, item in enumerate(value, 1):
            yield from _check(shape.member, item, f"{path}.{index}.member")
    elif kind == "map":
        yield from _length(shape, value, path)
        for key, item in value.items():
            yield from _check(shape.key, key, f"{path}.key")
            yield from _check(shape.value, item, f"{path}.{str(key)[:_SHOWN]}.member")
    elif kind in _NUMBERS:
        yield from _range(shape, value, path)
    elif kind == "string" or (kind == "blob" and isinstance(value, bytes)):
        yield from _text(shape, value, path)


def _structure(shape: Any, value: Mapping[str, Any], path: str) -> Iterator[Violation]:
    if shape.metadata.get("document") or not isinstance(value, Mapping):
        return
    for name in shape.required_members:
        if value.get(name) is None:
            yield _null(_joined(path, name))
    if shape.is_tagged_union and sum(item is not None for item in value.values()) != 1:
        yield Violation(path, _show(shape, value), "Member must have exactly one of its members set")
    members = shape.members
    for name, item in value.items():
        if item is not None and name in members:
            yield from _check(members[name], item, _joined(path, name))


def _length(shape: Any, value: Any, path: str) -> Iterator[Violation]:
    metadata = shape.metadata
    if "min" in metadata and len(value) < metadata["min"]:
        rule = f"Member must have length greater than or equal to {metadata['min']}"
        yield Violation(path, _show(shape, value), rule)
    if "max" in metadata and len(value) > metadata["max"]:
        rule = f"Member must have length less than or equal to {metadata['max']}"
        yield Violation(path, _show(shape, value), rule)


def _text(shape: Any, value: Any, path: str) -> Iterator[Violation]:
    broken = list(_length(shape, value, path))
    yield from broken
    if not isinstance(value, str):
        return
    metadata = shape.metadata
    if "enum" in metadata and value not in metadata["enum"]:
        rule = f"Member must satisfy enum value set: [{', '.join(metadata['enum'])}]"
        yield Violation(path, _show(shape, value), rule)
    # Only a string of a permitted length meets the pattern: the cost of matching stays bounded.
    if "pattern" in metadata and not any("less than" in violation.rule for violation in broken):
        pattern = metadata["pattern"]
        if not compiled(pattern).fullmatch(value):
            rule = f"Member must satisfy regular expression pattern: {pattern}"
            yield Violation(path, _show(shape, value), rule)


def _range(shape: Any, value: Any, path: str) -> Iterator[Violation]:
    metadata = shape.metadata
    # Written as negations, so that NaN is in no range; it breaks both rules, and one is told.
    if "min" in metadata and not value >= metadata["min"]:
        rule = f"Member must have value greater than or equal to {_number(metadata['min'])}"
        yield Violation(path, _show(shape, value), rule)
    elif "max" in metadata and not value <= metadata["max"]:
        rule = f"Member must have value less than or equal to {_number(metadata['max'])}"
        yield Violation(path, _show(shape, value), rule)


def _null(path: str) -> Violation:
    return Violation(path, "null ", "Member must not be null", required=True)


def _joined(path: str, name: str) -> str:
    """AWS names members as Java beans do: the first letter small."""
    small = name[:1].lower() + name[1:]
    return f"{path}.{small}" if path else small


def _show(shape: Any, value: Any) -> str:
    if shape.metadata.get("sensitive"):
        return ""
    if isinstance(value, bytes):
        return f"of {len(value)} bytes "
    text = str(value)
    if len(text) > _SHOWN:
        text = text[:_SHOWN] + "..."
    return f"'{text}' "


def _number(limit: Any) -> str:
    return str(int(limit)) if float(limit).is_integer() else str(limit)
