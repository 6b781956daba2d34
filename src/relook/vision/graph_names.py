"""Names in the graph that the serving side needs without importing onnx."""

from __future__ import annotations

PATCHES = "relook/patches"
"""The tensor (patches, channels) where the backbone ends and the float32 part begins."""
DISTANCE = "distance"
RESIDUAL = "residual"
MASK_LOGITS = "mask_logits"
