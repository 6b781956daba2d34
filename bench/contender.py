"""A model in a process of its own, asked over lines of JSON: ours by this module, anomalib's by `peer_anomalib.py`.

    contender.py JOB

JOB is a JSON file with `training` (paths), `labels` (one for each: anomalous or not), `weights` (a data folder),
`threads`, `seed`, `folder`, maybe `rows` of the bank, `long_sides` in pixels to look at and the `seconds` that a
training may take, and `load`: empty to train, or the artifact's folder to answer with it, as in the product, where
training and serving are processes of their own.
The first line that comes back says how that went; then every order `{"image": path, "heat": whether to save the heat
map}` is answered with score, milliseconds (file to answer), the heat map's path and the process's peak memory.
"""

from __future__ import annotations

import json
import math
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from bench.wire import BenchFailed

if TYPE_CHECKING:
    from relook.vision.train import Options

THREADS = 1
ARTIFACT = "artifact"
"""The folder in a job's own that a training leaves."""
_ALLOCATION = {"MALLOC_MMAP_THRESHOLD_": str(2**20)}
"""For both: glibc's own rule for large blocks let anomalib's coreset grow to 19 GB on 20 images; so it takes 0.65."""
_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Contender:
    """The other end: starts the process, fits, and asks. Ended when the block ends."""

    def __init__(self, command: Sequence[str], job: dict[str, Any]) -> None:
        """`command` takes the job's file as its last argument; `job["folder"]` must be there."""
        folder = Path(job["folder"])
        file = folder / "job.json"
        file.write_text(json.dumps(job), "utf-8")
        self._log = folder / "log"
        threads = {name: str(job["threads"]) for name in _LIMITS}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*command, str(file)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=os.environ | threads | _ALLOCATION,
            )

    def __enter__(self) -> Contender:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._process.kill()
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process.wait(60)

    def ready(self) -> dict[str, Any]:
        """Waits: `peak_mib` of the process, and of a fit `fit_seconds`, `version` and `bank` (its shape)."""
        return self._read()

    def ask(self, image: str, *, heat: bool = False) -> dict[str, Any]:
        """One answer: `score`, `milliseconds`, `peak_mib`, and with `heat` the path of a .npy file."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"image": image, "heat": heat}) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise BenchFailed(f"the process ended: {self._log.read_text('utf-8', 'replace')[-2000:]}")
        found: dict[str, Any] = json.loads(line)
        return found


def main() -> None:
    """Our side of the protocol."""
    job = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: job["threads"]])  # a training takes what cores there are
    if job["load"]:
        _answer(job)
    else:
        _train(job)


def _train(job: dict[str, Any]) -> None:
    import relook
    from relook.vision.samples import Sample, Task
    from relook.vision.train import train
    from relook.vision.weights import choose

    pairs = zip(job["training"], job["labels"], strict=True)
    began = time.perf_counter()
    train(
        [Sample(path, Path(path).read_bytes, anomalous) for path, anomalous in pairs],
        [],
        task=Task.CLASSIFICATION,
        classes=(),
        backbone=choose(Path(job["weights"])),
        output=Path(job["folder"]) / ARTIFACT,
        seed=job["seed"],
        progress=lambda stage, done, total: None,
        options=_options(job),
    )
    _say(fit_seconds=time.perf_counter() - began, version=relook.__version__, bank=None)


def _options(job: dict[str, Any]) -> Options:
    from relook.vision.memory_bank import BANK_ROWS
    from relook.vision.train import Options

    sides = job.get("long_sides")
    return Options(
        bank_rows=job.get("rows") or BANK_ROWS,
        long_sides=tuple(sides) if sides else None,
        seconds=job.get("seconds") or math.inf,
    )


def _answer(job: dict[str, Any]) -> None:
    import numpy as np

    from relook.vision.predict import Predictor

    began = time.perf_counter()
    predictor = Predictor.load(Path(job["load"]), job["threads"])
    _say(load_seconds=time.perf_counter() - began)
    for number, line in enumerate(sys.stdin):
        order = json.loads(line)
        began = time.perf_counter()
        prediction = predictor.predict(Path(order["image"]).read_bytes())
        milliseconds = 1000 * (time.perf_counter() - began)
        heat = ""
        if order["heat"]:
            heat = str(Path(job["folder"]) / f"heat-{number}.npy")
            np.save(heat, predictor.heat_map())
        _say(score=prediction.score, said=prediction.anomalous, milliseconds=milliseconds, heat=heat)


def _say(**content: Any) -> None:
    peak = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
    print(json.dumps(content | {"peak_mib": peak}), flush=True)


if __name__ == "__main__":
    main()
