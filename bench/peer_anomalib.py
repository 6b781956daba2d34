"""anomalib's PatchCore behind the line protocol of `bench.contender`. Run by `.cache/anomalib`'s Python, not by ours.

    peer_anomalib.py JOB

JOB is a JSON file with `training` (paths), `weights` (.npz of ResNet-18's convolutions, batch norm folded in),
`height`, `width`, `threads`, `seed`, `folder` and `load`: empty to fit, answer with the module fitted, and leave
`model.pt` and `model.xml` in the folder; the path of one of these to answer with anomalib's own inferencer for it.

Nothing is downloaded: the network is timm's, made without weights, and is given ours.
"""

from __future__ import annotations

import json
import os
import random
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image


def declare_operators() -> None:
    """The torchvision of package indexes looks for CUDA operators that a CPU torch lacks, and fails to import."""
    for name in ("nms", "qnms"):
        torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def give_weights(network: torch.nn.Module, weights: dict[str, np.ndarray]) -> None:
    """Put ours into timm's ResNet-18: each convolution gets its bias, each batch norm, folded into it, goes."""
    left = set(weights)
    for name, module in list(network.named_modules()):
        parent = network.get_submodule(name.rpartition(".")[0])
        last = name.rpartition(".")[2]
        if isinstance(module, torch.nn.BatchNorm2d):
            setattr(parent, last, torch.nn.Identity())
        elif isinstance(module, torch.nn.Conv2d):
            conv = torch.nn.Conv2d(
                module.in_channels, module.out_channels, module.kernel_size, module.stride, module.padding
            )
            with torch.no_grad():
                conv.weight.copy_(torch.from_numpy(weights[f"{name}.weight"]))
                conv.bias.copy_(torch.from_numpy(weights[f"{name}.bias"]))
            setattr(parent, last, conv)
            left -= {f"{name}.weight", f"{name}.bias"}
    if left:
        raise ValueError(f"no convolution took {sorted(left)}")


def fit(job: dict[str, Any]) -> Any:
    """The Lightning module with its memory bank, for evaluation. Lightning's own engine is left out: it only costs."""
    from anomalib.data.utils import read_image
    from anomalib.models import Patchcore

    preparing = Patchcore.configure_pre_processor((job["height"], job["width"]))
    patchcore = Patchcore(backbone="resnet18", pre_trained=False, pre_processor=preparing)
    give_weights(patchcore.model.feature_extractor.feature_extractor, dict(np.load(job["weights"])))
    patchcore.model.train()
    patchcore.model.feature_extractor.eval()
    with torch.no_grad():
        for path in job["training"]:
            patchcore.model(preparing.transform(read_image(path, as_tensor=True)[None]))
        patchcore.fit()
    return patchcore.eval()


class Bare(torch.nn.Module):
    """Preparation and model without the post-processor, which has no thresholds as nothing was validated."""

    def __init__(self, patchcore: Any) -> None:
        super().__init__()
        self.pre_processor, self.model = patchcore.pre_processor, patchcore.model

    def forward(self, image: torch.Tensor) -> Any:
        return self.model(self.pre_processor(image))


def export(patchcore: Any, job: dict[str, Any]) -> None:
    """`model.pt` and `model.xml` in the job's folder, for anomalib's inferencers."""
    import openvino as ov

    class Outputs(Bare):
        def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            found = super().forward(image)
            return found.pred_score, found.anomaly_map

    folder = Path(job["folder"])
    torch.save({"model": Bare(patchcore)}, folder / "model.pt")
    with Image.open(job["training"][0]) as picture:
        example = torch.zeros(1, 3, picture.height, picture.width)
    with torch.no_grad():
        model = ov.convert_model(Outputs(patchcore), example_input=example)
    for output, name in zip(model.outputs, ("pred_score", "anomaly_map"), strict=True):
        output.get_tensor().set_names({name})
    ov.save_model(model, folder / "model.xml", compress_to_fp16=False)


def fitted(patchcore: Any) -> Callable[[str], Any]:
    from anomalib.data.utils import read_image

    def predict(path: str) -> Any:
        with torch.inference_mode():
            return patchcore.model(patchcore.pre_processor.transform(read_image(path, as_tensor=True)[None]))

    return predict


def inferencer(file: Path, threads: int) -> Callable[[str], Any]:
    """anomalib's own for the file's kind."""
    from anomalib.deploy import OpenVINOInferencer, TorchInferencer

    os.environ["TRUST_REMOTE_CODE"] = "1"  # model.pt is a file that this script wrote
    config = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"}
    pickled = file.suffix == ".pt"
    loaded = TorchInferencer(file, device="cpu") if pickled else OpenVINOInferencer(file, "CPU", config)
    predict: Callable[[str], Any] = loaded.predict
    return predict


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    answers, sys.stdout = sys.stdout, sys.stderr  # whatever the libraries print is no answer
    os.chdir(job["folder"])  # OpenVINOInferencer leaves its cache where it runs
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: job["threads"]])  # as ours
    torch.set_num_threads(job["threads"])
    torch.set_num_interop_threads(1)
    for seed in (torch.manual_seed, np.random.seed, random.seed):  # its coreset's random projection uses numpy's
        seed(job["seed"])
    declare_operators()
    import anomalib

    began = time.perf_counter()
    if job["load"]:
        predict = inferencer(Path(job["load"]), job["threads"])
        say(answers, load_seconds=time.perf_counter() - began)
    else:
        patchcore = fit(job)
        seconds = time.perf_counter() - began
        bank = list(patchcore.model.memory_bank.shape)
        say(answers, fit_seconds=seconds, version=anomalib.__version__, bank=bank)
        export(patchcore, job)
        predict = fitted(patchcore)
    for number, line in enumerate(sys.stdin):
        order = json.loads(line)
        began = time.perf_counter()
        found = predict(order["image"])
        milliseconds = 1000 * (time.perf_counter() - began)
        heat = ""
        if order["heat"]:
            heat = str(Path(job["folder"]) / f"heat-{number}.npy")
            np.save(heat, np.asarray(found.anomaly_map, np.float32).squeeze())
        score = float(np.asarray(found.pred_score).squeeze())
        say(answers, score=score, milliseconds=milliseconds, heat=heat)


def say(answers: Any, **content: Any) -> None:
    peak = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
    print(json.dumps(content | {"peak_mib": peak}), file=answers, flush=True)


if __name__ == "__main__":
    main()
