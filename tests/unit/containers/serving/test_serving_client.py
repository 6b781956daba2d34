from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import pytest
import uvloop

from relook.containers.serving.client import Client
from relook.containers.serving.connection import (
    LARGEST_HEAD,
    ConnectFailed,
    HttpError,
    Lost,
    Request,
    TookTooLong,
    TooLarge,
)

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
ASK = Request("POST", "/invocations", (("Content-Type", "text/plain"),), b"body")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LARGEST = 1000


async def asked(reader: asyncio.StreamReader) -> bytes:
    """One request, with its body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    return head + await reader.readexactly(int(length[0].split(b":")[1]) if length else 0)


def sending(*pieces: bytes) -> Serve:
    """Answers the first request with these bytes, flushed one by one, and closes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asked(reader)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        writer.close()

    return serve


@asynccontextmanager
async def client_of(serve: Serve) -> AsyncIterator[Client]:
    """A client of a server whose connections are each handled by `serve`."""
    failures: list[BaseException] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client hung up, which some of the tests are about
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            failures.append(error)
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    with ThreadPoolExecutor(2) as threads:
        client = Client(lambda seconds: socket.create_connection(address, seconds), threads)
        try:
            yield client
        finally:
            client.close(Lost("the test is over"))
            server.close()
    assert not failures


@pytest.fixture(params=[uvloop.run, asyncio.run], ids=["uvloop", "asyncio"])
def run(request: pytest.FixtureRequest) -> Callable[[Awaitable[None]], None]:
    chosen: Callable[[Awaitable[None]], None] = request.param
    return chosen


Run = Callable[[Awaitable[None]], None]


def soon(seconds: float = 20.0) -> float:
    return asyncio.get_running_loop().time() + seconds


async def answer(*pieces: bytes) -> tuple[int, dict[str, str], bytes]:
    async with client_of(sending(*pieces)) as client:
        found = await client.ask(ASK, LARGEST, soon())
    return found.head.status, dict(found.head.headers), found.body


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ((OK,), (200, {"content-length": "2"}, b"ok")),
        (tuple(OK[at : at + 1] for at in range(len(OK))), (200, {"content-length": "2"}, b"ok")),
        (
            (
                b"HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\n2;x=y\r\nab\r\n",
                b"3\r\ncde\r\n0\r\nTrailer: t\r\n\r\n",
            ),
            (500, {"transfer-encoding": "chunked"}, b"abcde"),
        ),
        ((b"HTTP/1.0 200 OK\r\nA: 1\r\na:2\r\n\r\nto the", b" end"), (200, {"a": "1, 2"}, b"to the end")),
        ((b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\n" + OK,), (200, {"content-length": "2"}, b"ok")),
        ((b"HTTP/1.1 204 No Content\r\n\r\n",), (204, {}, b"")),
        ((b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",), (200, {"content-length": "0"}, b"")),
        (
            (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000,),
            (200, {"content-length": "1000"}, b"x" * 1000),
        ),
    ],
    ids=["length", "byte by byte", "chunked", "until closed", "continue", "no content", "empty", "at the limit"],
)
def test_answers_of_every_form(
    run: Run, pieces: tuple[bytes, ...], expected: tuple[int, dict[str, str], bytes]
) -> None:
    async def check() -> None:
        assert await answer(*pieces) == expected

    run(check())


@pytest.mark.parametrize(
    ("pieces", "error", "words"),
    [
        ((b"SSH-2.0-OpenSSH\r\n",), Lost, "not HTTP"),
        ((b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",), Lost, "not HTTP"),
        ((b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",), Lost, "not HTTP"),
        ((b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab",), Lost, "in the middle of its answer"),
        ((b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",), Lost, "in the middle"),
        ((b"HTTP/1.1 200 OK\r\nContent-Le",), Lost, "in the middle"),
        ((), Lost, "without an answer"),
        ((b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n",), TooLarge, "larger than 1000 bytes"),
        ((b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n",), TooLarge, "larger than 1000"),
        ((b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" + b"x" * 1001,), TooLarge, "larger"),
        ((b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 600, b"x" * 600), TooLarge, "larger"),
        ((b"HTTP/1.1 200 OK\r\nA: " + b"x" * LARGEST_HEAD, b"x" * LARGEST_HEAD), Lost, "head of more than"),
        ((b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * LARGEST_HEAD,), Lost, "head of more than"),
    ],
)
def test_answers_that_are_none(run: Run, pieces: tuple[bytes, ...], error: type[HttpError], words: str) -> None:
    async def check() -> None:
        with pytest.raises(error, match=words):
            await answer(*pieces)

    run(check())


def test_endless_trailers_and_chunk_extensions_are_cut_off(run: Run) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asked(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x=")
        while True:
            writer.write(b"y" * 10_000)
            await writer.drain()

    async def check() -> None:
        async with client_of(serve) as client:
            with pytest.raises(Lost, match="head of more than"):
                await client.ask(ASK, LARGEST, soon())

    run(check())


def test_what_is_sent(run: Run) -> None:
    got = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            got.append(await asked(reader))
            writer.write(OK)

    async def check() -> None:
        async with client_of(serve) as client:
            await client.ask(ASK, LARGEST, soon())
            await client.ask(Request("GET", "/ping"), LARGEST, soon())
            await client.ask(Request("POST", "/x", (("A", "ü"),)), LARGEST, soon())

    run(check())
    assert got == [
        b"POST /invocations HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nbody",
        b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /x HTTP/1.1\r\nHost: localhost\r\nA: \xfc\r\nContent-Length: 0\r\n\r\n",
    ]


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\0b"])
def test_a_header_cannot_smuggle_another(run: Run, value: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asked(reader)
        raise AssertionError("nothing should have been sent")

    async def check() -> None:
        async with client_of(serve) as client:
            with pytest.raises(ValueError, match="line break"):
                await client.ask(Request("POST", "/", (("Accept", value),)), LARGEST, soon())

    run(check())


def test_a_large_body_and_answers_at_once(run: Run) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            body = (await asked(reader)).partition(b"\r\n\r\n")[2]
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            await writer.drain()

    async def check() -> None:
        bodies = [bytes([number]) * 3_000_000 for number in range(4)]
        async with client_of(serve) as client:
            answers = await asyncio.gather(
                *(client.ask(Request("POST", "/", (), body), 3_000_000, soon()) for body in bodies)
            )
        assert [found.body for found in answers] == bodies

    run(check())


class Connections:
    """Counts connections and requests; each connection is closed after so many answers."""

    def __init__(self, answers: int, rest: bytes = b"") -> None:
        self.opened = self.requests = 0
        self._answers, self._rest = answers, rest
        self.closed = asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        for _ in range(self._answers):
            await asked(reader)
            self.requests += 1
            writer.write(OK + self._rest)
            await writer.drain()
        writer.close()
        self.closed.set()


def test_a_connection_is_used_again(run: Run) -> None:
    async def check() -> None:
        serve = Connections(1000)
        async with client_of(serve) as client:
            for _ in range(20):
                assert (await client.ask(ASK, LARGEST, soon())).body == b"ok"
        assert (serve.opened, serve.requests) == (1, 20)

    run(check())


def test_a_connection_closed_while_idle_is_not_used(run: Run) -> None:
    async def check() -> None:
        serve = Connections(1)
        async with client_of(serve) as client:
            for _ in range(5):
                serve.closed.clear()
                await client.ask(ASK, LARGEST, soon())
                await serve.closed.wait()
        assert (serve.opened, serve.requests) == (5, 5)

    run(check())


def test_a_kept_connection_closed_at_our_request_is_tried_once_more(run: Run) -> None:
    """The second request of each connection is read and not answered, as if it had crossed the closing."""

    class Crossing(Connections):
        async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.opened += 1
            await asked(reader)
            writer.write(OK)
            self.requests += 1
            await asked(reader)
            writer.close()

    async def check() -> None:
        serve = Crossing(0)
        async with client_of(serve) as client:
            for _ in range(4):
                assert (await client.ask(ASK, LARGEST, soon())).body == b"ok"
        assert (serve.opened, serve.requests) == (4, 4)

    run(check())


def test_nothing_is_tried_again_once_an_answer_has_begun_or_on_a_fresh_connection(run: Run) -> None:
    requests = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await asked(reader))
        writer.write(OK)
        requests.append(await asked(reader))
        writer.write(b"HTTP/1.1 2")
        await writer.drain()
        writer.close()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await asked(reader))

    async def check() -> None:
        async with client_of(serve) as client:
            await client.ask(ASK, LARGEST, soon())
            with pytest.raises(Lost):
                await client.ask(ASK, LARGEST, soon())
        async with client_of(silent) as client:
            with pytest.raises(Lost):
                await client.ask(ASK, LARGEST, soon())

    run(check())
    assert len(requests) == 3


def test_a_request_that_may_have_been_seen_is_not_called_unsent(run: Run) -> None:
    """The container dies over a request on a kept connection: that nobody listens any more is not the whole truth."""

    async def check() -> None:
        listening = socket.create_server(("127.0.0.1", 0))
        address = listening.getsockname()

        def serve() -> None:
            link, _ = listening.accept()
            with link:
                link.recv(65536)
                link.sendall(OK)
                link.recv(65536)
                listening.close()

        with ThreadPoolExecutor(2) as threads:
            served = threads.submit(serve)
            client = Client(lambda seconds: socket.create_connection(address, seconds), threads)
            await client.ask(ASK, LARGEST, soon())
            with pytest.raises(Lost, match="without an answer"):
                await client.ask(ASK, LARGEST, soon())
            served.result()

    run(check())


@pytest.mark.parametrize("rest", [b"x", OK])
def test_a_connection_that_says_more_than_asked_is_dropped(run: Run, rest: bytes) -> None:
    async def check() -> None:
        serve = Connections(1000, rest)
        async with client_of(serve) as client:
            for _ in range(3):
                assert (await client.ask(ASK, LARGEST, soon())).body == b"ok"
        assert serve.opened == 3

    run(check())


def test_no_answer_in_time(run: Run) -> None:
    async def check() -> None:
        hung_up = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await asked(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")
            await reader.read()
            hung_up.set()

        async with client_of(serve) as client:
            with pytest.raises(TookTooLong):
                await client.ask(ASK, LARGEST, soon(0.05))
            with pytest.raises(TookTooLong):
                await client.ask(ASK, LARGEST, soon(-1))
            await asyncio.wait_for(hung_up.wait(), 10)

    run(check())


def test_nobody_there(run: Run) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = unused.getsockname()

    async def check() -> None:
        with ThreadPoolExecutor(1) as threads:
            client = Client(lambda seconds: socket.create_connection(address, seconds), threads)
            with pytest.raises(ConnectFailed, match="refused"):
                await client.ask(ASK, LARGEST, soon())

    run(check())


def test_a_cancelled_request_closes_its_connection(run: Run) -> None:
    async def check() -> None:
        arrived, hung_up = asyncio.Event(), asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await asked(reader)
            arrived.set()
            await reader.read()
            hung_up.set()

        async with client_of(serve) as client:
            task = asyncio.ensure_future(client.ask(ASK, LARGEST, soon()))
            await arrived.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.wait_for(hung_up.wait(), 10)

    run(check())


def test_a_connect_given_up_closes_its_socket(run: Run) -> None:
    go, dialling = threading.Event(), threading.Event()
    ours, theirs = socket.socketpair()

    def connect(seconds: float) -> socket.socket:
        dialling.set()
        go.wait(10)
        return ours

    async def check() -> None:
        with ThreadPoolExecutor(1) as threads:
            client = Client(connect, threads)
            task = asyncio.ensure_future(client.ask(ASK, LARGEST, soon()))
            await asyncio.to_thread(dialling.wait, 10)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            go.set()
            assert await asyncio.to_thread(theirs.recv, 1) == b""

    run(check())
    theirs.close()


def test_closing_the_client_ends_what_is_in_flight(run: Run) -> None:
    async def check() -> None:
        arrived = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await asked(reader)
            arrived.set()
            await reader.read()

        async with client_of(serve) as client:
            task = asyncio.ensure_future(client.ask(ASK, LARGEST, soon()))
            await arrived.wait()
            client.close(Lost("it ended"))
            with pytest.raises(Lost, match="it ended"):
                await task
            with pytest.raises(ConnectFailed, match="it ended"):
                await client.ask(ASK, LARGEST, soon())

    run(check())


@pytest.fixture
def flood() -> tuple[Serve, list[int]]:
    """A server that sends without end, and how much it could get rid of."""
    sent = [0]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asked(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"10000\r\n" + bytes(65536) + b"\r\n")
            sent[0] += 65536
            await writer.drain()

    return serve, sent


async def read_all(parts: AsyncIterator[bytes], taken: list[int]) -> None:
    """To the end; `taken[0]` counts the bytes."""
    async for part in parts:
        taken[0] += len(part)


def test_a_streamed_answer_waits_for_its_reader(run: Run, flood: tuple[Serve, list[int]]) -> None:
    serve, sent = flood

    async def check() -> None:
        async with client_of(serve) as client:
            head, parts = await client.stream(ASK, 10**10, soon())
            ended = []
            parts.when_ended(lambda: ended.append(1))
            assert head.status == 200
            before = -1
            while sent[0] != before:  # until every buffer on the way is full
                before = sent[0]
                for _ in range(100):
                    await asyncio.sleep(0.001)
            taken = 0
            async for part in parts:
                taken += len(part)
                if taken > before + 5_000_000:
                    break
            assert sent[0] > before
            assert not ended
            await parts.aclose()
            assert ended == [1]
        assert before < 64 * 2**20

    run(check())


def test_a_streamed_answer_is_bounded_too(run: Run, flood: tuple[Serve, list[int]]) -> None:
    serve, _ = flood

    async def check() -> None:
        async with client_of(serve) as client:
            _, parts = await client.stream(ASK, 10_000_000, soon())
            taken = [0]
            with pytest.raises(TooLarge):
                await read_all(parts, taken)
            assert 9_000_000 < taken[0] <= 10_000_000

    run(check())


def test_a_stream_that_nobody_reads_ends_in_time(run: Run, flood: tuple[Serve, list[int]]) -> None:
    serve, _ = flood

    async def check() -> None:
        async with client_of(serve) as client:
            ended = asyncio.Event()
            _, parts = await client.stream(ASK, 10**10, soon(2.0))
            parts.when_ended(ended.set)
            await asyncio.wait_for(ended.wait(), 10)
            with pytest.raises(TookTooLong):
                await read_all(parts, [0])

    run(check())


def test_parts_come_as_they_are_sent(run: Run) -> None:
    async def check() -> None:
        go = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await asked(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
            await go.wait()
            writer.write(b"3\r\ntwo\r\n0\r\n\r\n")
            await reader.read()

        async with client_of(serve) as client:
            _, parts = await client.stream(ASK, LARGEST, soon())
            assert await anext(parts) == b"one"
            go.set()
            assert [part async for part in parts] == [b"two"]

    run(check())
