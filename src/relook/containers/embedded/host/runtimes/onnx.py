"""Any ONNX model, run by OpenVINO: arrays in, arrays out."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from relook.containers.embedded.host import codecs
from relook.containers.embedded.host.errors import InferenceError
from relook.vision import runtime
from relook.vision.quiet_openvino import ov

_WRAPPERS = ("instances", "inputs", "input", "data")
"""Keys under which clients put the one input of a model."""


def model_fn(model_dir: str) -> ov.CompiledModel:
    """model.onnx, or the only .onnx file of the folder. FileNotFoundError."""
    file = Path(model_dir) / "model.onnx"
    if not file.exists():
        found = sorted(Path(model_dir).rglob("*.onnx"))
        if len(found) != 1:
            raise FileNotFoundError(f"the model data hold {len(found)} .onnx files and no model.onnx; one is needed")
        file = found[0]
    threads = int(os.environ.get("OMP_NUM_THREADS") or 1)
    # By path, not by bytes: weights may lie in files beside it.
    return runtime.compile_model(runtime.core().read_model(str(file)), runtime.Precision.F32, threads)


def input_fn(body: str | bytes, content_type: str | None) -> Any:
    """JSON: an array, or an object of arrays by input name. CSV and npy: an array."""
    if codecs.kind(content_type) == codecs.JSON:
        return json.loads(body)
    return codecs.decode(body, content_type)


def predict_fn(data: Any, model: ov.CompiledModel) -> npt.NDArray[Any] | dict[str, npt.NDArray[Any]]:
    """An array for a model of one output, else arrays by name. InferenceError (400) for inputs that do not fit."""
    try:
        found = model(_inputs(data, model))
    except (KeyError, ValueError, RuntimeError, TypeError) as error:
        wanted = ", ".join(f"{_name(each)} {each.get_partial_shape()}" for each in model.inputs)
        raise InferenceError(
            400, f"the input does not fit the model, which takes {wanted}: {error}", "Bad Request"
        ) from error
    # Copies: the runtime uses its own buffers again.
    arrays = {_name(output): np.array(found[output]) for output in model.outputs}
    return next(iter(arrays.values())) if len(arrays) == 1 else arrays


def _inputs(data: Any, model: ov.CompiledModel) -> dict[str, npt.NDArray[Any]]:
    names = [_name(each) for each in model.inputs]
    if isinstance(data, dict) and len(names) == 1 and len(data) == 1 and names[0] not in data:
        (key,) = data
        data = data[key] if key in _WRAPPERS else data
    if not isinstance(data, dict):
        if len(names) != 1:
            raise ValueError(f"send an object with the members {', '.join(names)}")
        data = {names[0]: data}
    if set(data) != set(names):
        raise ValueError(f"it was given {', '.join(sorted(data)) or 'nothing'}")
    return {_name(each): _fitted(data[_name(each)], each) for each in model.inputs}


def _fitted(value: Any, port: Any) -> npt.NDArray[Any]:
    """As the input's type; one record for a model that takes several gets a dimension in front."""
    array = np.asarray(value, dtype=port.get_element_type().to_dtype())
    rank = port.get_partial_shape().rank
    if rank.is_static and array.ndim == rank.get_length() - 1:
        array = array[np.newaxis]
    return np.ascontiguousarray(array)


def _name(port: Any) -> str:
    return str(port.get_any_name())
