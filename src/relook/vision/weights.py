"""Which weights to use: what the user imported or pulled into the data folder, and what the package brings.

Each set in the data folder is a graph and a card beside it, named by the graph's hash. Cards are numbered in the order
in which the user asked for them; the next training takes the highest. The package's own has no number until it is
asked for. Starts of object detectors are kept apart, by `detect.library`; here they are only taken in and listed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from relook.vision import fingerprint, resnet18, shipped
from relook.vision.backbones import Backbone, Layer, WeightsError
from relook.vision.card_files import as_json, put
from relook.vision.detect import library, starts
from relook.vision.weight_files import ACCEPTED, understand

__all__ = ["FOLDER", "LARGEST_FILE", "Entry", "ImportedWeights", "Kind", "WeightsError", "accept_pulled"]
__all__ += ["accept_pulled_start", "card", "choose", "entries", "import_weights", "random_backbone", "use"]

FOLDER = "weights"
LARGEST_FILE = 200 * 1024 * 1024
RANDOM_SEED = 20_201_120
_CHOSEN = f"{shipped.NAME}.json"
"""The card that makes the package's own weights the ones asked for last."""


class Kind(StrEnum):
    """Where weights come from."""

    IMPORTED = "imported"
    PULLED = "pulled"
    SHIPPED = "shipped"
    RANDOM = "random"


@dataclass(frozen=True, slots=True)
class ImportedWeights:
    """What an import or a pull left in the data folder; without `layers`, a start of object detectors."""

    name: str
    sha256: str
    path: Path
    layers: tuple[Layer, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """Weights that are there. `size` in bytes and `sha256` are those of the graph; `next`: the next training's.

    `detector`: object detectors start from it, and nothing else; otherwise it gives features to all other models.
    """

    name: str
    kind: Kind
    sha256: str
    size: int
    source: str
    next: bool
    detector: bool = False


def choose(data: Path) -> Backbone:
    """The weights imported, pulled or asked for last in the data folder, else the package's own. Never uses a network.

    A copy of the package without weights of its own gives random ones, with a warning. Raises WeightsError when the
    chosen weights were altered since.
    """
    told = _last(_cards(data))
    if told is None or "layers" not in told:
        return _builtin()
    content = (data / FOLDER / f"{told['sha256']}.onnx").read_bytes()
    if hashlib.sha256(content).hexdigest() != told["sha256"]:
        raise WeightsError(f"the {_kind(told)} weights {told['name']} were altered on disk; {_again(told)}")
    layers = tuple(Layer(**entry) for entry in told["layers"])
    return Backbone(told["name"], content, layers, f"{_kind(told)}, sha256 {told['sha256'][:12]}")


def random_backbone(width: int = resnet18.WIDTH) -> Backbone:
    """ResNet-18 with seeded random filters, for tests and benches, and for a copy of the package without weights.

    Its warning goes into the artifact, whose bytes must not depend on where the data folder lies: it names none.
    """
    warning = (
        "No pretrained weights are there, for this copy of Relook came without its own: features come from fixed "
        "random filters, and accuracy suffers. "
        "Import an ImageNet ResNet-18 with `relook weights import FILE --data DIR` (DIR: this server's data folder), "
        "or fetch it with `relook weights pull --data DIR`, and train again."
    )
    weights = resnet18.random_weights(RANDOM_SEED, width)
    origin = f"random, seed {RANDOM_SEED}"
    return Backbone("resnet18-random", resnet18.build(weights), resnet18.layers(weights), origin, warning)


def entries(data: Path) -> list[Entry]:
    """All weights there are: those of the data folder, the one asked for last first, the package's own, then starts of
    detectors alone."""
    cards = _cards(data)
    last = _last(cards)
    found = [
        Entry(
            told["name"],
            _kind(told),
            told["sha256"],
            (data / FOLDER / f"{told['sha256']}.onnx").stat().st_size,
            str(told.get("source", "")),
            told is last,
        )
        for told in sorted(cards, key=_order, reverse=True)
        if "layers" in told
    ]
    own = _builtin()
    kind = Kind.RANDOM if own.warning else Kind.SHIPPED
    found.append(Entry(own.name, kind, own.sha256, len(own.onnx), "", not any(entry.next for entry in found)))
    return found + [
        Entry(kept.name, Kind(kept.kind), kept.sha256, kept.size, str(kept.facts["source"]), kept.next, True)
        for kept in library.entries(data)
    ]


def use(name: str, data: Path) -> Entry:
    """Make the weights of that name, or hash (its first 6 digits or more), what `choose` takes. Raises WeightsError.

    The package's own are then what object detectors start from, too.
    """
    entry = _find(name, data)
    if entry.detector:
        library.use(entry.sha256, data)
        return entry
    order = 1 + max((_order(told) for told in _cards(data)), default=0)
    if entry.kind in (Kind.SHIPPED, Kind.RANDOM):
        put(data / FOLDER / _CHOSEN, as_json({"name": shipped.NAME, "order": order}))
        library.use_own(data)
    else:
        path = data / FOLDER / f"{entry.sha256}.json"
        put(path, as_json(json.loads(path.read_bytes()) | {"order": order}))
    return entry


def card(name: str, data: Path) -> dict[str, Any]:
    """What is known of the weights of that name or hash: how they were made or where they came from. WeightsError."""
    entry = _find(name, data)
    if entry.kind is Kind.SHIPPED:
        told = shipped.card()
        return told | {"sha256": entry.sha256, "source_sha256": told["sha256"]}
    facts = {"name": entry.name, "kind": entry.kind.value, "sha256": entry.sha256, "bytes": entry.size}
    if entry.kind is Kind.RANDOM:
        return facts | {"seed": RANDOM_SEED}
    if entry.detector:
        kept = next(each for each in library.entries(data) if each.sha256 == entry.sha256)
        return facts | dict(kept.facts) | {"for": "object detectors"}
    told = json.loads((data / FOLDER / f"{entry.sha256}.json").read_bytes())
    return facts | {key: value for key, value in told.items() if key not in ("order", "kind")}


def import_weights(file: Path, data: Path) -> ImportedWeights:
    """Check `file`, copy it into `data` (made if absent) and make it what `choose` takes. Raises WeightsError.

    YOLOX-nano is known by its convolutions, and becomes what object detectors start from.
    """
    try:
        if file.stat().st_size > LARGEST_FILE:
            raise WeightsError(f"{file} is larger than {LARGEST_FILE // 2**20} MB; {ACCEPTED}")
        raw = file.read_bytes()
    except OSError as error:
        raise WeightsError(f"{file} cannot be read: {error.strerror or error}") from error
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", file.stem).strip(".-") or "weights"
    if starts.is_yolox_nano(raw):
        kept = library.keep(raw, name, file.name, data)
        return ImportedWeights(kept.name, kept.sha256, kept.path, ())
    content, layers = understand(raw, str(file))
    return _store(name, raw, content, layers, {"kind": Kind.IMPORTED.value, "source": file.name}, data)


def accept_pulled(raw: bytes, name: str, facts: Mapping[str, str], data: Path) -> ImportedWeights:
    """The same for what was fetched, but only if it is ImageNet's ResNet-18 by its features. `facts` go into the card;
    its `source` names the file in messages. Raises WeightsError."""
    content, layers = understand(raw, facts["source"])
    difference = fingerprint.difference(content, layers)
    if difference is not None:
        raise WeightsError(
            f"{facts['source']} is not torchvision's ImageNet ResNet-18: {difference}. Nothing was kept; weights of "
            "your own go in with `relook weights import FILE`"
        )
    return _store(name, raw, content, layers, {"kind": Kind.PULLED.value, **facts}, data)


def accept_pulled_start(raw: bytes, name: str, facts: Mapping[str, str], data: Path) -> ImportedWeights:
    """The same for a start of object detectors, if it is YOLOX-nano by its convolutions. Raises WeightsError.

    Its hash may be another than `starts.PUBLISHED`: whether to say so is for the caller.
    """
    if not starts.is_yolox_nano(raw):
        understand(raw, facts["source"])  # says of a web page or a pickle what it is
        raise WeightsError(
            f"{facts['source']} is not the published YOLOX-nano for COCO: its convolutions differ. Nothing was kept"
        )
    kept = library.keep(raw, name, facts["source"], data, kind=Kind.PULLED.value, licence=facts["licence"])
    return ImportedWeights(kept.name, kept.sha256, kept.path, ())


def _store(
    name: str, raw: bytes, content: bytes, layers: tuple[Layer, ...], facts: Mapping[str, str], data: Path
) -> ImportedWeights:
    digest = hashlib.sha256(content).hexdigest()
    path = data / FOLDER / f"{digest}.onnx"
    told = {
        "name": name,
        "sha256": digest,
        "source_sha256": hashlib.sha256(raw).hexdigest(),
        "order": 1 + max((_order(entry) for entry in _cards(data)), default=0),
        "layers": [{"output": each.output, "stride": each.stride, "channels": each.channels} for each in layers],
        **facts,
    }
    put(path, content)
    put(path.with_suffix(".json"), as_json(told))
    return ImportedWeights(name, digest, path, layers)


def _builtin() -> Backbone:
    return shipped.backbone() if shipped.present() else random_backbone()


def _find(name: str, data: Path) -> Entry:
    there = entries(data)
    found = [entry for entry in there if entry.name == name]
    if not found and re.fullmatch(r"[0-9a-f]{6,64}", name):
        found = [entry for entry in there if entry.sha256.startswith(name)]
    if len({entry.sha256 for entry in found}) == 1:
        return found[-1]  # the package's own may have been imported too
    if found:
        hashes = ", ".join(entry.sha256[:12] for entry in found)
        raise WeightsError(f"several weights are called {name}; say which by its hash: {hashes}")
    names = ", ".join(dict.fromkeys(entry.name for entry in there))
    raise WeightsError(f"no weights are called {name}; there are: {names}")


def _cards(data: Path) -> list[dict[str, Any]]:
    """All cards; one is written after its graph, so that each names a whole file."""
    cards = []
    for path in sorted((data / FOLDER).glob("[!.]*.json")):
        try:
            told = json.loads(path.read_bytes())
            ours = path.name == _CHOSEN and told["name"] == shipped.NAME
            if int(told["order"]) and (
                ours or ((data / FOLDER / f"{told['sha256']}.onnx").is_file() and told["name"] and told["layers"])
            ):
                cards.append(told)
        except (ValueError, KeyError, TypeError) as error:
            raise WeightsError(f"{path} is damaged; delete it and import the weights again") from error
    return cards


def _last(cards: list[dict[str, Any]]) -> dict[str, Any] | None:
    return max(cards, key=_order, default=None)


def _order(told: Mapping[str, Any]) -> int:
    return int(told["order"])


def _kind(told: Mapping[str, Any]) -> Kind:
    return Kind(told.get("kind", Kind.IMPORTED))


def _again(told: Mapping[str, Any]) -> str:
    return "pull them again" if _kind(told) is Kind.PULLED else "import the file again"
