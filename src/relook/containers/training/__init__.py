"""What lies around a training container: its folders under /opt/ml, its input, its results."""

from __future__ import annotations
