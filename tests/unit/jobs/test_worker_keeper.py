"""The server's side of the job worker, with processes simpler than a real worker."""

from __future__ import annotations

import logging
import os
import select
import sys
import threading
from pathlib import Path

import pytest

from relook.jobs.worker import Worker

ECHO = """
import os, sys
out = open(sys.argv[1], "wb", buffering=0)
out.write(b"!")
while read := os.read(0, 1):
    out.write(read)
"""
DEAF = "import signal, sys; open(sys.argv[1], 'wb').close(); [signal.pause() for _ in iter(int, 1)]"


def fifo(tmp_path: Path) -> tuple[str, int]:
    path = str(tmp_path / "fifo")
    os.mkfifo(path)
    return path, os.open(path, os.O_RDONLY | os.O_NONBLOCK)


def test_a_wake_up_reaches_the_worker_and_its_end_is_the_servers(tmp_path: Path) -> None:
    path, reading = fifo(tmp_path)
    worker = Worker([sys.executable, "-c", ECHO, path])
    worker.start()
    assert select.select([reading], [], [], 60)[0]
    assert os.read(reading, 1) == b"!"
    worker.wake()
    assert select.select([reading], [], [], 60)[0]
    assert os.read(reading, 1) == b"\n"
    worker.close()
    worker.wake()  # too late, and harmless
    assert worker.pid is None
    os.close(reading)


def test_a_worker_that_does_not_end_is_killed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, reading = fifo(tmp_path)
    worker = Worker([sys.executable, "-c", DEAF, path])
    worker.start()
    assert select.select([reading], [], [], 60)[0]
    worker.close(patience=0.1)
    assert "did not end within 0.1 s, and is killed" in caplog.text
    assert not [thread for thread in threading.enumerate() if thread.name == "job-worker"]
    os.close(reading)


def test_a_worker_that_cannot_start_is_logged_and_tried_again(tmp_path: Path) -> None:
    tried = threading.Semaphore(0)

    class Count(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "could not be started" in record.getMessage():
                tried.release()

    handler = Count()
    logging.getLogger("relook.jobs.worker").addHandler(handler)
    worker = Worker([str(tmp_path / "nothing")])
    worker.start()
    try:
        assert tried.acquire(timeout=60)
        assert tried.acquire(timeout=60)
    finally:
        worker.close()
        logging.getLogger("relook.jobs.worker").removeHandler(handler)
