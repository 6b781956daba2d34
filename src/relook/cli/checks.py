"""What `relook doctor` looks at: one function per thing, each with what to do where it falls short."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import platform
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path

from relook import control_groups

GIB = 1024**3
_FEATURES = {
    "avx2": "avx2",
    "avx512f": "avx512",
    "avx512_vnni": "avx512-vnni",
    "avx_vnni": "avx-vnni",
    "avx512_bf16": "avx512-bf16",
    "amx_bf16": "amx-bf16",
    "amx_int8": "amx-int8",
    "asimd": "neon",
    "bf16": "bf16",
    "i8mm": "i8mm",
}
"""Flags of /proc/cpuinfo (x86 and Arm) that matter to inference, and what we call them."""


class Status(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """A finding. `advice` says what to do about it, "" when there is nothing to do."""

    name: str
    status: Status
    found: str
    advice: str = ""


def run_checks(data: Path) -> list[Check]:
    """Look at everything, for a server on the data folder `data` (which need not exist)."""
    checks: list[Callable[[], Check]] = [
        python,
        cpu,
        threads,
        memory,
        lambda: runtime(data),
        lambda: weights(data),
        lambda: detectors(data),
        lambda: disk(data),
        lambda: gpu(data),
        lambda: containers(data),
        sandbox,
    ]
    return [check() for check in checks]


def python() -> Check:
    """Only tells: on a Python older than 3.11 this code would not have been installed."""
    return Check("python", Status.OK, f"{platform.python_version()} at {sys.executable}")


def cpu(cpuinfo: Path = Path("/proc/cpuinfo")) -> Check:
    try:
        text = cpuinfo.read_text("utf-8", "replace")
    except OSError as error:
        return Check("cpu", Status.WARN, f"unknown: {error}", "Relook is made for Linux; elsewhere it is untested.")
    model, features = parse_cpuinfo(text)
    found = f"{model} ({', '.join(features) or 'no vector extension known here'})"
    if platform.machine() in {"x86_64", "AMD64"} and "avx2" not in features:
        advice = (
            "Without AVX2 inference is several times slower; in a virtual machine, let the host's CPU flags through."
        )
        return Check("cpu", Status.WARN, found, advice)
    return Check("cpu", Status.OK, found)


def parse_cpuinfo(text: str) -> tuple[str, list[str]]:
    """The model's name and those of its features that matter here."""
    model = re.search(r"^(?:model name|Model|cpu model)\s*:\s*(.+)$", text, re.MULTILINE)
    flags = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", text, re.MULTILINE)
    present = set(flags[1].split()) if flags else set()
    name = re.sub(r"\s+", " ", model[1]).strip() if model else platform.machine()
    return name, [ours for flag, ours in _FEATURES.items() if flag in present]


def threads() -> Check:
    usable, quota = len(os.sched_getaffinity(0)), control_groups.cpu_quota()
    found = f"{usable} of {os.cpu_count()} usable"
    if quota is not None:
        found += f", limited to {quota:g} by the control group"
    if min(usable, quota or usable) < 2:
        advice = "Training and hosting share one thread and slow each other down; give it at least two."
        return Check("threads", Status.WARN, found, advice)
    return Check("threads", Status.OK, found)


def memory(meminfo: Path = Path("/proc/meminfo")) -> Check:
    if (amounts := control_groups.free_memory(meminfo)) is None:
        return Check("memory", Status.WARN, f"unknown: {meminfo} does not say", "Have at least 2 GiB free.")
    free, total = amounts
    found = f"{free / GIB:.1f} GiB free of {total / GIB:.1f} GiB"
    if free < GIB // 2:
        return Check(
            "memory", Status.FAIL, found, "A training needs about 1 GiB, a unit 0.3 GiB: free some memory first."
        )
    if free < 2 * GIB:
        return Check("memory", Status.WARN, found, "Enough for one training at a time of small sets; 2 GiB are better.")
    return Check("memory", Status.OK, found)


def runtime(data: Path) -> Check:
    """What computes, and whether new models can have the precision that the settings of `data` name."""
    from relook.settings import SettingsError, load

    try:
        asked = load(data).precision
    except SettingsError as error:
        return _unread("runtime", error)
    try:
        from relook.vision.able import precision_lacks
        from relook.vision.quiet_openvino import ov
        from relook.vision.runtime import Precision, native_precision

        precision = native_precision() if asked == "auto" else Precision(asked)
        why = precision_lacks(precision)
    except (ImportError, RuntimeError) as error:
        return Check("runtime", Status.FAIL, f"OpenVINO cannot be used: {error}", "Install it again: make clean setup")
    version = ov.__version__.split("-")[0]
    found = f"OpenVINO {version} on the CPU"
    if why:
        return Check("runtime", Status.FAIL, f"{found}; new models cannot compute in {precision.value} here", why)
    return Check("runtime", Status.OK, f"{found}; new models compute in {precision.value}")


def weights(data: Path) -> Check:
    from relook.vision.weights import WeightsError, choose

    try:
        backbone = choose(data)
    except WeightsError as error:
        advice = f"See what there is, and choose: relook weights list --data {data}"
        return Check("weights", Status.FAIL, str(error), advice)
    found = f"{backbone.name} ({backbone.origin})"
    if backbone.warning:
        advice = (
            "Accuracy suffers. Install Relook again, or give it an ImageNet ResNet-18: "
            f"relook weights import FILE --data {data}, or relook weights pull --data {data}"
        )
        return Check("weights", Status.WARN, f"{found}: this copy came without weights", advice)
    advice = f"{backbone.hint} Here: relook weights pull --data {data}" if backbone.hint else ""
    return Check("weights", Status.OK, found, advice)


def detectors(data: Path, trainer: str = "torch") -> Check:
    """What training an object detector takes: the package `trainer`, and weights to start from."""
    from relook.vision.detect.library import choose
    from relook.vision.weights import WeightsError

    try:
        start = choose(data)
    except WeightsError as error:
        advice = f"See what there is, and choose: relook weights list --data {data}"
        return Check("detectors", Status.FAIL, str(error), advice)
    found = f"object detectors start from {start.name} ({start.origin})"
    if importlib.util.find_spec(trainer) is None:
        advice = (
            "Training object detectors needs it, and classifiers are fine-tuned with it; all else, trained models "
            "included, does not: "
            "pip install 'relook[train]' (in a clone: make torch)"
        )
        return Check("detectors", Status.WARN, f"no PyTorch; {found}", advice)
    found = f"PyTorch {version(trainer)}; {found}"
    if start.warning:
        advice = f"Accuracy suffers. Fetch the published YOLOX-nano: relook weights pull yolox-nano --data {data}"
        return Check("detectors", Status.WARN, f"{found}: this copy came without weights", advice)
    return Check("detectors", Status.OK, found)


def disk(data: Path) -> Check:
    folder = data.absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    found = f"{free / GIB:.1f} GiB free for {data}"
    if not os.access(folder, os.W_OK):
        return Check("disk", Status.FAIL, f"{folder} cannot be written to", "Name a folder that can: --data DIR")
    if free < GIB:
        return Check(
            "disk", Status.FAIL, found, "Images, models and the database live there: free some, or use --data DIR"
        )
    if free < 5 * GIB:
        return Check("disk", Status.WARN, found, "Enough to begin with; pictures and models add up.")
    return Check("disk", Status.OK, found)


def gpu(data: Path, devices: Path = Path("/dev")) -> Check:
    """Whether there is one, and one can be used where the settings of `data` ask for it."""
    from relook.settings import SettingsError, load

    try:
        asked = load(data).device
    except SettingsError as error:
        return _unread("gpu", error)
    found = sorted(path.name for path in devices.glob("nvidia[0-9]*"))
    named = f"NVIDIA: {', '.join(found)}" if found else "no NVIDIA device"
    if not found and asked != "gpu":
        return Check("gpu", Status.OK, f"{named}; none is needed")
    if asked == "cpu":
        return Check("gpu", Status.OK, f"{named}; models are served on the CPU, as the setting device says")
    from relook.vision.engine import gpu_lacks

    if why := gpu_lacks():
        if asked == "gpu":
            return Check("gpu", Status.FAIL, f"{named}; the setting device is gpu: the server does not start", why)
        return Check("gpu", Status.WARN, f"{named}; models are served on the CPU all the same", why)
    return Check(
        "gpu", Status.OK, f"{named}; models but object detectors are served there unless the setting device is cpu"
    )


def _unread(name: str, error: Exception) -> Check:
    return Check(name, Status.FAIL, "the settings cannot be read", str(error))


def sandbox() -> Check:
    """What SageMaker's built-in runtimes and training scripts run in; the other services do without."""
    from relook.containers.embedded.sandbox import why_not

    if reason := why_not("bwrap"):
        advice = f"SageMaker's built-in runtimes cannot run, all else can: {reason}"
        return Check("sandbox", Status.WARN, "no sandbox for models and scripts of others", advice)
    return Check("sandbox", Status.OK, "bubblewrap builds one for models and scripts of others")


def containers(data: Path) -> Check:
    """The engine that the settings of `data` name. Everything but foreign container images does without."""
    from relook.containers.api import ContainerError
    from relook.containers.engine.client import connect, describe
    from relook.settings import SettingsError, load

    try:
        setting = load(data).container_engine
    except SettingsError as error:
        return _unread("containers", error)
    if setting == "none":
        return Check("containers", Status.OK, "switched off (container_engine is none); built-in runtimes only")
    try:
        with contextlib.closing(connect(setting)) as client:
            found = f"{describe(client)} at {client.path}"
    except ContainerError as error:
        advice = f"SageMaker models in container images cannot be run, all else can: {error}"
        return Check("containers", Status.WARN, "no container engine; built-in runtimes only", advice)
    if os.geteuid() != 0:
        advice = "Network isolation of containers that serve needs Relook to run as root; without it, it is refused."
        return Check("containers", Status.WARN, found, advice)
    return Check("containers", Status.OK, found)
