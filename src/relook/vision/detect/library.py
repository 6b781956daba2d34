"""The starts of detectors in the data folder: a graph and a card each, named by the graph's hash.

Cards are numbered in the order in which the user asked for them; the next training takes the highest. The package's own
start has no number until it is asked for.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relook.vision import shipped
from relook.vision.backbones import WeightsError
from relook.vision.card_files import as_json, put
from relook.vision.detect import starts
from relook.vision.detect.starts import Start

FOLDER = "weights/detectors"
_OWN = f"{shipped.NAME}.json"
"""The card that makes the package's own start the one asked for last."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A start that was imported or pulled. `size` in bytes; `next`: the next training's; `facts` is its card."""

    name: str
    sha256: str
    path: Path
    size: int
    next: bool
    facts: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """ "imported" or "pulled"."""
        return str(self.facts.get("kind", "imported"))


def choose(data: Path) -> Start:
    """What the next training of a detector begins with. Raises WeightsError when it was altered since."""
    for kept in entries(data):
        if kept.next:
            raw = kept.path.read_bytes()
            if hashlib.sha256(raw).hexdigest() != kept.sha256:
                again = "pull them again" if kept.kind == "pulled" else "import the file again"
                raise WeightsError(f"the {kept.kind} weights {kept.name} were altered on disk; {again}")
            return starts.yolox_nano(raw, kept.name, f"{kept.kind}, sha256 {kept.sha256[:12]}")
    return starts.own()


def keep(raw: bytes, name: str, source: str, data: Path, *, kind: str = "imported", licence: str = "") -> Kept:
    """Copy a file that `starts.is_yolox_nano` knows into `data` and make it what `choose` takes; WeightsError.

    `source` is where it came from, `kind` "imported" or "pulled"; `licence` stands in the card where it is known.
    """
    start = starts.yolox_nano(raw, name, kind)
    facts = {"name": name, "sha256": start.sha256, "source": source, "kind": kind}
    facts |= {"licence": licence} if licence else {}
    path = data / FOLDER / f"{start.sha256}.onnx"
    put(path, raw)
    put(path.with_suffix(".json"), as_json({**facts, **_order(data)}))
    return next(kept for kept in entries(data) if kept.sha256 == start.sha256)


def use(sha256: str, data: Path) -> None:
    """Make the start of that hash what `choose` takes. Raises WeightsError."""
    path = data / FOLDER / f"{sha256}.json"
    put(path, as_json(json.loads(path.read_bytes()) | _order(data)))


def use_own(data: Path) -> None:
    """Make the package's own start what `choose` takes; nothing to do where there is no other. Raises WeightsError."""
    if entries(data):
        put(data / FOLDER / _OWN, as_json({"name": shipped.NAME, **_order(data)}))


def entries(data: Path) -> list[Kept]:
    """Those imported or pulled, the one asked for last first. Raises WeightsError for a damaged card."""
    cards = sorted(_cards(data), key=lambda told: -int(told["order"]))
    found = []
    for at, told in enumerate(cards):
        if "sha256" in told:
            path = data / FOLDER / f"{told['sha256']}.onnx"
            facts = {key: value for key, value in told.items() if key != "order"}
            found.append(Kept(told["name"], told["sha256"], path, path.stat().st_size, at == 0, facts))
    return found


def _cards(data: Path) -> list[dict[str, Any]]:
    """All cards; one is written after its graph, so that each names a whole file."""
    cards = []
    for path in sorted((data / FOLDER).glob("[!.]*.json")):
        try:
            told = json.loads(path.read_bytes())
            own = path.name == _OWN
            if int(told["order"]) and told["name"] and (own or path.with_suffix(".onnx").is_file()):
                cards.append(told if own else told | {"sha256": path.stem})
        except (ValueError, KeyError, TypeError) as error:
            raise WeightsError(f"{path} is damaged; delete it and import the weights again") from error
    return cards


def _order(data: Path) -> dict[str, int]:
    return {"order": 1 + max((int(told["order"]) for told in _cards(data)), default=0)}
