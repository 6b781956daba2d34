"""Paths and query strings: percent-decoded exactly once, strictly."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from relook.aws.protocol.problems import Malformed, Where

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_LABEL = re.compile(r"\{([^}+]+)(\+?)\}")


def decode(text: str) -> str:
    """Percent-decoding of one piece; Malformed for an escape that is none, or bytes that are not UTF-8."""
    if "%" not in text and text.isascii():
        return text
    bad = _BAD_ESCAPE.search(text)
    if bad:
        piece = text[bad.start() : bad.start() + 3]
        raise Malformed(f"{piece!r} in the URI is not a percent escape: two hexadecimal digits must follow", Where.URI)
    try:
        # The request line was read as Latin-1, so that its bytes come back here whatever they were.
        return unquote_to_bytes(text.encode("latin-1")).decode()
    except UnicodeError as error:
        raise Malformed("the URI holds bytes that are not UTF-8", Where.URI) from error


def parameters(query: str) -> list[tuple[str, str]]:
    """The decoded parameters of a query string or form, in order; a name alone has the value ""."""
    found = []
    for pair in query.split("&") if query else ():
        if not pair:
            continue
        name, _, value = pair.replace("+", " ").partition("=")
        found.append((decode(name), decode(value)))
    return found


class Template:
    """The path of a requestUri, such as /{Bucket}/{Key+}: matches raw paths, label by label."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.labels = [match.group(1) for match in _LABEL.finditer(path)]
        pieces = _LABEL.split(path)
        pattern = re.escape(pieces[0])
        for greedy, literal in zip(pieces[2::3], pieces[3::3], strict=True):
            pattern += ("(.+)" if greedy else "([^/]+)") + re.escape(literal)
        # S3's clients write the bucket alone with and without a slash behind it. After a fixed word a slash would be
        # the path of one more label, which is empty: GET /projects/ must not list what DescribeProject was to find.
        self._pattern = re.compile(pattern + ("/?" if path.endswith("}") else ""), re.DOTALL)
        if "+}" in path:
            self._pattern = re.compile(pattern, re.DOTALL)
        self.specificity = (sum(map(len, pieces[0::3])), -path.count("+}"), -len(self.labels))

    def match(self, path: str) -> dict[str, str] | None:
        """The raw (still encoded) labels, or None."""
        found = self._pattern.fullmatch(path)
        return None if found is None else dict(zip(self.labels, found.groups(), strict=True))
