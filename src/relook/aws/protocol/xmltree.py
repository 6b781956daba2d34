"""XML as a small tree: read without entities or document types, written with everything escaped.

expat is driven directly: ElementTree expands internal entities, which lets a few bytes grow into gigabytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NoReturn
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from relook.aws.protocol.problems import MAX_DEPTH, Malformed

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


@dataclass(slots=True)
class Node:
    """An element. `tag` and child tags are local names; attributes keep their prefix; text is what is in between."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Node] = field(default_factory=list)
    text: str = ""

    def named(self, tag: str) -> list[Node]:
        return [child for child in self.children if child.tag == tag]


def parse(body: bytes) -> Node:
    """The root element; Malformed for anything not well-formed, with a document type, or nested too deeply."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    builder = _Builder()
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise Malformed(f"the XML is not well-formed: {reason} (line {error.lineno}, column {error.offset})") from error
    except (ValueError, LookupError) as error:
        if isinstance(error, Malformed):
            raise
        raise Malformed("the XML has an encoding that is not supported: send UTF-8") from error
    if builder.root is None:
        raise Malformed("the XML has no root element")
    return builder.root


def write(node: Node) -> str:
    """The element as text. Characters that XML cannot hold at all become U+FFFD, as nothing else can be sent."""
    attributes = "".join(f" {name}={quoteattr(_clean(value))}" for name, value in node.attributes.items())
    inside = "".join(map(write, node.children)) + escape(_clean(node.text), {"\r": "&#13;"})
    return f"<{node.tag}{attributes}>{inside}</{node.tag}>" if inside else f"<{node.tag}{attributes}/>"


def document(node: Node) -> bytes:
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + write(node).encode()


class _Builder:
    def __init__(self) -> None:
        self.root: Node | None = None
        self._open: list[Node] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._open) >= MAX_DEPTH:
            raise Malformed(f"the XML is nested deeper than {MAX_DEPTH} levels")
        node = Node(name.rpartition(":")[2], attributes)
        if self._open:
            self._open[-1].children.append(node)
        else:
            self.root = node
        self._open.append(node)

    def end(self, name: str) -> None:
        self._open.pop()

    def data(self, text: str) -> None:
        self._open[-1].text += text


def _refuse_doctype(*declaration: object) -> NoReturn:
    raise Malformed("the XML has a document type declaration, which is refused: send plain elements")


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
