"""DetectAnomalies end to end against the raw graph, turn and turn about on the same pictures."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np

from bench.bed import RENDER_SEED, Bed, Trained, describe
from bench.results import Figure, Result, Table
from bench.wire import Caller, p95
from relook.vision import artifact, runtime
from relook.vision.images import Pixels, Size, decode, load, resize
from relook.vision.predict import Predictor
from relook.vision.quiet_openvino import ov

ROUNDS = 200
WARM_UP = 20
TARGETS = {False: 5.0, True: 10.0}
"""Milliseconds that an answer may take beyond the raw graph and decoding; with a mask the larger."""
THREADS = 1
"""Of an inference unit as it comes, and so of the raw graph."""
SPANS = ("end to end", "raw graph", "decoding", "predictor", "raw graph in one precision")

NOTES = (
    "End to end: a plain HTTP client on a keep-alive connection, from the first byte sent to the last one read; "
    "signing is done beforehand. One inference unit, one thread.",
    "Raw graph: the same model.onnx in the bench's process with the same OpenVINO, threads and precisions (patches in "
    "bf16 where the CPU has it, distances in f32), fed its input ready made. Decoding: the same bytes by the same "
    "decoder. Predictor: all that a unit does.",
    "Raw graph in one precision: compiled whole in the patches' precision. In bf16 it is faster and its distances are "
    "wrong, so it is no peer; it shows what keeping them right costs.",
    "For every picture these are measured one after another, in an order that turns; overhead is end to end less raw "
    "graph less decoding, picture by picture.",
)


class RawGraph:
    """`model.onnx` and nothing around it, in the precision in which it is served: patches in bf16, the rest in f32."""

    def __init__(self, folder: Path, *, whole: bool = False) -> None:
        """`whole` compiles it as one, all in the patches' precision: faster, but the distances come out wrong."""
        graph, card = artifact.read(folder)
        model, served = runtime.read(graph), runtime.served(card.precision)
        parts = [(model, served)]
        if not whole:
            patches, head = runtime.split(model)
            parts = [(patches, served), (head, runtime.Precision.F32)]
        self._steps = [runtime.compile_model(part, how, THREADS).create_infer_request() for part, how in parts]
        self._sizes = [Size(*port.get_shape()[1:3]) for port in self._steps[0].model_inputs]
        for one, other in pairwise(self._steps):
            for at in range(len(one.model_outputs)):
                other.set_input_tensor(at, one.get_output_tensor(at))

    def prepare(self, pixels: Pixels) -> list[ov.Tensor]:
        """The inputs of the graph, one for each scale it works at: all that comes before is not its own time."""
        return [ov.Tensor(np.ascontiguousarray(resize(pixels, size)[np.newaxis])) for size in self._sizes]

    def infer(self, tensors: list[ov.Tensor]) -> None:
        for at, tensor in enumerate(tensors):
            self._steps[0].set_input_tensor(at, tensor)
        for step in self._steps:
            step.infer(share_outputs=True)


def measure(bed: Bed) -> Result:
    """Both kinds of model, with one unit."""
    figures, rows, notes = [], [], []
    for kind, model in {"classification": bed.classification, "segmentation": bed.segmentation}.items():
        spans = _interleaved(bed, model)
        middle = {name: statistics.median(values) for name, values in spans.items()}
        what = f"DetectAnomalies ({kind})"
        figures += [
            Figure(
                f"{what}: median time beyond the raw graph and decoding",
                round(middle["overhead"], 2),
                "ms",
                at_most=TARGETS[kind == "segmentation"],
            ),
            Figure(
                f"{what}: median time against raw graph and decoding",
                round(middle["end to end"] / (middle["raw graph"] + middle["decoding"]), 3),
                "times",
                headline=True,
            ),
        ]
        rows += [[kind, name, round(middle[name], 2), round(p95(values), 2)] for name, values in spans.items()]
        notes.append(f"{kind.capitalize()}: {describe(model)}.")
    title = f"Milliseconds, {len(spans['overhead'])} pictures each"
    table = Table(title, ("model", "span", "median", "p95"), rows)
    seeds = {"drawn pictures": RENDER_SEED, "training": bed.classification.seed}
    return Result("DetectAnomalies against the raw graph", figures, [table], [*notes, *NOTES], seeds)


def _interleaved(bed: Bed, model: Trained) -> dict[str, list[float]]:
    """Milliseconds of each span and of the overhead, picture by picture."""
    raw, one = RawGraph(model.artifact), RawGraph(model.artifact, whole=True)
    predictor = Predictor.load(model.artifact, THREADS)
    rounds, warm_up = (20, 4) if bed.quick else (ROUNDS, WARM_UP)
    times: dict[str, list[float]] = {name: [] for name in SPANS}
    with bed.hosting(model):
        caller, requests = Caller(bed.signer.endpoint), bed.detections(model)
        tensors = [raw.prepare(decode(request.body)) for request in requests]
        for turn in range(warm_up + rounds):
            at = turn % len(requests)
            if at == 0:
                requests = bed.detections(model)  # a signature is good for five minutes
            request, tensor = requests[at], tensors[at]
            spans: dict[str, Callable[[], object]] = {
                "end to end": lambda request=request: caller.send(request),
                "raw graph": lambda tensor=tensor: raw.infer(tensor),
                "decoding": lambda request=request: load(request.body),
                "predictor": lambda request=request: predictor.predict(request.body),
                "raw graph in one precision": lambda tensor=tensor: one.infer(tensor),
            }
            first = turn % len(SPANS)
            for name in SPANS[first:] + SPANS[:first]:
                milliseconds = timed(spans[name])
                if turn >= warm_up:
                    times[name].append(milliseconds)
        caller.close()
    parts = zip(times["end to end"], times["raw graph"], times["decoding"], strict=True)
    return times | {"overhead": [whole - raw_graph - decoding for whole, raw_graph, decoding in parts]}


def timed(work: Callable[[], object]) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - began)
