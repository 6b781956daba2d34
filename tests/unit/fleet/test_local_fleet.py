"""Pools of real processes: what is answered, and what happens to the rest."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import select
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop

from relook.fleet.api import BadInput, Deployment, FleetError, NotDeployed, Overloaded, UnitLost
from relook.fleet.pool import LocalFleet
from relook.fleet.settings import FleetSettings
from relook.vision.labelled import FoundLabel, LabelPrediction, Rectangle
from relook.vision.samples import ImageFault

SCRIPT = Path(__file__).with_name("unit_script.py")
COMMAND = (sys.executable, str(SCRIPT))
PATIENCE = 60
NAME = "arn:aws:lookoutvision:eu-west-1:123456789012:model/p/1"


class Watch(logging.Handler):
    """Waits for lines of the fleet's log: they say what the pool has done."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[logging.LogRecord] = []
        self._seen = 0
        self._more = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record)
        self._more.set()

    async def line(self, part: str) -> logging.LogRecord:
        """The next line with `part` in it, after the one that was waited for before."""
        while True:
            for number in range(self._seen, len(self.lines)):
                if part in self.lines[number].getMessage():
                    self._seen = number + 1
                    return self.lines[number]
            self._more.clear()
            await asyncio.wait_for(self._more.wait(), PATIENCE)


class Gate:
    """Holds `hold` requests inside their units until it opens."""

    def __init__(self, folder: Path) -> None:
        self.image = b"hold " + str(folder / "gate").encode()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / "gate"))
        self._listener.listen()
        self._listener.setblocking(False)
        self._held: list[socket.socket] = []

    async def arrive(self) -> None:
        """Until one more request is inside a unit."""
        connection, _ = await asyncio.wait_for(asyncio.get_running_loop().sock_accept(self._listener), PATIENCE)
        self._held.append(connection)

    def open(self) -> None:
        """Let the first one go."""
        self._held.pop(0).close()

    def close(self) -> None:
        while self._held:
            self.open()
        self._listener.close()


class Pool:
    """A fleet with one deployment."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.fleet = LocalFleet(FleetSettings(**{"backoff": 0.01, **settings}), COMMAND)
        loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[None] = loop.create_future()
        self.failed: asyncio.Future[str] = loop.create_future()
        self.watch = Watch()
        self.gate = Gate(folder)

    def deploy(self, minimum: int = 1, maximum: int | None = None) -> None:
        deployment = Deployment(NAME, self.folder, minimum, maximum or minimum)
        self.fleet.deploy(deployment, lambda: self.ready.set_result(None), self.failed.set_result)

    async def up(self, minimum: int = 1, maximum: int | None = None) -> None:
        self.deploy(minimum, maximum)
        await asyncio.wait_for(self.ready, PATIENCE)

    async def ask(self, image: bytes, min_confidence: float | None = None) -> Any:
        return await asyncio.wait_for(self.fleet.predict(NAME, image, min_confidence), PATIENCE)

    def asking(self, image: bytes) -> asyncio.Task[Any]:
        return asyncio.get_running_loop().create_task(self.ask(image))


@asynccontextmanager
async def pool_in(folder: Path, **settings: Any) -> AsyncIterator[Pool]:
    pool = Pool(folder, **settings)
    log = logging.getLogger("relook.fleet")
    level = log.level
    log.setLevel(logging.INFO)
    log.addHandler(pool.watch)
    try:
        yield pool
    finally:
        pool.gate.close()
        await pool.fleet.close()
        log.removeHandler(pool.watch)
        log.setLevel(level)


Scenario = Callable[[Path], Coroutine[Any, Any, None]]


@pytest.fixture(params=["asyncio", "uvloop"])
def play(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Scenario], None]:
    """Run a scenario on both event loops: the server uses uvloop, embedders may not."""
    factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop

    def run(scenario: Scenario) -> None:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(scenario(tmp_path))

    return run


def gone(pid: int) -> bool:
    """Wait for the end of a process."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([pidfd], [], [], PATIENCE)[0])
    finally:
        os.close(pidfd)


Play = Callable[[Scenario], None]


def test_images_are_answered_by_several_units_at_once(play: Play) -> None:
    async def scenario(folder: Path) -> None:
        async with pool_in(folder, queue_per_unit=500) as pool:
            await pool.up(2)
            assert pool.fleet.units(NAME) == 2
            held = pool.asking(pool.gate.image)
            await pool.gate.arrive()
            images = [b"mirror " + b"x" * size for size in range(200)]
            answers = await asyncio.gather(*(pool.ask(image) for image in images))
            assert [answer.mask_png for answer in answers] == [image[::-1] for image in images]
            assert not held.done()
            pool.gate.open()
            assert (await held).width != answers[0].width

    play(scenario)


def test_a_large_image_and_an_empty_one_arrive_whole(play: Play) -> None:
    async def scenario(folder: Path) -> None:
        async with pool_in(folder) as pool:
            await pool.up()
            large = b"mirror " + os.urandom(8 << 20)
            assert (await pool.ask(large)).mask_png == large[::-1]
            assert (await pool.ask(b"")).height == 0

    play(scenario)


def test_a_request_waits_for_a_unit_that_is_starting(play: Play) -> None:
    async def scenario(folder: Path) -> None:
        async with pool_in(folder) as pool:
            pool.deploy()
            assert pool.fleet.units(NAME) == 0
            assert (await pool.ask(b"image")).height == 5

    play(scenario)


def test_bad_images_and_stumbling_models_leave_the_unit_alive(play: Play) -> None:
    async def scenario(folder: Path) -> None:
        async with pool_in(folder) as pool:
            await pool.up()
            first = (await pool.ask(b"image")).width
            with pytest.raises(BadInput, match="the image is no image") as unreadable:
                await pool.ask(b"bad")
            with pytest.raises(BadInput, match="too large") as large:
                await pool.ask(b"large")
            assert (unreadable.value.fault, large.value.fault) == (ImageFault.UNREADABLE, ImageFault.TOO_LARGE)
            with pytest.raises(FleetError, match="RuntimeError: the model stumbled"):
                await pool.ask(b"raise")
            assert (await pool.ask(b"image")).width == first

    play(scenario)


def test_labels_come_back_down_to_the_confidence_asked_for(play: Play) -> None:
    async def scenario(folder: Path) -> None:
        async with pool_in(folder) as pool:
            await pool.up()
            found = (
                FoundLabel("bolt", 0.75, 0.5, Rectangle(1.5, 2, 3, 4)),
                FoundLabel("bolt", 0.625, 0.5, Rectangle(7, 2, 3, 4)),
                FoundLabel("nut", 0.25, 0.5, Rectangle(1, 9, 3, 4)),
            )
            assert await pool.ask(b"labels", 0) == LabelPrediction(640, 480, found)
            assert await pool.ask(b"labels") == LabelPrediction(640, 480, found[:2])  # each by its own threshold
            assert await pool.ask(b"labels", 62.5) == LabelPrediction(640, 480, found[:2])
            assert await pool.ask(b"labels", 62.6) == LabelPrediction(640, 480, found[:1])

    play(scenario)


def test_a_request_whose_unit_is_killed_is_answered_by_another(play: Play) -> None:
    async def scenario(folder: Path) -> None:
        async with pool_in(folder) as pool:
            await pool.up(2)
            pids = {(await pool.ask(b"image")).width}
            task = pool.asking(pool.gate.image)
            await pool.gate.arrive()
            os.kill(next(iter(pids)), signal.SIGKILL)
            await pool.gate.arrive()  # the retry is inside the other unit
            pool.gate.open()
            pool.gate.open()
            assert (await task).width not in pids
            await pool.watch.line("SIGKILL")
            await pool.watch.line("is ready")
            assert pool.fleet.units(NAME) == 2

    play(scenario)


def test_a_poison_image_costs_two_units_and_nobody_else_anything(play: Play) -> None:
    async def scenario(folder: Path) -> None:
        async with pool_in(folder) as pool:
            await pool.up(2)
            poison = pool.asking(b"crash")
            others = [pool.asking(b"image") for _ in range(20)]
            with pytest.raises(UnitLost, match=r"two inference units died .* SIGKILL"):
                await poison
            assert {(await other).height for other in others} == {5}
            assert (await pool.ask(b"crash-once marker")).height == 17
            assert not pool.failed.done()

    play(scenario)


@pytest.mark.parametrize("verb", [b"hang", b"nonsense", b"close"])
def test_a_unit_that_misbehaves_is_killed(play: Play, verb: bytes) -> None:
    async def scenario(folder: Path) -> None:
        async with pool_in(folder, request_timeout=1.5, farewell=0.3) as pool:
            await pool.up()
            with pytest.raises(UnitLost):
                await pool.ask(verb)
            assert (await pool.ask(b"image")).height == 5

    play(scenario)


def test_the_queue_is_bounded(play: Play) -> None:
    async def scenario(folder: Path) -> None:
        async with pool_in(folder, queue_per_unit=2) as pool:
            await pool.up()
            tasks = [pool.asking(pool.gate.image)]
            await pool.gate.arrive()
            tasks += [pool.asking(b"image") for _ in range(2)]
            await asyncio.sleep(0)  # lets them queue
            with pytest.raises(Overloaded, match="2 requests wait"):
                await pool.ask(b"image")
            tasks.pop().cancel()  # a caller that leaves makes room
            await asyncio.sleep(0)
            tasks.append(pool.asking(b"later"))
            await asyncio.sleep(0)
            pool.gate.open()
            assert [(await task).height for task in tasks[1:]] == [5, 5]

    play(scenario)


def test_nobody_waits_for_ever(play: Play) -> None:
    async def scenario(folder: Path) -> None:
        async with pool_in(folder, queue_timeout=0.1) as pool:
            await pool.up()
            held = pool.asking(pool.gate.image)
            await pool.gate.arrive()
            with pytest.raises(Overloaded, match="no inference unit was free"):
                await pool.ask(b"image")
            pool.gate.open()
            await held

    play(scenario)


def test_units_come_with_load_and_go_without(play: Play) -> None:
    async def scenario(folder: Path) -> None:
        async with pool_in(folder, pressure_window=0.02, idle_after=0.3) as pool:
            await pool.up(1, 3)
            tasks = [pool.asking(pool.gate.image) for _ in range(4)]
            for _ in range(3):
                await pool.gate.arrive()
            assert pool.fleet.units(NAME) == 3
            pool.gate.open()
            await pool.gate.arrive()
            for _ in range(3):
                pool.gate.open()
            await asyncio.gather(*tasks)
            ended = [(await pool.watch.line("unit ended")).getMessage() for _ in range(2)]
            assert all("exited with status 0" in line for line in ended)
            assert pool.fleet.units(NAME) == 1

    play(scenario)


def test_undeploy_answers_what_it_took_and_ends_the_units(play: Play) -> None:
    async def scenario(folder: Path) -> None:
        async with pool_in(folder) as pool:
            await pool.up()
            pid = (await pool.ask(b"image")).width
            tasks = [pool.asking(pool.gate.image), pool.asking(b"queued")]
            await pool.gate.arrive()
            ending = asyncio.get_running_loop().create_task(pool.fleet.undeploy(NAME))
            await asyncio.sleep(0)
            with pytest.raises(NotDeployed, match="start the model first"):
                await pool.ask(b"image")
            assert pool.fleet.units(NAME) == 0
            pool.gate.open()
            assert [(await task).height for task in tasks] == [len(pool.gate.image), 6]
            await asyncio.wait_for(ending, PATIENCE)
            assert gone(pid)
            pool.ready = asyncio.get_running_loop().create_future()
            await pool.up()  # the name is free again
            await pool.fleet.undeploy("unknown")

    play(scenario)


def test_undeploy_while_starting_refuses_whoever_waits(play: Play) -> None:
    async def scenario(folder: Path) -> None:
        (folder / "slow").touch()
        async with pool_in(folder) as pool:
            pool.deploy()
            task = pool.asking(b"image")
            await asyncio.sleep(0)
            await asyncio.wait_for(pool.fleet.undeploy(NAME), PATIENCE)
            with pytest.raises(NotDeployed, match="being stopped"):
                await task
            assert not pool.ready.done()

    play(scenario)


def test_a_model_that_does_not_load_fails_with_its_last_words(play: Play) -> None:
    async def scenario(folder: Path) -> None:
        (folder / "broken").touch()
        async with pool_in(folder) as pool:
            pool.deploy()
            task = pool.asking(b"image")
            reason = await asyncio.wait_for(pool.failed, PATIENCE)
            assert reason.endswith("exited with status 3: loading the model | model.onnx is torn")
            with pytest.raises(NotDeployed, match="torn"):
                await task
            with pytest.raises(NotDeployed):
                await pool.ask(b"image")
            (folder / "broken").unlink()
            await pool.up()

    play(scenario)


def test_a_model_that_never_gets_ready_fails(play: Play) -> None:
    async def scenario(folder: Path) -> None:
        (folder / "slow").touch()
        async with pool_in(folder, start_timeout=0.2, failed_starts=2) as pool:
            pool.deploy()
            assert "did not load its model within 0.2 s" in await asyncio.wait_for(pool.failed, PATIENCE)

    play(scenario)


def test_a_hosted_model_survives_units_that_cannot_start_as_long_as_one_answers(play: Play) -> None:
    async def scenario(folder: Path) -> None:
        async with pool_in(folder, failed_starts=2) as pool:
            await pool.up(2)
            (folder / "broken").touch()
            assert (await pool.ask(b"crash-once marker")).height == 17
            for _ in range(3):
                await pool.watch.line("exited with status 3")
            assert not pool.failed.done()
            (folder / "broken").unlink()
            await pool.watch.line("is ready")
            assert pool.fleet.units(NAME) == 2

    play(scenario)


def test_what_units_print_reaches_the_log_with_their_deployment(play: Play) -> None:
    async def scenario(folder: Path) -> None:
        async with pool_in(folder) as pool:
            await pool.up()
            pid = (await pool.ask(b"print remember me")).width
            record = await pool.watch.line("remember me")
            assert (record.deployment, record.unit) == (NAME, pid)  # type: ignore[attr-defined]

    play(scenario)


def test_close_ends_everything_at_once(play: Play) -> None:
    async def scenario(folder: Path) -> None:
        async with pool_in(folder) as pool:
            await pool.up()
            pid = (await pool.ask(b"image")).width
            tasks = [pool.asking(b"hang"), pool.asking(b"image")]
            await asyncio.sleep(0)
            await asyncio.wait_for(pool.fleet.close(), PATIENCE)
            for task in tasks:
                with pytest.raises(NotDeployed, match="stopping"):
                    await task
            assert gone(pid)

    play(scenario)


def test_a_command_that_does_not_exist_fails_the_deployment(play: Play, tmp_path: Path) -> None:
    async def scenario(folder: Path) -> None:
        fleet = LocalFleet(FleetSettings(backoff=0.01), [str(tmp_path / "nothing")])
        failed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        fleet.deploy(Deployment(NAME, folder, 1, 1), lambda: None, failed.set_result)
        assert "could not be started" in await asyncio.wait_for(failed, PATIENCE)
        await fleet.close()

    play(scenario)


@pytest.mark.parametrize(("minimum", "maximum"), [(0, 1), (2, 1)])
def test_senseless_numbers_of_units_are_refused(play: Play, minimum: int, maximum: int) -> None:
    async def scenario(folder: Path) -> None:
        fleet = LocalFleet(command=COMMAND)
        with pytest.raises(ValueError, match="inference units"):
            fleet.deploy(Deployment(NAME, folder, minimum, maximum), lambda: None, lambda reason: None)

    play(scenario)


def test_a_name_is_deployed_once(play: Play) -> None:
    async def scenario(folder: Path) -> None:
        async with pool_in(folder) as pool:
            pool.deploy()
            with pytest.raises(ValueError, match="deployed already"):
                pool.deploy()

    play(scenario)


SERVER = """
import asyncio, sys
from pathlib import Path
from relook.fleet.api import Deployment
from relook.fleet.pool import LocalFleet

async def main():
    fleet = LocalFleet(command=sys.argv[2:])
    fleet.deploy(Deployment("m", Path(sys.argv[1]), 2, 2), lambda: None, print)
    held = asyncio.create_task(fleet.predict("m", b"hang"))
    print((await fleet.predict("m", b"image")).width, flush=True)
    await held

asyncio.run(main())
"""


def test_units_die_with_a_killed_server(tmp_path: Path) -> None:
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(tmp_path), *COMMAND], stdout=subprocess.PIPE)
    assert server.stdout is not None
    with server.stdout:
        idle = int(server.stdout.readline())
        children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
        pids = {int(pid) for pid in children}
        assert idle in pids
        assert len(pids) == 2
        server.kill()
        server.wait(PATIENCE)
    assert all(gone(pid) for pid in pids)


def test_the_real_unit_says_what_is_wrong_with_an_artifact(tmp_path: Path) -> None:
    async def scenario() -> str:
        fleet = LocalFleet(FleetSettings(failed_starts=1))
        failed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        fleet.deploy(Deployment(NAME, tmp_path, 1, 1), lambda: None, failed.set_result)
        try:
            return await asyncio.wait_for(failed, PATIENCE)
        finally:
            await fleet.close()

    reason = asyncio.run(scenario())
    assert "exited with status 1: the model cannot be loaded: " in reason
    assert str(tmp_path) in reason


def test_units_killed_at_random_lose_no_request(play: Play) -> None:
    async def scenario(folder: Path) -> None:
        chosen = random.Random(11)
        async with pool_in(folder, longest_backoff=0.02) as pool:
            await pool.up(3)
            asked = 0

            async def client() -> int:
                nonlocal asked
                lost = 0
                for number in range(100):
                    image = b"mirror %d" % number
                    try:
                        assert (await pool.ask(image)).mask_png == image[::-1]
                    except UnitLost:
                        lost += 1
                    asked += 1
                    if asked % 40 == 0:
                        os.kill((await pool.ask(b"image")).width, chosen.choice((signal.SIGKILL, signal.SIGSEGV)))
                return lost

            lost = sum(await asyncio.gather(*(client() for _ in range(6))))
            assert lost < 30  # one in twenty would take two kills in a row over the same image
            assert not pool.failed.done()
            assert (await pool.ask(b"image")).height == 5

    play(scenario)
