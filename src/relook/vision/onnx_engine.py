"""ONNX Runtime as an engine: for a GPU through CUDA, and on the CPU for tests of the very same path.

Everything is computed in float32, without TF32: distances are differences of near-equal numbers.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from relook.vision.engine import DeviceError, Floats, Images
from relook.vision.graph_names import IMAGE, numbered
from relook.vision.images import Size
from relook.vision.quiet_onnxruntime import ort

CUDA = "CUDAExecutionProvider"
CPU = "CPUExecutionProvider"
_OPTIONS = {CUDA: {"use_tf32": 0}, CPU: {}}
_NAMES = {CUDA: "the GPU through CUDA", CPU: "the CPU"}
_ERRORS_ONLY = 3
"""ONNX Runtime's level of logging: it warns of every node that it leaves to the CPU on purpose (shapes)."""


class OnnxEngine:
    """See `engine.Engine`. Raises DeviceError where the provider does not open."""

    def __init__(self, graph: bytes, sizes: Sequence[Size], provider: str, threads: int = 1) -> None:
        self._session = open_session(graph, provider, threads)
        self.name = f"ONNX Runtime {ort.__version__} on {_NAMES[provider]}, f32"
        self.images: list[Images] = [np.zeros((1, size.height, size.width, 3), np.uint8) for size in sizes]
        self._fed = {numbered(IMAGE, at): image for at, image in enumerate(self.images)}
        self._names = [entry.name for entry in self._session.get_outputs()]
        self._found: dict[str, Floats] = {}

    def run(self) -> None:
        self._found = dict(zip(self._names, self._session.run(self._names, self._fed), strict=True))

    def output(self, name: str) -> Floats:
        return self._found[name]


def open_session(graph: bytes, provider: str, threads: int = 1) -> Any:
    """A session whose first provider is `provider`, never a substitute. DeviceError where it does not open."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):  # it prints what it could not load
        if provider == CUDA:
            ort.preload_dlls()  # CUDA's libraries, where pip has put them
        try:
            session = ort.InferenceSession(graph, _session_options(threads), [(provider, _OPTIONS[provider])])
        except Exception as error:  # its errors have no class in common
            raise DeviceError(f"{_NAMES[provider]} cannot take the model: {error}; take device cpu") from error
    require_provider(session, provider, said.getvalue())
    return session


def require_provider(session: Any, provider: str, said: str) -> None:
    """DeviceError if the session goes without: where CUDA does not open, it takes the CPU and says so nowhere else."""
    if provider not in session.get_providers():
        raise DeviceError(_closed(provider, said))


def _session_options(threads: int) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = _ERRORS_ONLY
    return options


def _closed(provider: str, why: str) -> str:
    reason = " ".join(why.split())[:300]
    return (
        f"{_NAMES[provider]} does not open{': ' + reason if reason else ''}. It needs an NVIDIA GPU that `nvidia-smi` "
        "lists, a driver as new as CUDA asks for, and the libraries of pip install 'relook[gpu]'; or take device cpu"
    )


def try_out(provider: str) -> None:
    """Compute something small. Raises DeviceError."""
    import onnx
    from onnx import TensorProto, helper

    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in ("given", "found")]
    nodes = [helper.make_node("Relu", ["given"], ["found"])]
    model = helper.make_model(
        helper.make_graph(nodes, "small", ends[:1], ends[1:]),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    onnx.checker.check_model(model)
    session = open_session(model.SerializeToString(), provider)
    given = np.array([-1, 0, 1, 2], np.float32)
    found: npt.NDArray[np.float32] = session.run(None, {"given": given})[0]
    if not np.array_equal(found, given.clip(0)):
        raise DeviceError(f"{_NAMES[provider]} computes wrong numbers ({found.tolist()}): take device cpu")
