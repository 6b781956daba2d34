"""Distillation: the student learns to give the teacher's features on generated pictures (after Hinton et al., 2015)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from relook.vision import runtime
from relook.vision.graph import DEVIATION, MEAN
from relook.vision.pretrain.recipe import Recipe
from relook.vision.pretrain.student import Student, averaged
from relook.vision.quiet_openvino import ov

CROP = 224
CROPS = (160, 224, 224, 288)
"""Sides cut out of a picture, then brought to CROP: the same things at several sizes."""
CHECKPOINT_STEPS = 250
_PROBED = 512


class Teacher:
    """Layers of an ONNX network in OpenVINO: (n, 3, CROP, CROP) normalised to features, float32."""

    def __init__(self, onnx: bytes, outputs: tuple[str, str], batch: int, threads: int) -> None:
        model = runtime.read(onnx)
        model.reshape([batch, 3, CROP, CROP])
        self._request = runtime.compile_model(model, runtime.native_precision(), threads).create_infer_request()
        self._outputs = outputs

    def __call__(self, images: torch.Tensor) -> list[torch.Tensor]:
        self._request.infer([ov.Tensor(images.contiguous().numpy())])
        return [torch.from_numpy(self._request.get_tensor(name).data.copy()) for name in self._outputs]


class Batches:
    """Endless seeded batches of crops from `pool` (pictures, side, side, 3), normalised as ImageNet's."""

    def __init__(self, pool: npt.NDArray[np.uint8], batch: int) -> None:
        self._pool = pool
        self._batch = batch

    def at(self, seed: int, step: int) -> torch.Tensor:
        """The batch of one step: it depends on nothing but the arguments."""
        rng = np.random.default_rng([seed, 3, step])
        count, side = self._pool.shape[:2]
        crop = int(rng.choice(CROPS))
        crops = np.empty((self._batch, crop, crop, 3), np.uint8)
        for row, at in enumerate(rng.integers(0, count, self._batch)):
            y, x = rng.integers(0, side - crop + 1, 2)
            cut = np.rot90(self._pool[at, y : y + crop, x : x + crop], int(rng.integers(4)))
            crops[row] = cut[:, ::-1] if rng.random() < 0.5 else cut
        images = torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255
        images = self._coloured(images, rng)
        if crop != CROP:
            images = functional.interpolate(images, (CROP, CROP), mode="bilinear", antialias=crop > CROP)
        if rng.random() < 0.3:
            images = self._pasted(images, rng)
        mean, deviation = torch.tensor(MEAN).view(1, 3, 1, 1), torch.tensor(DEVIATION).view(1, 3, 1, 1)
        return ((images - mean) / deviation).contiguous()

    def _coloured(self, images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        gain = torch.from_numpy(np.exp(rng.normal(0, 0.15, (self._batch, 3, 1, 1))).astype(np.float32))
        lift = torch.from_numpy(rng.normal(0, 0.08, (self._batch, 1, 1, 1)).astype(np.float32))
        images = (images * gain + lift).clamp(0, 1)
        return images[:, torch.from_numpy(rng.permutation(3))] if rng.random() < 0.3 else images

    def _pasted(self, images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        """A box of every image comes from its neighbour: borders between things that do not belong together."""
        h, w = (int(v) for v in rng.integers(CROP // 4, 3 * CROP // 4, 2))
        y, x = int(rng.integers(0, CROP - h)), int(rng.integers(0, CROP - w))
        images = images.clone()
        images[:, :, y : y + h, x : x + w] = images.roll(1, 0)[:, :, y : y + h, x : x + w]
        return images


def distill(
    pool: npt.NDArray[np.uint8],
    teacher: Callable[[torch.Tensor], list[torch.Tensor]],
    recipe: Recipe,
    checkpoint: Path,
    progress: Callable[[int, float], None],
) -> dict[str, torch.Tensor]:
    """The averaged student's state. Goes on from `checkpoint` where one of the same recipe is there.

    `progress` is given the steps done and the part of the teacher's variance that the student does not explain.
    """
    torch.manual_seed(recipe.seed)
    batches = Batches(pool, recipe.batch)
    student = Student(recipe.width).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    scale = [
        _deviations(each)
        for each in zip(
            *(teacher(batches.at(recipe.seed, -1 - at % 16 + 2**20)) for at in range(_PROBED // recipe.batch)),
            strict=True,
        )
    ]
    optimiser = torch.optim.AdamW(student.parameters(), recipe.rate, weight_decay=recipe.decay)
    slow = {name: value.detach().clone() for name, value in student.state_dict().items()}
    start = 0
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        if saved["recipe"] == asdict(recipe):
            student.load_state_dict(saved["student"])
            optimiser.load_state_dict(saved["optimiser"])
            slow, start = saved["slow"], saved["step"]
    smooth = math.nan
    for step in range(start, recipe.steps):
        for group in optimiser.param_groups:
            group["lr"] = _rate(recipe, step)
        images = batches.at(recipe.seed, step)
        wanted = teacher(images)
        with torch.autocast("cpu", torch.bfloat16):
            given = student(images.to(memory_format=torch.channels_last))
        loss = (
            sum(
                (_unexplained(out.float(), want, dev) for out, want, dev in zip(given, wanted, scale, strict=True)),
                torch.zeros(()),
            )
            / 2
        )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        averaged(slow, student, min(recipe.keep, 1 - 1 / (step + 2)))
        now = float(loss.detach())
        smooth = now if math.isnan(smooth) else 0.98 * smooth + 0.02 * now
        if (step + 1) % CHECKPOINT_STEPS == 0 or step + 1 == recipe.steps:
            saved = {
                "recipe": asdict(recipe),
                "student": student.state_dict(),
                "optimiser": optimiser.state_dict(),
                "slow": slow,
                "step": step + 1,
            }
            torch.save(saved, checkpoint.with_suffix(".part"))
            checkpoint.with_suffix(".part").replace(checkpoint)
        progress(step + 1, smooth)
    return slow


def _deviations(features: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """(1, channels, 1, 1) of the teacher's, with a floor so that a channel that is nearly silent does not rule."""
    deviation = torch.cat(features).std((0, 2, 3), keepdim=True)
    return deviation.clamp_min(0.1 * float(deviation.median()))


def _unexplained(given: torch.Tensor, wanted: torch.Tensor, deviation: torch.Tensor) -> torch.Tensor:
    """Squared error in units of each channel's variance: 1 for a student that always says the mean."""
    return ((given - wanted) / deviation).square().mean()


def _rate(recipe: Recipe, step: int) -> float:
    """Warmed up, then falling along a half cosine to a hundredth."""
    rise = min(1.0, (step + 1) / recipe.warm_up)
    fall = 0.5 * (1 + math.cos(math.pi * step / recipe.steps))
    return recipe.rate * rise * (0.01 + 0.99 * fall)
