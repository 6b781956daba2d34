"""A real worker with one kind of job, "puppet", that does what the test tells it over a socket.

    worker_script.py FOLDER worker      the supervisor, waking by stdin
    worker_script.py FOLDER child ID    a job's process

A puppet connects to FOLDER/stage, says which job and attempt it is, and obeys one line after another.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from relook.jobs.api import Completion, JobCancelled, JobContext, JobFailed, JobKind, Payload
from relook.jobs.child import run_job
from relook.jobs.policy import Policy
from relook.jobs.supervisor import Supervisor
from relook.store.engine import Store

LANES = {"dataset": 2, "training": 1}


def policy(folder: Path) -> Policy:
    settings = json.loads((folder / "policy.json").read_text())
    return Policy(**settings)


def kinds(folder: Path) -> list[JobKind]:
    def run(context: JobContext, payload: Payload) -> Completion:
        stage = socket.socket(socket.AF_UNIX)
        stage.connect(str(folder / "stage"))
        lines = stage.makefile("rw")
        me = {"job": context.job_id, "attempt": context.attempt, "pid": os.getpid(), "name": payload["name"]}
        print(json.dumps(me), file=lines, flush=True)
        for line in lines:
            verb, _, rest = line.strip().partition(" ")
            if verb == "succeed":
                return lambda connection: record(connection, payload, "succeeded")
            print(json.dumps(obey(context, verb, rest, folder)), file=lines, flush=True)
        raise JobFailed("the test has gone")

    def fail(connection: Connection, payload: Payload, reason: str) -> None:
        if payload.get("broken_fail"):
            raise RuntimeError("this kind cannot fail")
        record(connection, payload, f"failed: {reason}")

    return [JobKind("puppet", "dataset", run, fail), JobKind("trainer", "training", run, fail)]


def record(connection: Connection, payload: Payload, outcome: str) -> None:
    connection.execute(
        text("INSERT INTO outcomes VALUES (:name, :outcome)"), {"name": payload["name"], "outcome": outcome}
    )


def obey(context: JobContext, verb: str, rest: str, folder: Path) -> Any:
    match verb:
        case "fail":
            raise JobFailed(rest)
        case "raise":
            raise RuntimeError(rest)
        case "crash":
            os.kill(os.getpid(), signal.SIGKILL)
        case "exit":
            os._exit(int(rest))
        case "stop-moving":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "no-space":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        case "outgrow":
            # Every write beyond the limit fails as on a full disk, the database's own included.
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
            (folder / "large").write_bytes(bytes(10000))
        case "deaf":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        case "log":
            context.log(rest)
        case "progress":
            stage, done, total = rest.split()
            context.progress(stage, int(done), int(total))
        case "until-cancelled":
            # The only busy wait: it is what real jobs do, reporting again and again.
            while True:
                try:
                    context.progress("waiting", 0, 0)
                except JobCancelled as error:
                    raise error
    return "done"


def main() -> int:
    folder = Path(sys.argv[1])
    store = Store.open(folder / "relook.db")
    if sys.argv[2] == "child":
        return run_job(store, {kind.name: kind for kind in kinds(folder)}, sys.argv[3], policy=policy(folder))
    supervisor = Supervisor(
        store,
        kinds(folder),
        lanes=LANES,
        child_command=lambda job_id: [sys.executable, __file__, str(folder), "child", job_id],
        lock=folder / "worker.lock",
        policy=policy(folder),
    )
    supervisor.run()
    store.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
