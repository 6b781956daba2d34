"""The backbone of our own: pictures that are generated, a student network, and its distillation from a teacher.

Only `distill` and `student` need torch (the extra `train`); training, serving and the server import nothing of it.
"""

from __future__ import annotations

from relook.vision.pretrain.finishing import finish
from relook.vision.pretrain.recipe import Recipe

__all__ = ["Recipe", "finish"]
