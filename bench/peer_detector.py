"""YOLOX-tiny of pixeltable-yolox, trained and asked. Run by `.cache/peer-detector`'s Python, not by ours.

    peer_detector.py JOB

JOB is a JSON file with `labels` (how many), `training` (`image`, a path, and `boxes`: left, top, right, bottom, label),
`test` (paths), `sizes` ([height, width] to answer at, the first the usual one), `seconds`, `steps` (0: as many as there
is time for), `short` (whether this CPU computes in bfloat16) and `seed`. The last line printed is JSON: steps, seconds,
parameters, and the answers at each size.

Network, loss, optimiser, schedule, average, pictures made for training and the choice among boxes are the library's,
as its configuration for YOLOX-tiny says, but for the rate (RATE). The loop is ours, since the library's needs CUDA.
Nothing is downloaded: the network starts from random weights. Needs no torchvision: see `stand_in`.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import torch

BATCH = 4
RATE = 0.01
"""For a batch. The published one is this for 64 images, meant for 300 passes through COCO; see the bench's notes."""
CELL = 32
RESIZED_EVERY = 10
SPENT = 0.97
"""Of the time, after which the network as it is answers."""
EPOCHS = 300
"""The library's; its schedule of so many is stretched over the time."""
GRAIN = 1000
WARM_UP, ROUNDS = 2, 3
"""Of the times: images not counted, and passes over all images."""


def stand_in() -> None:
    """yolox imports torchvision, which on a CPU torch cannot be, for these two functions. Here they are OpenCV's."""

    def batched_nms(boxes: Any, scores: Any, labels: Any, overlap: float) -> Any:
        sides = torch.cat([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1).tolist()
        kept = cv2.dnn.NMSBoxesBatched(sides, scores.tolist(), labels.long().tolist(), 0.0, overlap)
        return torch.as_tensor(np.array(kept, np.int64).reshape(-1))

    def nms(boxes: Any, scores: Any, overlap: float) -> Any:
        return batched_nms(boxes, scores, torch.zeros(len(boxes)), overlap)

    whole, part = ModuleType("torchvision"), ModuleType("torchvision.ops")
    vars(part).update(nms=nms, batched_nms=batched_nms)
    vars(whole).update(ops=part)
    sys.modules.update({"torchvision": whole, "torchvision.ops": part})


def configuration(job: dict[str, Any]) -> Any:
    """Of YOLOX-tiny, for the job's labels and its first size."""
    from yolox.config import YoloxConfig

    config = YoloxConfig.get_named_config("yolox_tiny")
    config.num_classes = job["labels"]
    config.input_size = config.test_size = tuple(job["sizes"][0])
    config.basic_lr_per_img = RATE / BATCH
    return config


def pictures(job: dict[str, Any], config: Any) -> Any:
    """What training sees: the library's mosaics, turned, scaled, mirrored and coloured; by (mosaic, position)."""
    from yolox.data import MosaicDetection, TrainTransform
    from yolox.data.datasets import Dataset

    class Given(Dataset):  # type: ignore[misc]
        """The library reads COCO's and VOC's folders; this is what it asks of either."""

        def __init__(self) -> None:
            super().__init__(config.input_size)
            self.images = [cv2.imread(each["image"]) for each in job["training"]]
            self.boxes = [np.array(each["boxes"], np.float64).reshape(-1, 5) for each in job["training"]]

        def __len__(self) -> int:
            return len(self.images)

        def load_anno(self, index: int) -> Any:
            return self.boxes[index].copy()

        def pull_item(self, index: int) -> tuple[Any, Any, Any, int]:
            image = self.images[index]
            return image.copy(), self.boxes[index].copy(), image.shape[:2], index

    return MosaicDetection(
        Given(),
        img_size=config.input_size,
        preproc=TrainTransform(max_labels=120, flip_prob=config.flip_prob, hsv_prob=config.hsv_prob),
        degrees=config.degrees,
        translate=config.translate,
        mosaic_scale=config.mosaic_scale,
        shear=config.shear,
        enable_mixup=config.enable_mixup,
        mosaic_prob=config.mosaic_prob,
    )


def loss_of(network: Any, images: Any, truths: Any, short: bool) -> Any:
    """In bfloat16 where `short`, but for boxes and scores: coordinates need more digits than that has."""
    with torch.autocast("cpu", torch.bfloat16, enabled=short):
        maps = [each.float() for each in network.backbone(images)]
        return network.head(maps, truths, images)[0]


def faster_short(network: Any, images: Any, truths: Any) -> bool:
    """Whether bfloat16 makes a step faster, which hangs on the CPU and on the numbers of channels."""
    spans = {}
    for short in (False, True) * 2:
        began = time.perf_counter()
        loss_of(network, images, truths, short).backward()
        spans[short] = time.perf_counter() - began
    return spans[True] < spans[False]


def built(config: Any) -> Any:
    """The network, whose predictions leave bfloat16."""
    network = config.get_model()
    for part in (network.head.reg_preds, network.head.obj_preds, network.head.cls_preds):
        for each in part:
            each.register_forward_hook(lambda module, given, found: found.float())
    return network


def train(job: dict[str, Any], config: Any, began: float) -> tuple[Any, int, bool]:
    """The averaged network, the steps taken, and whether in bfloat16. The library's schedule follows the part of the
    time that is spent."""
    from yolox.utils import ModelEMA

    network, short = built(config), bool(job["short"])
    optimiser = config.get_optimizer(BATCH)
    average = ModelEMA(network, 0.9998)
    schedule = config.get_lr_scheduler(RATE, GRAIN)
    plain_from = 1 - config.no_aug_epochs / EPOCHS
    data = pictures(job, config)
    order: list[int] = []
    size, step, done = config.input_size, 0, 0.0
    while done < 1:
        plain = done >= plain_from
        network.head.use_l1 = plain
        order += random.sample(range(len(data)), len(data)) if len(order) < BATCH else []
        made = [data[not plain, order.pop()] for _ in range(min(BATCH, len(order)))]
        images, truths = (torch.from_numpy(np.stack([each[at] for each in made])) for at in range(2))
        images, truths = config.preprocess(images, truths, size)
        for group in optimiser.param_groups:
            group["lr"] = schedule.update_lr(done * EPOCHS * GRAIN)
        if not step:
            short = short and faster_short(network, images, truths)
        loss = loss_of(network, images, truths, short)
        if not torch.isfinite(loss):
            raise SystemExit(f"the peer's loss at step {step} is {loss.item()}: it did not learn")
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        average.update(network)
        step += 1
        done = step / job["steps"] if job["steps"] else (time.monotonic() - began) / (SPENT * job["seconds"])
        if step % RESIZED_EVERY == 0:
            size = resized(config)
            tell(f"step {step}, {100 * done:.0f} %, loss {loss.item():.2f}")
    return average.ema.eval(), step, short


def resized(config: Any) -> tuple[int, int]:
    """Another size to train at: the library's range for YOLOX-tiny, in the shape of the first."""
    cells = [side // CELL for side in config.input_size]
    scale = random.randint(*config.random_size) / max(cells)
    return CELL * max(1, round(cells[0] * scale)), CELL * max(1, round(cells[1] * scale))


def asked(config: Any, size: Sequence[int], run: Callable[[Any], Any], path: str) -> list[list[float]]:
    """Left, top, right, bottom, score and label of each box, from the file's bytes."""
    from yolox.data import ValTransform
    from yolox.utils import postprocess

    image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    scale = min(size[0] / image.shape[0], size[1] / image.shape[1])
    said = run(torch.from_numpy(ValTransform()(image, None, size)[0])[None])
    [found] = postprocess(said, config.num_classes, config.test_conf, config.nmsthre)
    if found is None:
        return []
    height, width = image.shape[:2]
    corners = (found[:, :4] / scale).clamp(min=0).minimum(torch.tensor([width, height] * 2))
    sure, label = found[:, 4:5] * found[:, 5:6], found[:, 6:]
    boxes: list[list[float]] = torch.cat([corners, sure, label], 1).tolist()
    return boxes


def compiled(network: Any, size: Sequence[int]) -> Callable[[Any], Any]:
    """By OpenVINO, for pictures of that size alone, on one thread, in whatever precision it takes by itself."""
    import openvino as ov

    with torch.no_grad():
        graph = ov.convert_model(network, input=[1, 3, *size], example_input=torch.zeros(1, 3, *size))
    wanted = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"}
    model = ov.Core().compile_model(graph, "CPU", wanted)
    return lambda images: torch.from_numpy(model([images.numpy()])[0].copy())


def answers(job: dict[str, Any], config: Any, network: Any) -> list[dict[str, Any]]:
    """At each size: what PyTorch finds, and the median milliseconds of an answer, by it and by OpenVINO."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    found = []
    with torch.inference_mode():
        for size in job["sizes"]:
            boxes = [asked(config, size, network, path) for path in job["test"]]
            times = {"torch_ms": milliseconds(config, size, network, job["test"])}
            with torch.inference_mode(False):
                quick = compiled(network, size)
            times["openvino_ms"] = milliseconds(config, size, quick, job["test"])
            found.append({"size": size, "boxes": boxes} | times)
    return found


def milliseconds(config: Any, size: Sequence[int], run: Callable[[Any], Any], paths: Sequence[str]) -> float:
    spans = []
    for path in [*paths[:WARM_UP], *paths * ROUNDS]:
        began = time.perf_counter()
        asked(config, size, run, path)
        spans.append(1000 * (time.perf_counter() - began))
    return statistics.median(spans[WARM_UP:])


def tell(words: str) -> None:
    print(f"peer: {words}", file=sys.stderr, flush=True)


def main() -> None:
    began = time.monotonic()
    job = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    report, sys.stdout = sys.stdout, sys.stderr  # whatever the libraries print is no answer
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    for seed in (torch.manual_seed, np.random.seed, random.seed):
        seed(job["seed"])
    stand_in()
    config = configuration(job)
    network, steps, short = train(job, config, began)
    seconds = time.monotonic() - began
    found = {
        "version": version("pixeltable-yolox"),
        "parameters": sum(each.numel() for each in network.parameters()),
        "precision": "bf16" if short else "f32",
        "steps": steps,
        "images": steps * BATCH,
        "training_seconds": seconds,
        "answers": answers(job, config, network),
    }
    print(json.dumps(found), file=report, flush=True)


if __name__ == "__main__":
    main()
