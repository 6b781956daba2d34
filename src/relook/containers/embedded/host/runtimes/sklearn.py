"""A scikit-learn estimator: model.skops or model.onnx where possible, else a pickle, in this sandbox alone."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from relook.containers.embedded.host.errors import InferenceError

_PICKLES = ("model.joblib", "model.pkl", "model.pickle")


def model_fn(model_dir: str) -> Any:
    """FileNotFoundError where the folder holds none of these files; whatever unpickling raises."""
    folder = Path(model_dir)
    if (folder / "model.skops").exists():
        return _skops(folder / "model.skops")
    if (folder / "model.onnx").exists():
        return _Onnx(model_dir)
    for name in _PICKLES:
        if (folder / name).exists():
            print(f"relook: {name} is a pickle, which runs code when it is loaded; it cannot leave this sandbox")
            return importlib.import_module("joblib").load(folder / name)
    raise FileNotFoundError(f"the model data hold none of model.skops, model.onnx, {', '.join(_PICKLES)}")


def predict_fn(data: Any, model: Any) -> Any:
    """`predict` of rows; InferenceError (400) where they do not fit."""
    features = getattr(model, "n_features_in_", None)
    try:
        if isinstance(data, np.ndarray) and data.ndim < 2:
            data = data.reshape(-1, features) if features else data.reshape(1, -1)
        return model.predict(data)
    except ValueError as error:
        raise InferenceError(400, f"the input does not fit the model: {error}", "Bad Request") from error


class _Onnx:
    """An estimator that was exported; its first output is the prediction."""

    def __init__(self, model_dir: str) -> None:
        from relook.containers.embedded.host.runtimes import onnx

        self._onnx = onnx
        self._model = onnx.model_fn(model_dir)

    def predict(self, data: Any) -> Any:
        found = self._onnx.predict_fn(data, self._model)
        return next(iter(found.values())) if isinstance(found, dict) else found


def _skops(file: Path) -> Any:
    if find_spec("skops") is None:
        raise ModuleNotFoundError("model.skops needs skops: install it into the server's Python environment")
    skops = importlib.import_module("skops.io")
    return skops.load(file, trusted=skops.get_untrusted_types(file=file))  # trusted with this sandbox, no more
