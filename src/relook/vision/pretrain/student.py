"""The student network in torch: ResNet-18's topology up to layer3 at some width, and heads in the teacher's channels.

Parameter names are torchvision's, so that `relook.vision.resnet18` folds and builds both alike.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from relook.vision.pretrain.recipe import WIDTH


class Block(nn.Module):
    """Two 3 x 3 convolutions and a shortcut (He et al., 2015)."""

    def __init__(self, inside: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inside, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.downsample = (
            nn.Sequential(nn.Conv2d(inside, out, 1, stride, bias=False), nn.BatchNorm2d(out)) if stride > 1 else None
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(x)) + shortcut)


class Student(nn.Module):
    """(n, 3, h, w) to the imitation of the teacher's layer2 (n, 128, h/8, w/8) and layer3 (n, 256, h/16, w/16)."""

    def __init__(self, width: int = WIDTH, channels: tuple[int, int] = (128, 256)) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = nn.Sequential(Block(width, width, 1), Block(width, width, 1))
        self.layer2 = nn.Sequential(Block(width, 2 * width, 2), Block(2 * width, 2 * width, 1))
        self.layer3 = nn.Sequential(Block(2 * width, 4 * width, 2), Block(4 * width, 4 * width, 1))
        self.head2 = nn.Conv2d(2 * width, channels[0], 1)
        self.head3 = nn.Conv2d(4 * width, channels[1], 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = functional.max_pool2d(functional.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        second = self.layer2(self.layer1(x))
        return functional.relu(self.head2(second)), functional.relu(self.head3(self.layer3(second)))


def averaged(slow: dict[str, torch.Tensor], student: Student, keep: float) -> None:
    """Move the running average of weights and batch statistics towards the student's; in place."""
    for name, value in student.state_dict().items():
        if value.dtype.is_floating_point:
            slow[name].lerp_(value, 1 - keep)
        else:
            slow[name].copy_(value)
