"""Downloads from a real server on the loopback that breaks off, stalls, redirects and lies."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from file_host import FileHost, serving

from relook.cli.fetch import Fetch, FetchError

CONTENT = np.random.default_rng(0).bytes(1_500_000)
LIMIT = 2_000_000


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy of the machine that runs the tests stands in between."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def host() -> Iterator[FileHost]:
    with serving(CONTENT) as host:
        yield host


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "weights" / ".pull.part"


def fetch(url: str, part: Path, limit: int = LIMIT, timeout: float = 20) -> bytes:
    return Fetch(url, part, limit, timeout).run(lambda there, whole: None)


def test_a_file_comes_whole_and_its_progress_is_told(host: FileHost, part: Path) -> None:
    told: list[tuple[int, int | None]] = []
    download = Fetch(host.url, part, LIMIT, 20)
    assert download.run(lambda there, whole: told.append((there, whole))) == CONTENT
    assert told[0] == (0, len(CONTENT))
    assert told[-1] == (len(CONTENT), len(CONTENT))
    download.drop()
    assert list(part.parent.iterdir()) == []


def test_a_broken_download_is_gone_on_with(host: FileHost, part: Path) -> None:
    host.cut = 600_000
    with pytest.raises(FetchError, match=r"broke off after 600000 of 1500000 bytes.*goes on after the 600000 bytes"):
        fetch(host.url, part)
    host.cut = None
    assert fetch(host.url, part) == CONTENT
    assert host.ranges == [None, "bytes=600000-"]


def test_a_file_that_changed_meanwhile_is_fetched_anew(host: FileHost, part: Path) -> None:
    host.cut = 600_000
    with pytest.raises(FetchError):
        fetch(host.url, part)
    host.cut, host.content = None, CONTENT[::-1]
    assert fetch(host.url, part) == CONTENT[::-1]


def test_without_a_tag_or_at_another_address_a_download_begins_anew(host: FileHost, part: Path) -> None:
    host.cut, host.tagged = 600_000, False
    with pytest.raises(FetchError, match=r"bytes\. Run the command again$"):
        fetch(host.url, part)
    host.tagged = True
    with pytest.raises(FetchError, match="goes on"):
        fetch(host.url, part)
    host.cut = None
    assert fetch(f"{host.url}/other", part) == CONTENT
    assert host.ranges == [None, None, None]


def test_a_finished_part_that_was_never_taken_over_is_no_obstacle(host: FileHost, part: Path) -> None:
    assert fetch(host.url, part) == CONTENT
    assert fetch(host.url, part) == CONTENT
    assert host.ranges == [None, "bytes=1500000-", None]


def test_a_killed_download_leaves_what_the_next_can_use(host: FileHost, part: Path) -> None:
    host.stall = 600_000
    command = [sys.executable, "-m", "relook", "weights", "pull", "--data", str(part.parent.parent), "--url", host.url]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    assert host.stalled.wait(60)
    with pytest.raises(FetchError, match="another download into this data folder is running"):
        fetch(host.url, part)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    host.released.set()
    host.stall = None
    assert fetch(host.url, part) == CONTENT


def test_a_server_that_falls_silent_is_left(host: FileHost, part: Path) -> None:
    host.stall = 600_000
    with pytest.raises(FetchError, match=r"sent nothing for 2 s\. .*goes on after the 600000 bytes"):
        fetch(host.url, part, timeout=2)


def test_a_server_that_never_answers_is_left(part: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(FetchError, match="sent nothing for"):
        fetch(f"http://127.0.0.1:{silent.getsockname()[1]}/x", part, timeout=0.3)


def test_redirects_to_another_place_are_followed(host: FileHost, part: Path) -> None:
    host.location = "/elsewhere/blob"
    assert fetch(host.url, part) == CONTENT
    assert host.paths == ["/model.safetensors", "/elsewhere/blob"]


@pytest.mark.parametrize("location", ["ftp://127.0.0.1/x", "file:///etc/hostname", "data:text/plain,x"])
def test_redirects_away_from_http_are_refused(host: FileHost, part: Path, location: str) -> None:
    host.location = location
    with pytest.raises(FetchError, match=r"less safe|answers 302"):
        fetch(host.url, part)


def test_a_redirect_loop_ends(host: FileHost, part: Path) -> None:
    host.location = host.url
    with pytest.raises(FetchError, match="answers 302"):
        fetch(host.url, part)


@pytest.mark.parametrize(
    ("status", "advice"), [(404, "404 Not Found. Is the address right"), (403, "forbidden"), (500, "Try again later")]
)
def test_refusals_are_told_with_a_way_out(host: FileHost, part: Path, status: int, advice: str) -> None:
    host.status = status
    with pytest.raises(FetchError, match=f"{advice}.*--url.*relook weights import FILE"):
        fetch(host.url, part)


def test_an_unreachable_host_is_told(part: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(FetchError, match=r"cannot be reached .*refused.*offline.*proxy"):
        fetch(f"http://127.0.0.1:{port}/x", part)
    assert list(part.parent.iterdir()) == []


@pytest.mark.parametrize("sized", [True, False])
def test_more_than_the_limit_is_never_stored(host: FileHost, part: Path, sized: bool) -> None:
    host.sized = sized
    with pytest.raises(FetchError, match="more than"):
        fetch(host.url, part, limit=1_000_000)
    assert not part.exists()


def test_a_full_disk_is_told_and_nothing_stays(host: FileHost, part: Path) -> None:
    part.parent.mkdir()
    part.symlink_to("/dev/full")
    with pytest.raises(FetchError, match="cannot be written: No space left on device"):
        fetch(host.url, part)
    assert list(part.parent.iterdir()) == []


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://x/y", "model", "https://", "https://me:word@host/x"])
def test_other_addresses_are_refused(part: Path, url: str) -> None:
    with pytest.raises(FetchError, match="no address"):
        fetch(url, part)


def test_a_proxy_is_honoured(host: FileHost, part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{host.port}")
    assert fetch("http://files.invalid/model", part) == CONTENT
    assert host.paths == ["http://files.invalid/model"]
