"""Long benches in steps: what a step found is kept in .cache/bench, so that an interruption loses one step.

A step is found again only for the same code on the same kind of processor, so figures of two versions of the engine, or
of two machines, are never mixed.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.results import QUICK, ROOT, processor

KEPT = QUICK / "steps"
_CODE = ("src/relook/vision/**/*.py", "src/relook/vision/**/*.onnx", "src/relook/vision/**/*.safetensors")
_NO_PART = "src/relook/vision/pretrain/"
"""Code that neither trains nor answers."""
_SHARED = ("sets", "judge", "given", "contender", "peer_anomalib")
"""Bench files that what is found depends on, beside the bench's own."""
_OWN = {
    "detectors": ("boxed",),
    "detectors_peer": ("boxed", "peer_detector"),
    "many": ("boxed", "named"),
    "contaminated": ("fewshot",),
}
"""Those of one bench."""

Found = dict[str, Any]


class Steps:
    """The steps of one bench; `only` leaves out those without that word in their name."""

    def __init__(self, bench: str, *, only: str = "", folder: Path = KEPT, code: str | None = None) -> None:
        """`code` identifies what is measured, and on what; the engine's and this bench's own sources and the processor
        where None."""
        self._only = only
        self._folder = folder / bench / (code or fingerprint(bench))
        self._bench = bench
        self.done = 0

    def wants(self, name: str) -> bool:
        return self._only.lower() in name.lower()

    def run(self, name: str, work: Callable[[], Found]) -> Found | None:
        """What `work` finds, or found before; None for a step left out. Anything JSON can hold."""
        if not self.wants(name):
            return None
        path = self._folder / f"{hashlib.sha256(name.encode()).hexdigest()[:24]}.json"
        if path.is_file():
            kept: Found = json.loads(path.read_text("utf-8"))["found"]
            self._tell(name, "kept from an earlier run")
            return kept
        began = time.perf_counter()
        found: Found = json.loads(json.dumps(work()))  # the same values, whether kept or not
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part")
        partial.write_text(json.dumps({"step": name, "found": found}, indent=1) + "\n", "utf-8")
        partial.replace(path)
        self._tell(name, f"{time.perf_counter() - began:.1f} s")
        return found

    def _tell(self, name: str, words: str) -> None:
        self.done += 1
        print(f"{self._bench}: step {self.done}, {name}: {words}", file=sys.stderr, flush=True)


def fingerprint(bench: str) -> str:
    """Of the engine's sources and weights, the bench's own file and what benches share, and of the processor: 16 hex
    digits."""
    digest = hashlib.sha256(processor().encode())
    files = [path for pattern in _CODE for path in ROOT.glob(pattern)]
    files += [ROOT / "bench" / f"{name}.py" for name in (bench, *_SHARED, *_OWN.get(bench, ()))]
    files += ROOT.glob("bench/drawn/*.py") if bench == "products" else ()
    for path in sorted(files):
        name = path.relative_to(ROOT).as_posix()
        if not name.startswith(_NO_PART):
            digest.update(name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]
