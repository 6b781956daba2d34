"""Names in the graph that the serving side needs without importing onnx."""

from __future__ import annotations

SCORES = "scores"
"""(1, labels) in 0..1."""
