"""The backbone of our own that comes with the package: its weights and its card, as package data.

`relook pretrain` makes both files, with `write`. They lie in this folder; nothing is ever fetched.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from relook.vision import resnet18, safetensors
from relook.vision.backbones import Backbone, WeightsError

NAME = "relook-s"
HINT = (
    "Where normal images alone are learned from, ImageNet's weights find small defects, as on circuit boards, better, "
    "and judge other products, such as cookies, worse than these (docs/benchmarks.md). `relook weights pull` fetches "
    "them, 47 MB, and the next training takes them: compare."
)
LARGEST = 12 * 1024 * 1024
"""Bytes of the weights: the package stays small."""
CARD = ("method", "data", "training", "quality", "licence", "seeds")
"""What a card must tell: how the weights were made, on what, how long, how good they are, terms of use, seeds."""

source: Traversable = resources.files(__name__)
"""The folder they are read from."""


def write(folded: resnet18.Weights, card: Mapping[str, Any], folder: Path) -> Path:
    """Write `relook-s.safetensors` (float16) and `relook-s.json` into `folder`, made if absent; the path of the first.

    `folded` is what `resnet18.fold` gives. `card` holds at least the keys of CARD, in JSON's types; name, width,
    parameters, bytes and sha256 of the file are added. Same input, same bytes. Raises ValueError when the card lacks a
    key or the weights are no network, not finite in float16 or too large; then nothing is written.
    """
    missing = [key for key in CARD if not card.get(key)]
    if missing:
        raise ValueError(f"the card says nothing of {', '.join(missing)}")
    try:
        tensors = resnet18.folded(folded)
    except KeyError as error:
        raise ValueError(f"these are no folded weights: {error}") from error
    content = safetensors.write(tensors)
    if len(content) > LARGEST:
        raise ValueError(f"{len(content)} bytes of weights are more than {LARGEST}")
    facts = {
        "name": NAME,
        "width": resnet18.form(tensors)[0],
        "parameters": sum(value.size for value in tensors.values()),
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{NAME}.safetensors"
    _replace(path, content)
    _replace(folder / f"{NAME}.json", json.dumps({**card, **facts}, indent=1, sort_keys=True).encode() + b"\n")
    return path


def present() -> bool:
    """Whether this copy of the package has its weights."""
    return (source / f"{NAME}.safetensors").is_file()


def backbone() -> Backbone:
    """The backbone, built once in a process. Raises WeightsError when the files are absent or do not fit together."""
    digest = card().get("sha256")
    try:
        raw = (source / f"{NAME}.safetensors").read_bytes()
    except OSError as error:
        raise WeightsError(_damaged(str(error.strerror or error))) from error
    if hashlib.sha256(raw).hexdigest() != digest:
        raise WeightsError(_damaged("the weights are not those of the card"))
    return _build(raw)


def card() -> dict[str, Any]:
    """What `relook pretrain` wrote about the weights. Raises WeightsError when it is absent or damaged."""
    try:
        told = json.loads((source / f"{NAME}.json").read_bytes())
    except (OSError, ValueError) as error:
        raise WeightsError(_damaged(f"{NAME}.json: {error}")) from error
    if not isinstance(told, dict):
        raise WeightsError(_damaged(f"{NAME}.json is no object"))
    return told


@lru_cache(1)
def _build(raw: bytes) -> Backbone:
    try:
        tensors = resnet18.folded(safetensors.read(raw))
        graph = resnet18.build(tensors)
        digest = hashlib.sha256(graph).hexdigest()  # the graph's, as of all weights: the file's is in the card
        return Backbone(NAME, graph, resnet18.layers(tensors), f"shipped, sha256 {digest[:12]}", hint=HINT)
    except (ValueError, KeyError) as error:
        raise WeightsError(_damaged(str(error))) from error


def _damaged(reason: str) -> str:
    return f"the weights {NAME} of this installation cannot be used ({reason}); install Relook again"


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(content)
    temporary.replace(path)
