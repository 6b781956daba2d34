"""XML bodies after a shape: rest-xml in both directions, and the answers of the query protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from relook.aws.protocol import scalars
from relook.aws.protocol.problems import Malformed
from relook.aws.protocol.xmltree import Node

_FORMAT = "iso8601"
LOCATED = frozenset({"uri", "querystring", "header", "headers", "statusCode"})
RESPONSE_LOCATED = frozenset({"header", "headers", "statusCode"})
"""Where members of a response can be beside its body: labels and query parameters exist in requests alone."""


def read(shape: Any, node: Node) -> Any:
    """The value of one element. Depth is bounded by the XML reader."""
    kind = shape.type_name
    try:
        if kind == "structure":
            return read_members(shape, node)
        if kind == "list":
            items = node.named(shape.member.serialization.get("name", "member"))
            return [read(shape.member, item) for item in items]
        if kind == "map":
            return _read_map(shape, node.named("entry"))
        if node.children:
            raise Malformed(f"the element holds elements where a {kind} is expected")
        return scalars.from_text(shape, node.text, _FORMAT)
    except Malformed as problem:
        raise problem.within(node.tag) from None


def read_members(shape: Any, node: Node) -> dict[str, Any]:
    """The members of a structure that are in its body; what the model does not know is passed over."""
    found: dict[str, Any] = {}
    for name, member in shape.members.items():
        serialization = member.serialization
        if serialization.get("location") in LOCATED:
            continue
        wire = serialization.get("name", name)
        if serialization.get("xmlAttribute"):
            if wire in node.attributes:
                found[name] = scalars.from_text(member, node.attributes[wire], _FORMAT)
            continue
        value = _read_member(member, node, wire, name)
        if value is not None:
            found[name] = value
    return found


def _read_member(member: Any, node: Node, wire: str, name: str) -> Any:
    if member.serialization.get("flattened"):
        return _read_flat(member, node, (wire, _flat_name(member, wire), name))
    # Models carry the name of a root element over to members that share its shape; clients send either.
    nodes = node.named(wire) or node.named(name)
    if len(nodes) > 1:
        raise Malformed(f"the element {wire} is there {len(nodes)} times").within(node.tag)
    return read(member, nodes[0]) if nodes else None


def _read_flat(member: Any, node: Node, names: tuple[str, ...]) -> Any:
    nodes = next((found for name in names if (found := node.named(name))), None)
    if nodes is None:
        return None
    return _read_map(member, nodes) if member.type_name == "map" else [read(member.member, item) for item in nodes]


def _flat_name(shape: Any, wire: str) -> str:
    """Clients look for the elements of a flattened list under the name of its member, where it has one."""
    return str(shape.member.serialization.get("name", wire)) if shape.type_name == "list" else wire


def _read_map(shape: Any, entries: list[Node]) -> dict[str, Any]:
    key_name = shape.key.serialization.get("name", "key")
    value_name = shape.value.serialization.get("name", "value")
    found: dict[str, Any] = {}
    for entry in entries:
        keys, values = entry.named(key_name), entry.named(value_name)
        if len(keys) != 1 or len(values) != 1:
            raise Malformed(f"a map entry must have one {key_name} and one {value_name}")
        found[read(shape.key, keys[0])] = read(shape.value, values[0])
    return found


def write(shape: Any, value: Any, name: str) -> list[Node]:
    """The elements of one member: several for a flattened list or map, else one."""
    kind = shape.type_name
    if kind == "structure":
        return [write_members(shape, value, name)]
    if kind == "list":
        return _write_list(shape, value, name)
    if kind == "map":
        return _write_map(shape, value, name)
    return [Node(name, namespaces(shape), text=scalars.to_text(shape, value, _FORMAT))]


def write_members(shape: Any, members: Mapping[str, Any], name: str) -> Node:
    """A structure as an element, its members in the order the handler gave them."""
    node = Node(name, namespaces(shape))
    for key, value in members.items():
        member = shape.members[key]
        serialization = member.serialization
        if value is None or serialization.get("location") in RESPONSE_LOCATED:
            continue
        wire = serialization.get("name", key)
        if serialization.get("xmlAttribute"):
            node.attributes[wire] = scalars.to_text(member, value, _FORMAT)
        else:
            node.children.extend(write(member, value, wire))
    return node


def namespaces(shape: Any) -> dict[str, str]:
    found = shape.serialization.get("xmlNamespace")
    if not found:
        return {}
    if isinstance(found, str):
        return {"xmlns": found}
    prefix = found.get("prefix")
    return {f"xmlns:{prefix}" if prefix else "xmlns": found["uri"]}


def _write_list(shape: Any, value: Any, name: str) -> list[Node]:
    flat = shape.serialization.get("flattened")
    tag = _flat_name(shape, name) if flat else shape.member.serialization.get("name", "member")
    items = [node for item in value if item is not None for node in write(shape.member, item, tag)]
    return items if flat else [Node(name, namespaces(shape), items)]


def _write_map(shape: Any, value: Mapping[str, Any], name: str) -> list[Node]:
    flat = shape.serialization.get("flattened")
    key_name = shape.key.serialization.get("name", "key")
    value_name = shape.value.serialization.get("name", "value")
    entries = [
        Node(
            name if flat else "entry",
            children=[*write(shape.key, key, key_name), *write(shape.value, item, value_name)],
        )
        for key, item in value.items()
        if item is not None
    ]
    return entries if flat else [Node(name, namespaces(shape), entries)]
