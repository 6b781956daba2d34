"""Every constraint on the requests of a service, broken one at a time, from the client's own description."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Violation:
    """Members that break one constraint; `path` and `words` are what the answer must name."""

    operation: str
    members: Mapping[str, Any]
    path: str
    rule: str
    words: str

    def __str__(self) -> str:
        return f"{self.operation}-{self.path}-{self.rule}"


@dataclass(frozen=True, slots=True)
class Samples:
    """What the requests of a service are made of."""

    values: Mapping[str, Any]
    """A member of each name, whose every constraint holds."""
    against_pattern: Mapping[str, str]
    """Strings of a permitted length that break the pattern of these shapes; others get one with a line break."""
    letters: Mapping[str, str] = field(default_factory=dict)
    """What strings of these shapes are made of, where that is not `a`."""
    unsendable: Collection[tuple[str, str, str]] = ()
    """Operation, path and rule of what no client can send."""
    longest_blob: int = 0
    """Bytes of the longest blob that fits into a body of ordinary length: longer ones are for tests of their own."""

    def valid_members(self, model: Any) -> dict[str, Any]:
        """Every member of an operation's input, none of which breaks a rule."""
        return {name: copy.deepcopy(self.values[name]) for name in model.input_shape.members}

    def violations(self, service: Any, operations: Iterable[str] | None = None) -> Iterator[Violation]:
        """All of a service model's, or of these operations; required members in the path always are there."""
        for name in operations or service.operation_names:
            operation = service.operation_model(name)
            members = self.valid_members(operation)
            for path, rule, words, broken in self._broken(operation.input_shape, members, ()):
                if (name, path, rule) not in self.unsendable and not _in_path(operation, path, rule):
                    yield Violation(name, broken, path, rule, words)

    def _broken(self, shape: Any, value: Any, trail: tuple[str, ...]) -> Iterator[tuple[str, str, str, Any]]:
        """(path, rule, words, a copy of `value` that breaks the rule)."""
        path = ".".join(trail)
        if shape.type_name == "structure":
            for name, member in shape.members.items():
                yield from self._member_broken(shape, value, name, member, (*trail, name[:1].lower() + name[1:]))
        elif shape.type_name == "list":
            for rule, words, length in _lengths_broken(shape):
                yield path, rule, words, (value * length)[:length]
            for item_path, rule, words, item in self._broken(shape.member, value[0], (*trail, "1", "member")):
                yield item_path, rule, words, [item, *value[1:]]
        elif shape.type_name == "map":
            for rule, words, length in _lengths_broken(shape):
                yield path, rule, words, {f"k{number}": "" for number in range(length)}
            [(key, item)] = value.items()
            for key_path, rule, words, broken in self._broken(shape.key, key, (*trail, "key")):
                yield key_path, rule, words, {broken: item}
            for item_path, rule, words, broken in self._broken(shape.value, item, (*trail, key, "member")):
                yield item_path, rule, words, {key: broken}
        else:
            for rule, words, broken in self._scalar_broken(shape):
                yield path, rule, words, broken

    def _member_broken(
        self, shape: Any, value: Mapping[str, Any], name: str, member: Any, trail: tuple[str, ...]
    ) -> Iterator[tuple[str, str, str, Any]]:
        if name == shape.serialization.get("payload"):
            return
        if name in shape.required_members:
            rest = {key: item for key, item in value.items() if key != name}
            yield ".".join(trail), "required", "Member must not be null", rest
        for path, rule, words, broken in self._broken(member, value[name], trail):
            yield path, rule, words, {**value, name: broken}

    def _scalar_broken(self, shape: Any) -> Iterator[tuple[str, str, Any]]:
        rules = shape.metadata
        kind = shape.type_name
        if kind in ("integer", "long", "float"):
            if "min" in rules:
                yield "min", f"greater than or equal to {rules['min']}", rules["min"] - 1
            if "max" in rules:
                yield "max", f"less than or equal to {rules['max']}", rules["max"] + 1
        elif kind == "string":
            yield from self._string_broken(shape)
        elif kind == "blob":
            for rule, words, length in _lengths_broken(shape):
                if length <= self.longest_blob or rule == "min":
                    yield rule, words, b"a" * length

    def _string_broken(self, shape: Any) -> Iterator[tuple[str, str, Any]]:
        rules, letter = shape.metadata, self.letters.get(shape.name, "a")
        for rule, words, length in _lengths_broken(shape):
            yield rule, words, letter * length
        if "enum" in rules:
            yield "enum", "Member must satisfy enum value set", "NONE"
        if "pattern" in rules:
            broken = self.against_pattern.get(shape.name, "a\nb")
            yield "pattern", "Member must satisfy regular expression pattern", broken


def _lengths_broken(shape: Any) -> Iterator[tuple[str, str, int]]:
    """(rule, words, a length that breaks the rule)."""
    rules = shape.metadata
    if rules.get("min"):
        yield "min", f"greater than or equal to {rules['min']}", rules["min"] - 1
    if "max" in rules:
        yield "max", f"less than or equal to {rules['max']}", rules["max"] + 1


def _in_path(operation: Any, path: str, rule: str) -> bool:
    """An empty or absent part of the path is another path."""
    shapes = operation.input_shape.members
    inside = {name[:1].lower() + name[1:] for name in shapes if shapes[name].serialization.get("location") == "uri"}
    return path in inside and rule in ("min", "required")
