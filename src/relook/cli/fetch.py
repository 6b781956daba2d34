"""Fetch one file over HTTP into a folder: limited in size and patience, taken up again where it broke off.

FetchError says what went wrong and what to do. Proxies are those of the environment, as for every urllib program.
"""

from __future__ import annotations

import errno
import fcntl
import http.client
import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import Message
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import relook

_BLOCK = 256 * 1024
_OFFLINE = (
    "This machine may be offline, or reach the network through a proxy only (https_proxy=...). Elsewhere, fetch the "
    "file by hand and use `relook weights import FILE`"
)

Report = Callable[[int, int | None], None]
"""Called with the bytes that are there and the bytes there will be, None where the server does not say."""


class FetchError(Exception):
    """The file could not be fetched."""


class Fetch:
    """One download: `part` grows while it runs, and stays when it breaks off, with the server's tag beside it."""

    def __init__(self, url: str, part: Path, limit: int, timeout: float) -> None:
        if not re.match(r"https?://[^\s/@]+(/[^\s@]*)?$", url):
            raise FetchError(
                f"{url} is no address to fetch from: it must begin with https://, or http:// inside your own network, "
                "and hold no login"
            )
        self._url = url
        self._part = part
        self._note = part.with_suffix(".json")
        self._limit = limit
        self._timeout = timeout

    def run(self, report: Report) -> bytes:
        """The whole file. Raises FetchError. What came is kept until `drop`, or to go on from after an error."""
        try:
            self._part.parent.mkdir(parents=True, exist_ok=True)
            with self._part.open("ab") as out, _alone(out):
                try:
                    with self._answer(out) as answer:
                        self._receive(answer, out, report)
                finally:
                    if not out.seek(0, os.SEEK_END):
                        self.drop()
                return self._part.read_bytes()
        except urllib.error.HTTPError as error:
            error.close()
            raise FetchError(_refusal(self._url, error)) from error
        except TimeoutError as error:
            raise FetchError(f"{self._url} sent nothing for {self._timeout:g} s. {self._resumable()}") from error
        except urllib.error.URLError as error:
            raise FetchError(f"{self._url} cannot be reached ({error.reason}). {_OFFLINE}") from error
        except (http.client.HTTPException, ConnectionError) as error:
            raise FetchError(f"{self._url} broke off ({error!r}). {self._resumable()}") from error
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                self.drop()  # what there was no room for does not stay in the way of others
            raise FetchError(f"{self._part.parent} cannot be written: {error.strerror or error}") from error

    def drop(self) -> None:
        """Forget what was fetched."""
        self._part.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def _answer(self, out: IO[bytes]) -> Any:
        """The server's answer, `out` standing where its bytes belong."""
        there, tag = out.tell(), self._tag()
        headers = {"User-Agent": f"relook/{relook.__version__}", "Accept-Encoding": "identity"}
        if there and tag:
            headers |= {"Range": f"bytes={there}-", "If-Range": tag}
        opener = urllib.request.build_opener(_Redirects)
        try:
            answer = opener.open(urllib.request.Request(self._url, headers=headers), timeout=self._timeout)
        except urllib.error.HTTPError as error:
            if error.code != 416 or "Range" not in headers:
                raise
            error.close()
            _empty(out)  # more is there than the file has: begin again
            return self._answer(out)
        except urllib.error.URLError as error:
            if isinstance(error.reason, TimeoutError):
                raise error.reason from error
            raise
        if answer.status != 206:
            _empty(out)
            tag = answer.headers.get("ETag", "")
            self._note.write_text(json.dumps({"url": self._url, "tag": tag if tag.startswith('"') else ""}))
        elif not str(answer.headers.get("Content-Range")).startswith(f"bytes {there}-"):
            answer.close()
            self.drop()
            raise FetchError(f"{self._url} sent another part than was asked for. Run the command again")
        return answer

    def _receive(self, answer: Any, out: IO[bytes], report: Report) -> None:
        there = out.seek(0, os.SEEK_END)
        length = answer.headers.get("Content-Length", "")
        whole = there + int(length) if length.isdigit() else None
        if (whole or 0) > self._limit:
            self.drop()
            raise FetchError(
                f"{self._url} has {whole} bytes; more than {self._limit} are not taken. Is it the right file?"
            )
        report(there, whole)
        while block := answer.read1(_BLOCK):
            out.write(block)
            there += len(block)
            if there > self._limit:
                self.drop()
                raise FetchError(f"{self._url} sends more than {self._limit} bytes. Is it the right file?")
            report(there, whole)
        out.flush()
        os.fsync(out.fileno())
        if not there and not whole:
            raise FetchError(f"{self._url} gave an empty file. Is the address right?")
        if whole is not None and there < whole:
            raise FetchError(f"{self._url} broke off after {there} of {whole} bytes. {self._resumable()}")

    def _tag(self) -> str:
        """The tag under which this server gave what is there; without one, that cannot be gone on with."""
        try:
            note = json.loads(self._note.read_bytes())
        except (FileNotFoundError, ValueError):
            return ""
        return str(note["tag"]) if note["url"] == self._url else ""

    def _resumable(self) -> str:
        there = self._part.stat().st_size if self._part.is_file() else 0
        if there and self._tag():
            return f"Run the command again: it goes on after the {there} bytes that are there"
        return "Run the command again"


@contextmanager
def _alone(out: IO[bytes]) -> Iterator[None]:
    """Two downloads into one file would mix; the kernel lets go of the lock even of a killed process."""
    try:
        fcntl.flock(out, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise FetchError("another download into this data folder is running; wait for it") from error
    out.seek(0, os.SEEK_END)
    yield


def _empty(out: IO[bytes]) -> None:
    if out.seek(0, os.SEEK_END):
        out.truncate(0)
        out.seek(0)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to other hosts, as hubs of files do, but never out of TLS nor away from HTTP."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        before, after = urlsplit(req.full_url).scheme, urlsplit(newurl).scheme
        if after != "https" and (before, after) != ("http", "http"):
            fp.close()
            raise FetchError(f"{req.full_url} leads to {newurl}, which is less safe; it was not followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def _refusal(url: str, error: urllib.error.HTTPError) -> str:
    reason = re.sub(r"\s+", " ", str(error.reason)).strip()
    advice = {401: "It wants a login, which is not supported", 403: "Access is forbidden", 404: "Is the address right?"}
    hint = advice.get(error.code, "Try again later")
    return f"{url} answers {error.code} {reason}. {hint}; another address can be named with --url, or {_BY_HAND}"


_BY_HAND = "fetch the file by hand and use `relook weights import FILE`"
