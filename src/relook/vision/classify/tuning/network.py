"""A backbone in torch, up to what a classifier's head sees of it. Imports torch: for a training's process alone.

It computes what `graph.features` and `exporting` put into the served graph; a test holds them together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import nn
from torch.nn import functional

from relook.vision import graph
from relook.vision.backbones import Backbone
from relook.vision.classify.tuning import graphs
from relook.vision.images import Size

FROZEN_STRIDE = 4
"""Convolutions of no larger stride than this stay as they are: edges and colours are the same for every product."""
_PROBE = 64
"""Height and width of the image that tells every tensor's stride."""
_LEAST_VARIANCE = 1e-10
"""Whose root still has a slope."""

Computed = Callable[..., torch.Tensor]


@dataclass(frozen=True, slots=True)
class _Step:
    """One node: what it reads and makes, and how."""

    inputs: tuple[str, ...]
    output: str
    run: Computed
    convolves: bool


class Trunk(nn.Module):
    """uint8 RGB (n, height, width, 3) to (n, 3 * channels): mean, deviation and maximum of each over all patches."""

    def __init__(self, backbone: Backbone, size: Size) -> None:
        """Raises ValueError for a backbone that `graphs.why_not` has something against."""
        super().__init__()
        if (reason := graphs.why_not(backbone)) is not None:
            raise ValueError(f"{backbone.name}: {reason}")
        self._backbone, self._size, self._grid = backbone, size, graph.grid(backbone, size)
        self._model, nodes = graphs.needed(backbone)
        self._source = self._model.graph.input[0].name
        self._steps = [_step(node) for node in nodes]
        self._constants = {
            entry.name: torch.from_numpy(np.array(numpy_helper.to_array(entry)))
            for entry in self._model.graph.initializer
        }
        self._last = self._reach()
        self.free: list[str] = []
        self.learned = nn.ParameterList()
        self._frozen, self.free = self._parted()
        self.learned = nn.ParameterList(self._constants[name] for name in self.free)
        self._mean = 255 * torch.tensor(graph.MEAN)
        self._gain = 1 / (255 * torch.tensor(graph.DEVIATION))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        ready = ((images.float() - self._mean) * self._gain).permute(0, 3, 1, 2)
        rim = graph.REFLECTED
        tensors = {self._source: functional.pad(ready, (rim, rim, rim, rim), mode="reflect")}
        with torch.no_grad():
            tensors = self._run(range(self._frozen), tensors)
        tensors = self._run(range(self._frozen, len(self._steps)), tensors)
        layers = self._backbone.layers
        cells = torch.cat([self._cells(tensors[layer.output].float(), layer.stride) for layer in layers], 1).flatten(2)
        spread = cells.var(2, correction=0)
        return torch.cat([cells.mean(2), (spread + _LEAST_VARIANCE).sqrt(), cells.amax(2)], 1)

    def tuned(self) -> Backbone:
        """The backbone with what was learned."""
        values = dict(zip(self.free, self.learned, strict=True))
        model = onnx.ModelProto()
        model.CopyFrom(self._model)
        for entry in model.graph.initializer:
            if entry.name in values:
                entry.CopyFrom(numpy_helper.from_array(values[entry.name].detach().numpy(), entry.name))
        origin = f"{self._backbone.origin}; fine-tuned"
        return replace(self._backbone, onnx=model.SerializeToString(deterministic=True), origin=origin)

    def _cells(self, output: torch.Tensor, stride: int) -> torch.Tensor:
        """As `graph` does: without the mirrored rim, averaged over 3 x 3 cells, on the common grid."""
        rim, rows, columns = graph.REFLECTED // stride, self._size.height // stride, self._size.width // stride
        inner = output[:, :, rim : rim + rows, rim : rim + columns]
        smooth = functional.avg_pool2d(functional.pad(inner, (1, 1, 1, 1), mode="replicate"), 3, 1)
        grid = (self._grid.height, self._grid.width)
        return smooth if (rows, columns) == grid else functional.interpolate(smooth, grid, mode="bilinear")

    def _reach(self) -> dict[str, int]:
        """For each tensor the place of the last step that reads it, beyond all of them for the layers."""
        found = {name: place for place, step in enumerate(self._steps) for name in step.inputs}
        return found | {layer.output: len(self._steps) for layer in self._backbone.layers}

    def _parted(self) -> tuple[int, list[str]]:
        """How many steps come before the first that learns, and the constants of those that do."""
        made: dict[str, int] = {}
        with torch.no_grad():
            self._run(range(len(self._steps)), {self._source: torch.zeros(1, 3, _PROBE, _PROBE)}, made)
        learns = [step.convolves and made[step.output] * FROZEN_STRIDE < _PROBE for step in self._steps]
        free = [name for step, does in zip(self._steps, learns, strict=True) if does for name in step.inputs[1:]]
        if not any(learns):
            raise RuntimeError("none of its convolutions comes late enough to be fine-tuned")
        return learns.index(True), list(dict.fromkeys(free))

    def _run(
        self, places: range, tensors: dict[str, torch.Tensor], heights: dict[str, int] | None = None
    ) -> dict[str, torch.Tensor]:
        """What the steps at these places make of `tensors`, less what no later one reads."""
        constants = self._constants | dict(zip(self.free, self.learned, strict=True))
        for place in places:
            step = self._steps[place]
            made = step.run(
                *((tensors[name] if name in tensors else constants[name]) if name else None for name in step.inputs)
            )
            if heights is not None:
                heights[step.output] = made.shape[2]
            tensors = {name: value for name, value in tensors.items() if self._last[name] > place}
            tensors[step.output] = made
        return tensors


def _step(node: onnx.NodeProto) -> _Step:
    told = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    return _Step(tuple(node.input), node.output[0], _OPERATORS[node.op_type](told), node.op_type == "Conv")


def _convolution(told: dict[str, Any]) -> Computed:
    stride, pad = _pair(told, "strides", 1), _pair(told, "pads", 0)
    dilation, groups = _pair(told, "dilations", 1), int(told.get("group", 1))

    def run(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
        return functional.conv2d(x, weight, bias, stride, pad, dilation, groups)

    return run


def _pooling(told: dict[str, Any]) -> Computed:
    kernel, stride, pad = _pair(told, "kernel_shape", 1), _pair(told, "strides", 1), _pair(told, "pads", 0)
    return lambda x: functional.max_pool2d(x, kernel, stride, pad)


def _pair(told: dict[str, Any], name: str, otherwise: int) -> tuple[int, int]:
    """For rows and columns; of pads the first two, which are as the last two."""
    first, second, *_ = told.get(name, (otherwise, otherwise))
    return int(first), int(second)


_OPERATORS: dict[str, Callable[[dict[str, Any]], Computed]] = {
    "Add": lambda told: torch.add,
    "Clip": lambda told: lambda x, low=None, high=None: torch.clamp(x, low, high),
    "Conv": _convolution,
    "Identity": lambda told: lambda x: x,
    "MaxPool": _pooling,
    "Relu": lambda told: functional.relu,
}
assert set(_OPERATORS) == set(graphs.OPERATORS)
