"""The query protocol's forms: dotted names to typed members."""

from __future__ import annotations

import re
from typing import Any

from relook.aws.protocol import scalars, uri
from relook.aws.protocol.problems import MAX_DEPTH, Malformed

_INDEX = re.compile(r"[1-9][0-9]{0,8}")
_LEAF = ""
Tree = dict[str, Any]
"""Children by segment; the text of a name itself under the empty segment."""


def form(body: bytes, query: str) -> dict[str, str]:
    """The parameters of a POSTed form, or of the query string; Malformed when one is there twice."""
    found: dict[str, str] = {}
    # Latin-1 keeps every byte for the percent-decoder, which then insists on UTF-8.
    text = body.decode("latin-1") if body else query
    for name, value in uri.parameters(text):
        if name in found:
            raise Malformed(f"the parameter {name[:64]!r} is there twice")
        found[name] = value
    return found


def members(shape: Any, parameters: dict[str, str]) -> dict[str, Any]:
    """The members of an input shape from the parameters of a form; unknown names are passed over."""
    tree: Tree = {}
    for name, value in parameters.items():
        _insert(tree, name, value)
    return _structure(shape, tree)


def _insert(tree: Tree, name: str, value: str) -> None:
    segments = name.split(".")
    if len(segments) > MAX_DEPTH:
        raise Malformed(f"the parameter {name[:64]!r} is nested deeper than {MAX_DEPTH} levels")
    for segment in segments:
        tree = tree.setdefault(segment or "?", {})
    tree[_LEAF] = value


def _structure(shape: Any, tree: Tree) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, member in shape.members.items():
        wire = member.serialization.get("name", name)
        if wire not in tree and member.serialization.get("flattened") and member.type_name == "list":
            # botocore sends a flattened list under the name of its member, other SDKs under the list's own.
            wire = member.member.serialization.get("name", wire)
        if wire in tree:
            found[name] = _read(member, tree[wire], wire)
    return found


def _read(shape: Any, tree: Tree, name: str) -> Any:
    kind = shape.type_name
    try:
        if kind == "structure":
            return _structure(shape, tree)
        if kind == "list":
            return _list(shape, tree)
        if kind == "map":
            return _map(shape, tree)
        if _LEAF not in tree:
            raise Malformed(f"a {kind} is expected, but the name goes on")
        return scalars.from_text(shape, tree[_LEAF], "iso8601")
    except Malformed as problem:
        raise problem.within(name) from None


def _list(shape: Any, tree: Tree) -> list[Any]:
    if not shape.serialization.get("flattened"):
        tree = tree.get(shape.member.serialization.get("name", "member"), {})
    return [_read(shape.member, branch, index) for index, branch in _indexed(tree)]


def _map(shape: Any, tree: Tree) -> dict[str, Any]:
    if not shape.serialization.get("flattened"):
        tree = tree.get("entry", {})
    key_name = shape.key.serialization.get("name", "key")
    value_name = shape.value.serialization.get("name", "value")
    found: dict[str, Any] = {}
    for index, entry in _indexed(tree):
        if key_name not in entry or value_name not in entry:
            raise Malformed(f"entry {index} of a map must have a {key_name} and a {value_name}")
        found[_read(shape.key, entry[key_name], key_name)] = _read(shape.value, entry[value_name], value_name)
    return found


def _indexed(tree: Tree) -> list[tuple[str, Tree]]:
    indexes = [segment for segment in tree if segment != _LEAF]
    for segment in indexes:
        if not _INDEX.fullmatch(segment):
            raise Malformed(f"{segment[:32]!r} is not a position: they count from 1")
    return [(index, tree[index]) for index in sorted(indexes, key=int)]
