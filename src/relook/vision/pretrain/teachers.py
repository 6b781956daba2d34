"""The network to learn from, and whether a student can."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from relook.vision.backbones import Layer, WeightsError
from relook.vision.pretrain.recipe import PretrainError
from relook.vision.weight_files import understand

WANTED = {8: 128, 16: 256}
"""Stride of a layer and the channels that the student's heads have there."""


@dataclass(frozen=True, slots=True)
class TeacherFile:
    """An ONNX graph whose `layers`, of strides 8 and 16, have the channels of WANTED."""

    name: str
    onnx: bytes = field(repr=False)
    layers: tuple[Layer, ...]
    sha256: str
    """Of the file as it was given."""

    @property
    def outputs(self) -> tuple[str, str]:
        """Of stride 8 and of stride 16."""
        fine, coarse = self.layers
        return fine.output, coarse.output


def read(file: Path) -> TeacherFile:
    """The teacher in `file`: ONNX, or safetensors of a ResNet-18. Raises PretrainError where it cannot be one."""
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise PretrainError(f"the teacher {file} cannot be read: {error.strerror}; name an ONNX file") from error
    try:
        onnx, layers = understand(raw, file.name)
    except WeightsError as error:
        raise PretrainError(f"no teacher: {error}") from error
    if {layer.stride: layer.channels for layer in layers} != WANTED:
        there = ", ".join(f"{layer.output}: stride {layer.stride}, {layer.channels} channels" for layer in layers)
        wanted = " and ".join(f"stride {stride} with {channels} channels" for stride, channels in WANTED.items())
        raise PretrainError(
            f"{file.name} is no teacher for this student: it must output feature maps of {wanted}, as a ResNet-18's "
            f"layer2 and layer3 are; it has {there}"
        )
    return TeacherFile(file.name, onnx, layers, hashlib.sha256(raw).hexdigest())
