"""ONNX Runtime without its telemetry. Everything of ours takes it from here, and only where it is needed.

The official builds report what is loaded and run to their maker over HTTPS, and keep a number of the machine in the
home folder, unless a variable forbids it before they are loaded. That may not happen on machines that keep to
themselves.

It is no dependency of Relook (see the extras `gpu` and `int8`): ImportError where there is none.
"""

from __future__ import annotations

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read once, when the library is loaded

import onnxruntime as ort

__all__ = ["ort"]
