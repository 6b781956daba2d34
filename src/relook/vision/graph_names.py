"""Names in the graph that the serving side needs without importing onnx. Each is followed by its view's number."""

from __future__ import annotations

IMAGE = "image"
PATCHES = "relook/patches"
"""The tensor (patches, channels) where the backbone ends and the float32 part begins."""
DISTANCE = "distance"
RESIDUAL = "residual"
LOGITS = "logits"


def numbered(name: str, view: int) -> str:
    """The tensor's name in the view."""
    return f"{name}{view}"
