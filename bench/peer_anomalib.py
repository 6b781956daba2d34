"""anomalib's PatchCore behind the line protocol of `bench.contender`. Run by `.cache/anomalib`'s Python, not by ours.

    peer_anomalib.py JOB        JOB: a JSON file with `training` (paths), `weights` (.npz of ResNet-18's convolutions,
                                batch norm folded in), `height`, `width`, `threads`, `seed`, `runtime` and `folder`

Nothing is downloaded: the network is timm's, made without weights, and is given ours. `runtime` is `torch` (the model as
it was fitted), `torch inferencer` or `openvino inferencer` (anomalib's own, on what was fitted).
"""

from __future__ import annotations

import json
import os
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
    """The torchvision that package indexes give looks for CUDA operators that a CPU torch lacks, and fails to import."""
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
    """The Lightning module with its memory bank, in evaluation mode. Lightning's own engine is left out: it only costs."""
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


def as_torch(patchcore: Any, job: dict[str, Any]) -> Callable[[str], Any]:
    from anomalib.data.utils import read_image

    def predict(path: str) -> Any:
        with torch.inference_mode():
            return patchcore.model(patchcore.pre_processor.transform(read_image(path, as_tensor=True)[None]))

    return predict


class Bare(torch.nn.Module):
    """Preparation and model without the post-processor, which has no thresholds as nothing was validated."""

    def __init__(self, patchcore: Any) -> None:
        super().__init__()
        self.pre_processor, self.model = patchcore.pre_processor, patchcore.model

    def forward(self, image: torch.Tensor) -> Any:
        return self.model(self.pre_processor(image))


def as_torch_inferencer(patchcore: Any, job: dict[str, Any]) -> Callable[[str], Any]:
    from anomalib.deploy import TorchInferencer

    os.environ["TRUST_REMOTE_CODE"] = "1"  # a file this process wrote
    file = Path(job["folder"]) / "model.pt"
    torch.save({"model": Bare(patchcore)}, file)
    return TorchInferencer(file, device="cpu").predict


def as_openvino_inferencer(patchcore: Any, job: dict[str, Any]) -> Callable[[str], Any]:
    import openvino as ov
    from anomalib.deploy import OpenVINOInferencer

    class Outputs(Bare):
        def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            found = super().forward(image)
            return found.pred_score, found.anomaly_map

    with Image.open(job["training"][0]) as picture:
        example = torch.zeros(1, 3, picture.height, picture.width)
    file = Path(job["folder"]) / "model.xml"
    with torch.no_grad():
        model = ov.convert_model(Outputs(patchcore), example_input=example)
    for output, name in zip(model.outputs, ("pred_score", "anomaly_map"), strict=True):
        output.get_tensor().set_names({name})
    ov.save_model(model, file, compress_to_fp16=False)
    config = {"INFERENCE_NUM_THREADS": job["threads"], "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"}
    return OpenVINOInferencer(file, "CPU", config).predict


RUNTIMES = {
    "torch": as_torch,
    "torch inferencer": as_torch_inferencer,
    "openvino inferencer": as_openvino_inferencer,
}


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    answers, sys.stdout = sys.stdout, sys.stderr  # whatever the libraries print is no answer
    os.chdir(job["folder"])  # OpenVINOInferencer leaves its cache where it runs
    torch.set_num_threads(job["threads"])
    torch.set_num_interop_threads(1)
    torch.manual_seed(job["seed"])
    declare_operators()
    import anomalib

    began = time.perf_counter()
    patchcore = fit(job)
    seconds = time.perf_counter() - began
    bank, peak = list(patchcore.model.memory_bank.shape), peak_mib()
    predict = RUNTIMES[job["runtime"]](patchcore, job)
    say(answers, fit_seconds=seconds, version=anomalib.__version__, bank=bank, peak_mib=peak)
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
        say(answers, score=score, milliseconds=milliseconds, heat=heat, peak_mib=peak_mib())


def say(answers: Any, **content: Any) -> None:
    print(json.dumps(content), file=answers, flush=True)


def peak_mib() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


if __name__ == "__main__":
    main()
