"""A TorchScript model (model.pt or model.pth), where torch is installed; other models bring a model_fn."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

_FILES = ("model.pt", "model.pth")


def model_fn(model_dir: str) -> Any:
    """FileNotFoundError where there is neither file; RuntimeError for one that is not TorchScript."""
    torch = _torch()
    for name in _FILES:
        file = Path(model_dir) / name
        if file.exists():
            return torch.jit.load(str(file), map_location="cpu").eval()
    raise FileNotFoundError(f"the model data hold neither {' nor '.join(_FILES)}, and code/inference.py no model_fn")


def predict_fn(data: Any, model: Any) -> Any:
    """Arrays become tensors, doubles become floats as most networks have them."""
    torch = _torch()
    tensor = torch.as_tensor(data)
    if tensor.dtype == torch.float64:
        tensor = tensor.float()
    with torch.no_grad():
        answer = model(tensor)
    return answer.numpy() if isinstance(answer, torch.Tensor) else answer


def _torch() -> Any:
    # By name: nothing else of ours may need torch, and it is absent from most installations.
    return importlib.import_module("torch")
