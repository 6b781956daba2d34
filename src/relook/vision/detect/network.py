"""An `Architecture` in torch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from relook.vision.detect.layers import IMAGE, Act, Architecture, Conv, Enlarge, Join, Layer, Pool, reach

EPSILON = 1e-5
_MOMENTUM = 0.05


class Normed(nn.Module):
    """A convolution with a batch norm, or with a bias alone."""

    def __init__(self, conv: Conv, trained: bool) -> None:
        super().__init__()
        normed = conv.normed and trained
        self.conv = nn.Conv2d(
            conv.inside, conv.out, conv.kernel, conv.stride, conv.pad, groups=conv.groups, bias=not normed
        )
        self.norm = nn.BatchNorm2d(conv.out, EPSILON, _MOMENTUM) if normed else None
        self.act = conv.act
        self.measuring = False
        self.folded = True  # weights come with their norm folded in until `measure` has parted them

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        if self.norm is not None:
            if self.measuring:
                self._part(x)
            x = self.norm(x)
        if self.act is Act.SILU:
            return functional.silu(x, inplace=True)
        return functional.relu(x, inplace=True) if self.act is Act.RELU else x

    def take(self, weight: torch.Tensor, bias: torch.Tensor) -> None:
        """A folded pair; with a norm, the norm's shift is the bias until it is measured."""
        self.conv.weight.data.copy_(weight)
        if self.norm is None:
            self.conv.bias.data.copy_(bias)
        else:
            self.norm.bias.data.copy_(bias)
            self.norm.weight.data.fill_((1 + EPSILON) ** 0.5)

    def _part(self, x: torch.Tensor) -> None:
        """Set the norm so that it changes nothing of a folded convolution, by the statistics of this batch.

        A convolution that starts from chance has no bias, and the norm is what brings it to scale: it is left alone.
        """
        assert self.norm is not None
        values = x.detach().float()
        mean, variance = values.mean((0, 2, 3)), values.var((0, 2, 3), unbiased=False)
        self.norm.running_mean.copy_(mean)
        self.norm.running_var.copy_(variance)
        if self.folded:
            self.norm.weight.data.copy_((variance + EPSILON).sqrt())
            self.norm.bias.data.add_(mean)

    def fold(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Weight and bias without a norm, float32."""
        weight = self.conv.weight.detach().float()
        if self.norm is None:
            return weight, self.conv.bias.detach().float()
        gain = self.norm.weight.detach() / (self.norm.running_var + EPSILON).sqrt()
        return weight * gain[:, None, None, None], self.norm.bias.detach() - self.norm.running_mean * gain


class Network(nn.Module):
    """(n, h, w, 3) uint8 RGB, sides multiples of 32, to the logits (n, cells, labels) and boxes (n, cells, 4) of all
    levels: left, top, right, bottom in pixels."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        self._reach = reach(architecture.layers)
        self._wanted = architecture.predictions
        self.parts = nn.ModuleDict(
            {_key(conv.name): Normed(conv, conv.name not in architecture.kept) for conv in architecture.convolutions}
        )
        self.register_buffer("mean", torch.tensor(architecture.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(architecture.deviation).view(1, 3, 1, 1), persistent=False)
        for conv in architecture.convolutions:
            if conv.name in architecture.kept:
                self.part(conv.name).requires_grad_(False)

    def part(self, name: str) -> Normed:
        """The convolution of that name."""
        found: Normed = self.parts[_key(name)]
        return found

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        maps = self.maps(images)
        logits, boxes = [], []
        for level in self.architecture.levels:
            score = maps[level.classes].float() + maps[level.objectness].float()
            logits.append(score.flatten(2).transpose(1, 2))
            boxes.append(_decoded(maps[level.box].float(), level.stride))
        return torch.cat(logits, 1), torch.cat(boxes, 1)

    def maps(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """The outputs of the last convolutions, by name."""
        image = images.permute(0, 3, 1, 2).float()
        image = ((image - self.mean) / self.deviation).contiguous(memory_format=torch.channels_last)
        seen, found = {IMAGE: image}, {}
        for at, layer in enumerate(self.architecture.layers):
            seen[layer.name] = self._run(layer, seen)
            if layer.name in self._wanted:
                found[layer.name] = seen[layer.name]
            seen = {name: value for name, value in seen.items() if self._reach.get(name, -1) > at}
        return found

    def _run(self, layer: Layer, seen: dict[str, torch.Tensor]) -> torch.Tensor:
        if isinstance(layer, Conv):
            with torch.set_grad_enabled(torch.is_grad_enabled() and layer.name not in self.architecture.kept):
                return self.part(layer.name)(seen[layer.source])
        if isinstance(layer, Pool):
            return functional.max_pool2d(seen[layer.source], layer.kernel, layer.stride, layer.kernel // 2)
        if isinstance(layer, Enlarge):
            return functional.interpolate(seen[layer.source], scale_factor=2, mode="nearest")
        if isinstance(layer, Join):
            return torch.cat([seen[name] for name in layer.sources], 1)
        one, other = (seen[name] for name in layer.sources)
        return functional.relu(one + other) if layer.act is Act.RELU else one + other

    def measure(self, images: torch.Tensor) -> None:
        """Give every batch norm the statistics of these images, leaving what the network computes as it is."""
        norms = [part for part in self.parts.values() if part.norm is not None]
        self.eval()
        for part in norms:
            part.measuring = True
        with torch.no_grad():
            self.maps(images)
        for part in norms:
            part.measuring = False

    def folded(self) -> dict[str, npt.NDArray[np.float32]]:
        """Every convolution's `NAME.weight` and `NAME.bias`, norms folded in."""
        found = {}
        for conv in self.architecture.convolutions:
            weight, bias = self.part(conv.name).fold()
            found[f"{conv.name}.weight"] = weight.contiguous().numpy().copy()
            found[f"{conv.name}.bias"] = bias.numpy().copy()
        return found


def built(architecture: Architecture, weights: Mapping[str, npt.NDArray[np.float32]]) -> Network:
    """With `weights` (folded) where there are some, else from torch's chance; to be measured before it is trained."""
    network = Network(architecture)
    for conv in architecture.convolutions:
        part = network.part(conv.name)
        if f"{conv.name}.weight" in weights:
            part.take(*(torch.from_numpy(weights[f"{conv.name}.{kind}"]) for kind in ("weight", "bias")))
        else:
            part.folded = False
            _from_chance(part)
    for level in architecture.levels:
        if f"{level.objectness}.weight" not in weights:
            nn.init.constant_(network.part(level.objectness).conv.bias, _RARE)
        nn.init.normal_(network.part(level.classes).conv.weight, 0, 0.01)
        nn.init.zeros_(network.part(level.classes).conv.bias)
        if f"{level.box}.weight" not in weights:
            network.part(level.box).conv.bias.data.copy_(torch.tensor(_FIRST_BOX))
    network.to(memory_format=torch.channels_last)
    return network


_RARE = -8.0
"""The logit of 0.0003: nearly all cells are background, and a few objects stand against thousands of them."""
_FIRST_BOX = (0.5, 0.5, 1.4, 1.4)
"""Centred, four cells wide and high."""


def _from_chance(part: Normed) -> None:
    if part.norm is None:
        nn.init.normal_(part.conv.weight, 0, 0.01)
        nn.init.zeros_(part.conv.bias)
    else:
        nn.init.kaiming_normal_(part.conv.weight, nonlinearity="relu")


def _decoded(box: torch.Tensor, stride: int) -> torch.Tensor:
    """(n, 4, rows, columns) of a level to (n, cells, 4)."""
    rows, columns = box.shape[2:]
    down, right = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    x, y = box[:, 0] + right, box[:, 1] + down
    half = box[:, 2:].clamp(-8, 8).exp() / 2
    corners = torch.stack([x - half[:, 0], y - half[:, 1], x + half[:, 0], y + half[:, 1]], -1)
    return corners.flatten(1, 2) * stride


def _key(name: str) -> str:
    return name.replace(".", "/")
