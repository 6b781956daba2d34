"""HTTP as the wire layer sees it, free of any web framework."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from relook.aws.body import OutgoingBody


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request line and headers exactly as sent: nothing decoded, nothing normalised, since signatures cover bytes."""

    method: str
    path: str
    """The raw, percent-encoded path, without the query."""
    query: str
    """The raw query string, without the question mark."""
    headers: tuple[tuple[str, str], ...]
    """Lower-case names, in the order sent, repeated where repeated."""
    scheme: str = "http"

    def header(self, name: str) -> str | None:
        """The first value of a header (lower-case name)."""
        return next((value for key, value in self.headers if key == name), None)


@dataclass(frozen=True, slots=True)
class HttpResponse:
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | OutgoingBody = b""
