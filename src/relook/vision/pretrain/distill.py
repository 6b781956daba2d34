"""Distillation: the student learns to give the teacher's features on generated pictures (after Hinton et al., 2015)."""

from __future__ import annotations

import io
import math
import pickle
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from relook.vision import runtime
from relook.vision.graph import DEVIATION, MEAN
from relook.vision.pretrain.recipe import PretrainError, Recipe, Stopped
from relook.vision.pretrain.student import Student, averaged
from relook.vision.quiet_openvino import ov

CROP = 224
CROPS = (160, 224, 224, 288)
"""Sides cut out of a picture, then brought to CROP: the same things at several sizes."""
CHECKPOINT_STEPS = 250
_PROBED, _PROBES = 512, 16
"""Crops, and batches at most, that the deviations are taken from."""


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


def use_threads(count: int) -> None:
    """Of torch in this process. The order of sums depends on it, and with it the last bits of what is learnt."""
    torch.set_num_threads(count)


def distill(
    pool: npt.NDArray[np.uint8],
    teacher: Callable[[torch.Tensor], list[torch.Tensor]],
    recipe: Recipe,
    checkpoint: Path,
    progress: Callable[[int, float], None],
    stop: Callable[[], bool] = lambda: False,
    source: str = "",
) -> Distilled:
    """The averaged student's state. Goes on from `checkpoint` where one is there, to the same outcome.

    `progress` is given the steps done and the part of the teacher's variance that the student does not explain.
    `source` names teacher and pictures, in words that differ where these do. When `stop` says so, the checkpoint is
    written and Stopped raised. Raises PretrainError when the checkpoint is another run's, OSError where the disk fails.
    """
    run = _Run(pool, teacher, recipe, checkpoint, source)
    run.restore()
    while run.done < recipe.steps:
        if stop():
            run.save()
            raise Stopped(f"stopped after {run.done} of {recipe.steps} steps; {checkpoint} keeps them")
        run.step()
        if run.done % CHECKPOINT_STEPS == 0 or run.done == recipe.steps:
            run.save()
        progress(run.done, run.smooth)
    return Distilled(run.slow, run.seconds)


@dataclass(frozen=True, slots=True)
class Distilled:
    """What comes of a run."""

    state: dict[str, torch.Tensor]
    """The student's running average."""
    seconds: float
    """Spent on steps, those before a restart included."""


class _Run:
    """Student, optimiser and average, from step to step."""

    def __init__(
        self,
        pool: npt.NDArray[np.uint8],
        teacher: Callable[[torch.Tensor], list[torch.Tensor]],
        recipe: Recipe,
        checkpoint: Path,
        source: str,
    ) -> None:
        torch.manual_seed(recipe.seed)
        self._recipe, self._teacher, self._checkpoint = recipe, teacher, checkpoint
        self._identity = {"recipe": asdict(recipe), "source": source}
        self._batches = Batches(pool, recipe.batch)
        self._student = Student(recipe.width).to(memory_format=torch.channels_last)
        self._scale = self._deviations()
        self._optimiser = torch.optim.AdamW(self._student.parameters(), recipe.rate, weight_decay=recipe.decay)
        self.slow = {name: value.detach().clone() for name, value in self._student.state_dict().items()}
        self.done = 0
        self.smooth = math.nan
        self.seconds = 0.0

    def step(self) -> None:
        """One batch, one move."""
        begin = time.monotonic()
        for group in self._optimiser.param_groups:
            group["lr"] = _rate(self._recipe, self.done)
        loss = self._loss(self._batches.at(self._recipe.seed, self.done))
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._optimiser.step()
        averaged(self.slow, self._student, min(self._recipe.keep, 1 - 1 / (self.done + 2)))
        now = float(loss.detach())
        self.smooth = now if math.isnan(self.smooth) else 0.98 * self.smooth + 0.02 * now
        self.done += 1
        self.seconds += time.monotonic() - begin

    def save(self) -> None:
        """Whole or not at all. Through memory: torch's own writing tells of a full disk in riddles."""
        content = io.BytesIO()
        torch.save(
            {
                **self._identity,
                "student": self._student.state_dict(),
                "optimiser": self._optimiser.state_dict(),
                "slow": self.slow,
                "step": self.done,
                "smooth": self.smooth,
                "seconds": self.seconds,
            },
            content,
        )
        part = self._checkpoint.with_suffix(".part")
        part.write_bytes(content.getbuffer())
        part.replace(self._checkpoint)

    def restore(self) -> None:
        """Take over the checkpoint, if there is one."""
        if not self._checkpoint.exists():
            return
        saved = _loaded(self._checkpoint)
        told = {key: saved.get(key) for key in self._identity}
        if told != self._identity:
            raise PretrainError(
                f"{self._checkpoint} is of another run ({_differences(told, self._identity)}); give what it was made "
                "with, delete it, or name another folder"
            )
        self._student.load_state_dict(saved["student"])
        self._optimiser.load_state_dict(saved["optimiser"])
        self.slow, self.done = saved["slow"], saved["step"]
        self.smooth, self.seconds = saved["smooth"], saved["seconds"]

    def _loss(self, images: torch.Tensor) -> torch.Tensor:
        wanted = self._teacher(images)
        with torch.autocast("cpu", torch.bfloat16):
            given = self._student(images.to(memory_format=torch.channels_last))
        parts = (
            _unexplained(out.float(), want, dev) for out, want, dev in zip(given, wanted, self._scale, strict=True)
        )
        return sum(parts, torch.zeros(())) / 2

    def _deviations(self) -> list[torch.Tensor]:
        """Each layer's, from batches that lie beyond every step."""
        batches = range(min(_PROBES, max(1, _PROBED // self._recipe.batch)))
        seen = (self._teacher(self._batches.at(self._recipe.seed, 2**20 - 1 - at)) for at in batches)
        return [_deviations(each) for each in zip(*seen, strict=True)]


def _loaded(checkpoint: Path) -> dict[str, Any]:
    try:
        saved = torch.load(checkpoint, weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError, KeyError) as error:
        raise PretrainError(f"{checkpoint} is no checkpoint, or a damaged one; delete it to start anew") from error
    if not isinstance(saved, dict):
        raise PretrainError(f"{checkpoint} is no checkpoint; delete it to start anew")
    return saved


def _differences(told: dict[str, Any], wanted: dict[str, Any]) -> str:
    """Such as "steps 7000, not 9000"."""
    before, now = ({**(each["recipe"] or {}), "source": each["source"]} for each in (told, wanted))
    return ", ".join(f"{key} {before.get(key)}, not {value}" for key, value in now.items() if before.get(key) != value)


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
