"""Names in the graph that the serving side needs without importing onnx."""

from __future__ import annotations

INPUT = "image"
OUTPUTS = ("boxes", "scores", "labels")
RAW = "relook/raw"
"""What the names of the network's last maps begin with: what follows is computed in float32."""
