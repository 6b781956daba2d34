"""OpenVINO: the features of training, and serving on a CPU."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from relook.vision.graph_names import IMAGE, PATCHES, numbered
from relook.vision.images import Size
from relook.vision.quiet_openvino import ov


class Precision(StrEnum):
    """What the backbone computes in; everything after the patches is float32 always."""

    F32 = "f32"
    BF16 = "bf16"
    INT8 = "int8"
    """Convolutions alone, and only of a graph that was brought to it (see `int8`); everything else is float32."""


INT8_FLAGS = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})
"""Flags of /proc/cpuinfo. Without any of these, sums of products of int8 overflow their 16 bits and are cut off."""


@cache
def core() -> ov.Core:
    """One per process: loading the CPU plugin takes longer than compiling a model."""
    return ov.Core()


def native_precision() -> Precision:
    """bf16 where this CPU computes in it, else f32: what new models compute in (docs/adr/0002-bf16-where-native.md)."""
    return Precision.BF16 if "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES") else Precision.F32


def served(precision: Precision) -> Precision:
    """What a model trained in `precision` is served in here: a bf16 model in f32 where the CPU has no bf16."""
    return native_precision() if precision is Precision.BF16 else precision


def lacks(precision: Precision, cpuinfo: Path = Path("/proc/cpuinfo")) -> str | None:
    """Why this CPU cannot compute in `precision`, and what else to take; None if it can."""
    if precision is Precision.BF16 and native_precision() is not Precision.BF16:
        return "precision bf16 needs a CPU with AVX512-BF16 or AMX; this one has neither: take auto or f32"
    if precision is Precision.INT8 and not INT8_FLAGS & set(cpuinfo.read_text("utf-8", "replace").split()):
        return "precision int8 needs a CPU with VNNI or AMX; this one has neither: take auto, f32 or bf16"
    return None


def read(onnx: bytes) -> ov.Model:
    """Parse a self-contained ONNX model."""
    return core().read_model(onnx)


def compile_model(model: ov.Model, precision: Precision, threads: int = 1, streams: int = 1) -> ov.CompiledModel:
    """For `streams` requests at a time with `threads` threads in all.

    A stream of one thread computes the same values however many streams run beside it.
    """
    options: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": (Precision.F32 if precision is Precision.INT8 else precision).value,
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": streams,
        "ENABLE_CPU_PINNING": False,  # several units share the cores: let the kernel place them
    }
    return core().compile_model(model, "CPU", options)


class OpenVinoEngine:
    """See `engine.Engine`: `precision` up to the patches, float32 from there."""

    def __init__(self, graph: bytes, sizes: Sequence[Size], precision: Precision, threads: int) -> None:
        features, head = split(read(graph))
        self._features = compile_model(features, served(precision), threads).create_infer_request()
        self._head = compile_model(head, Precision.F32, threads).create_infer_request()
        self.name = f"OpenVINO {ov.__version__.split('-')[0]} on the CPU, {served(precision)}"
        self.images: list[npt.NDArray[np.uint8]] = []
        for at, size in enumerate(sizes):
            patches = numbered(PATCHES, at)
            self._head.set_tensor(patches, self._features.get_tensor(patches))  # no copy between the two
            image = np.zeros((1, size.height, size.width, 3), np.uint8)
            self._features.set_tensor(numbered(IMAGE, at), ov.Tensor(image, shared_memory=True))
            self.images.append(image)

    def run(self) -> None:
        self._features.infer(share_outputs=True)  # what it would copy nobody reads
        self._head.infer(share_outputs=True)

    def output(self, name: str) -> npt.NDArray[np.float32]:
        values: npt.NDArray[np.float32] = self._head.get_tensor(name).data
        return values


def split(model: ov.Model, at: str = PATCHES) -> tuple[ov.Model, ov.Model]:
    """Cut the graph at the tensors whose names begin with `at`: (images to those, those to the model's outputs).

    After the patches, distances are differences of near-equal numbers and lose too much in bf16, as do a detector's
    coordinates, so the second part is compiled apart.
    """
    cuts = sorted(
        (name, out) for op in model.get_ops() for out in op.outputs() for name in out.get_names() if name.startswith(at)
    )
    inputs, results = [], []
    for name, cut in cuts:
        outside = ov.opset13.parameter(cut.get_shape(), cut.get_element_type(), name=name)
        consumers = list(cut.get_target_inputs())
        results.append(ov.opset13.result(cut))
        inputs.append(outside)
        for consumer in consumers:
            consumer.replace_source_output(outside.output(0))
    features = ov.Model(results, model.get_parameters(), "features")
    return features, ov.Model(model.get_results(), inputs, "head")
