"""What the wire can have against a request, and how each protocol words it.

Malformed    a body, header, label or query parameter cannot be read as the model says
"""

from __future__ import annotations

from enum import Enum

from relook.aws.errors import ServiceError

MAX_DEPTH = 64
"""Levels of nesting that are followed; no AWS request comes near it."""


class Where(Enum):
    BODY = "body"
    URI = "uri"
    VALUE = "value"


class Malformed(ValueError):
    """A request cannot be read. The path to the place is put together on the way out of the recursion."""

    def __init__(self, message: str, where: Where = Where.BODY) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.path: list[str] = []

    def within(self, segment: str) -> Malformed:
        """The same problem, seen from one level further out."""
        self.path.insert(0, segment)
        return self

    def __str__(self) -> str:
        return f"At {'.'.join(self.path)!r}: {self.message}" if self.path else self.message


_CODES = {
    "query": {Where.BODY: "MalformedInput", Where.URI: "MalformedQueryString", Where.VALUE: "MalformedInput"},
    "rest-xml": {Where.BODY: "MalformedXML", Where.URI: "InvalidURI", Where.VALUE: "InvalidArgument"},
}


def malformed(protocol: str, problem: Malformed) -> ServiceError:
    """The error answer for a request that cannot be read; always status 400."""
    code = _CODES.get(protocol, {}).get(problem.where, "SerializationException")
    return ServiceError(code, str(problem), 400)


def check_text(text: str, where: Where = Where.BODY) -> str:
    """The text itself; Malformed if it has half of a surrogate pair, which no UTF-8 can hold."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise Malformed("a string holds half of a surrogate pair, which is no character", where) from error
    return text
