"""The backbone of our own: pictures that are generated, a student network, and its distillation from a teacher.

`pretrain` in `running` goes the whole way; `finish` writes the files from a state that is trained already. Only
`distill` and `student` import torch (the extra `train`); training, serving and the server import nothing from here.
"""

from __future__ import annotations

from relook.vision.pretrain.finishing import finish
from relook.vision.pretrain.recipe import PretrainError, Recipe, Stopped

__all__ = ["PretrainError", "Recipe", "Stopped", "finish"]
