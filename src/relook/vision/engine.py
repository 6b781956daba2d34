"""What runs a model's graph: OpenVINO on a CPU (see `runtime`), ONNX Runtime on a GPU (see `onnx_engine`)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import Enum, StrEnum, auto
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from relook.vision.images import Size
from relook.vision.runtime import OpenVinoEngine, Precision

Images = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


class Device(StrEnum):
    """Where models are served."""

    AUTO = "auto"
    """On a GPU if one opens, else on the CPU."""
    CPU = "cpu"
    GPU = "gpu"
    """On a GPU or not at all."""


class DeviceError(Exception):
    """The device asked for cannot be had; the message says which, why and what to do."""


class Engine(Protocol):
    """A graph of `graph.full_model`, ready to run. Not for several threads at once."""

    @property
    def name(self) -> str:
        """For people: the runtime, the device and the precision."""

    @property
    def images(self) -> Sequence[Images]:
        """For each view (1, height, width, 3) RGB, to be filled before `run`."""

    def run(self) -> None:
        """All views of the images."""

    def output(self, name: str) -> Floats:
        """An output of the last run, which may be overwritten by the next."""


def open_engine(graph: bytes, sizes: Sequence[Size], precision: Precision, device: Device, threads: int) -> Engine:
    """`sizes` are the views', `precision` what the model was trained in, `threads` the CPU's.

    Raises DeviceError for GPU alone: where AUTO finds CUDA installed and takes the CPU all the same, it says why on
    standard error.
    """
    if device is Device.GPU:
        return _on_gpu(graph, sizes, precision, threads)
    if device is Device.AUTO and _build() is _Build.CUDA:
        try:
            return _on_gpu(graph, sizes, precision, threads)
        except DeviceError as error:
            print(f"device auto takes the CPU: {error}", file=sys.stderr)
    return OpenVinoEngine(graph, sizes, precision, threads)


def gpu_lacks() -> str | None:
    """Why nothing can be computed on a GPU here, and the fix; None after something was."""
    try:
        _require()
        from relook.vision import onnx_engine

        onnx_engine.try_out(onnx_engine.CUDA)
    except DeviceError as error:
        return str(error)
    return None


def _on_gpu(graph: bytes, sizes: Sequence[Size], precision: Precision, threads: int) -> Engine:
    _require()
    if precision is Precision.INT8:
        raise DeviceError("int8 models are for the CPU: take device cpu or auto, or train with another precision")
    from relook.vision import onnx_engine

    return onnx_engine.OnnxEngine(graph, sizes, onnx_engine.CUDA, threads)


def _require() -> None:
    match _build():
        case _Build.NONE:
            raise DeviceError("a GPU needs ONNX Runtime with CUDA: pip install 'relook[gpu]', or take device cpu")
        case _Build.CPU:
            raise DeviceError(
                "the ONNX Runtime installed here is built without CUDA: pip uninstall onnxruntime, then "
                "pip install 'relook[gpu]', or take device cpu"
            )


class _Build(Enum):
    """Which ONNX Runtime is installed."""

    NONE = auto()
    CPU = auto()
    CUDA = auto()


def _build() -> _Build:
    """Looked up without loading it, which would take every unit time and memory."""
    found = find_spec("onnxruntime")
    if found is None or found.origin is None:
        return _Build.NONE
    cuda = Path(found.origin).parent / "capi" / "libonnxruntime_providers_cuda.so"
    return _Build.CUDA if cuda.exists() else _Build.CPU
