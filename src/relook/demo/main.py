"""The demonstration from its options to its exit: pictures, server, run, report, and a tidy end whatever happens."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from rich.console import Console

from relook.demo.client import connect
from relook.demo.errors import DemoError
from relook.demo.flow import describe, run
from relook.demo.layouts import read_pictures
from relook.demo.montage import write_montage
from relook.demo.page import write_page
from relook.demo.pictures import Plan, Pools
from relook.demo.plan import make_plan
from relook.demo.progress import Screen
from relook.demo.render import SMALL, Sizes, render_set
from relook.demo.report import print_results
from relook.demo.results import Run
from relook.demo.server import Server, import_weights, isolate


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line gave. `endpoint_url`: use this server and its user's AWS settings; start none."""

    images: Path | None = None
    out: Path = Path("demo-out/report.html")
    montage: Path | None = None
    weights: Path | None = None
    data: Path | None = None
    endpoint_url: str | None = None
    keep_server: bool = False
    small: bool = False
    seed: int = 7


def demonstrate(options: Options, screen: Screen, console: Console) -> Run:
    """Run it all; progress goes to `screen`, results to `console`. Raises DemoError."""
    began = time.monotonic()
    plan = _pictures(options, screen)
    with _ended_politely(), _server(options, screen) as environment:
        found = run(connect(environment), plan, screen)
    write_page(found, options.out)
    if options.montage:
        write_montage(found, options.montage)
    print_results(found, console)
    console.print(f"\nReport: {options.out.resolve()}", soft_wrap=True, highlight=False)
    screen.say(f"All of it took {time.monotonic() - began:.0f} s.")
    return found


def _pictures(options: Options, screen: Screen) -> Plan:
    pools: Pools
    if options.images is None:
        screen.heading(
            "No pictures given (IMAGES=folder), so the demonstration draws its own: plates with known defects."
        )
        sizes = SMALL if options.small else Sizes()
        with screen.step(f"Draw {sizes.total} plates") as bar:
            pools = render_set(sizes, options.seed, bar.at)
    else:
        with screen.step(f"Read the pictures in {options.images}") as bar:
            pools = read_pictures(options.images, bar.at)
        screen.say(f"   Recognised {pools.source}.")
    plan = make_plan(pools)
    for note in plan.notes:
        screen.say(f"   {note}")
    screen.say(f"   {describe(plan)}")
    return plan


@contextmanager
def _server(options: Options, screen: Screen) -> Iterator[Mapping[str, str]]:
    """The environment of a server: the one that is named, or one started here and ended at the end."""
    if options.endpoint_url:
        screen.say(f"   Using the server at {options.endpoint_url}; what is made there stays there.")
        yield {**os.environ, "AWS_ENDPOINT_URL": options.endpoint_url}
        return
    clean = isolate(os.environ)
    os.environ.clear()
    os.environ.update(clean)  # this process only: the user's own AWS settings must not reach a server of ours
    own = options.data is None and not options.keep_server
    data = options.data or Path(tempfile.mkdtemp(prefix="relook-demo-"))
    server = Server(data, options.out.parent / "server.log", outlive=options.keep_server)
    try:
        if options.weights:
            with screen.step(f"Import the weights {options.weights.name} (relook weights import)"):
                import_weights(options.weights, data)
        with screen.step("Start a server of its own (relook serve)"):
            environment = server.start()
        screen.say(f"   {environment['AWS_ENDPOINT_URL']}, data in {data}")
        yield environment
        _farewell(server, options, screen, data)
    except BaseException:
        server.abandon()
        raise
    finally:
        if own:
            shutil.rmtree(data, ignore_errors=True)


def _farewell(server: Server, options: Options, screen: Screen, data: Path) -> None:
    if options.keep_server:
        folder = shlex.quote(str(data))
        screen.say(f'The server goes on (process {server.pid}). To use it: eval "$(relook env --data {folder})"')
        screen.say(f"To stop it: kill {server.pid}")
        return
    with screen.step("Stop the server"):
        code = server.stop()
    if code != 0:
        raise DemoError(
            f"the server ended with exit code {code}, not 0; its log is {options.out.parent / 'server.log'}"
        )


@contextmanager
def _ended_politely() -> Iterator[None]:
    """Let SIGTERM and SIGHUP unwind as Ctrl-C does, so that the server is stopped and the folder removed."""

    def unwind(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, unwind) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
