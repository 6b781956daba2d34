"""What the bench of hosting rests on: the memory of a family of processes, failed requests."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from bench import hosting
from bench.memory import family, memory
from bench.wire import BenchFailed, Signed

MIB = 2**20
CHILD = f"block = bytearray(64 * {MIB}); print('there', flush=True); input()"
PARENT = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {CHILD!r}])
child.wait()
"""
REQUEST = Signed("POST", "/endpoints/any/invocations", {}, b"picture")


def test_the_memory_of_a_process_is_that_of_its_children_too() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdin is not None
        assert parent.stdout.readline() == b"there\n"
        found = family(parent.pid)
        assert [each.parent for each in found[1:]] == [parent.pid]
        both, child = memory(parent.pid), memory(found[1].pid)
        parent.stdin.write(b"\n")
        parent.stdin.close()
    assert (both.processes, child.processes) == (2, 1)
    assert both.resident > child.resident > 64
    assert both.counted_twice > both.resident  # Python's own pages are shared
    assert memory(parent.pid).processes == 0


@pytest.fixture
def answering() -> Iterator[tuple[str, list[int], threading.Event]]:
    """A server that answers with these states in turn and then 200, and sets the event at that."""
    states: list[int] = []
    done = threading.Event()
    numbers = itertools.count()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            number = next(numbers)
            state = states[number] if number < len(states) else states[-1]
            if number >= len(states):
                done.set()
            if state:
                self.send_response(state)
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:
                self.close_connection = True  # without an answer

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: it would go to stderr."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", states, done
        server.shutdown()
        thread.join()


def test_every_failed_request_is_counted_and_the_caller_goes_on(
    answering: tuple[str, list[int], threading.Event],
) -> None:
    endpoint, states, done = answering
    states += [200, 500, 0, 429, 200]
    with hosting.load(endpoint, REQUEST, 1) as answers:
        assert done.wait(30)
    assert [words.partition(":")[0] for words in answers.failures] == [
        "BenchFailed",
        "RemoteDisconnected",
        "BenchFailed",
    ]
    assert len(answers.seconds) >= 2


def test_a_load_that_nobody_answers_fails(answering: tuple[str, list[int], threading.Event]) -> None:
    endpoint, states, done = answering
    states.append(503)
    with (
        pytest.raises(BenchFailed, match=r"no request was answered, [0-9]+ failed: .*503"),
        hosting.load(endpoint, REQUEST, 2),
    ):
        assert done.wait(30)
