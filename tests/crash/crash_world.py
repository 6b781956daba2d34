"""The server under test, the clients of its present life, and the one that kills its processes."""

from __future__ import annotations

import io
import os
import random
import signal
import threading
import time
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import numpy as np
from botocore.config import Config
from botocore.exceptions import IncompleteReadError
from crash_journal import Journal
from crash_processes import Kind, Process, processes_of, wait_until
from PIL import Image

from relook.testing import LiveServer

_CONFIG = Config(retries={"total_max_attempts": 1}, connect_timeout=10, read_timeout=90, max_pool_connections=20)
_RELAXED = {"RELOOK_RELAXED_MINIMUMS": "true"}


class World:
    """One data folder, and the server that runs on it now."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.journal = Journal()
        self.live = LiveServer(data, environment=_RELAXED)
        self.up = threading.Event()
        self.s3: Any = None
        self.vision: Any = None
        self.sagemaker: Any = None
        self.rekognition: Any = None
        self._session: Any = None

    def start(self) -> None:
        self.live.start()
        core = botocore.session.Session()
        core.get_component("data_loader").search_paths.insert(0, self.live.variables["AWS_DATA_PATH"])
        self._session = boto3.Session(botocore_session=core, **self.live.credentials)
        self.s3 = self.client("s3")
        self.vision, self.sagemaker, self.rekognition = map(self.client, ("lookoutvision", "sagemaker", "rekognition"))
        for client in (self.vision, self.sagemaker, self.rekognition):
            client.meta.events.register("after-call", _refuse_a_torso)
        self.up.set()

    def client(self, service: str) -> Any:
        """A new one, for the server's present life."""
        return self._session.client(service, endpoint_url=self.live.endpoint, config=_CONFIG)

    def kill_server(self) -> list[Process]:
        """kill -9 the server alone; what ran for it at that moment, and must not outlive it."""
        self.up.clear()
        before = processes_of(self.data)
        self.live.kill()
        self.journal.count("killed: server")
        return before

    def restart(self) -> None:
        """kill -9 the server, start it at once, and see the processes of its former life gone."""
        former = self.kill_server()
        self.start()
        wait_until(
            lambda: not set(former) & set(processes_of(self.data)), 60, f"all of the killed server's {former} gone"
        )

    def kill_one(self, kind: Kind, rng: random.Random, patience: float = 30) -> None:
        """kill -9 a process of this kind at a random moment of its life, waiting for one to appear."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            wait_until(lambda: bool(processes_of(self.data, kind)), patience, f"a {kind} process there to be killed")
            threading.Event().wait(rng.uniform(0, 0.9))  # the moment is the experiment
            victims = processes_of(self.data, kind)
            if victims:
                try:
                    os.kill(rng.choice(victims).pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
                self.journal.count(f"killed: {kind}")
                return
        raise AssertionError(f"no {kind} process lived long enough to be killed within {patience:g} s")


def picture(seed: int, *, defect: bool) -> bytes:
    """A small PNG of a grainy part, with a bright patch somewhere if it is defective."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(90, 130, (64, 64, 3), dtype=np.uint8)
    if defect:
        x, y = rng.integers(8, 40, 2)
        pixels[y : y + 16, x : x + 16] = (250, 30, 30)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def _refuse_a_torso(http_response: Any, **other: Any) -> None:
    """botocore takes what is left of an answer whose sender was killed for a whole one without members."""
    announced = int(http_response.headers.get("content-length", len(http_response.content)))
    if announced != len(http_response.content) or "content-length" not in http_response.headers:
        raise IncompleteReadError(actual_bytes=len(http_response.content), expected_bytes=announced)
