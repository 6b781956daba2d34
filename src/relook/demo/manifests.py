"""Lookout manifests: reading the user's with their images, and writing the lines the demonstration uploads."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from relook.demo.errors import PicturesError
from relook.demo.intake import Candidate, Intake, Tick, files_under
from relook.demo.masks import labels_in, mask_at
from relook.demo.pictures import Encoded, Mask, Picture, Pools, Truth
from relook.demo.prepare import EXTENSIONS

_NORMAL_WORD = re.compile(r"(?<![a-z])(normal|good)(?![a-z])")
_ANOMALY_WORD = re.compile(r"(?<![a-z])(anomal(y|ies|ous)|abnormal|bad|defect(s|ive)?)(?![a-z])")


def read_manifests(root: Path, manifests: Sequence[Path], tick: Tick | None = None) -> Pools:
    """The pictures that manifests list, found under `root`, and the loose ones beside them as unseen.

    A manifest whose name (or folder) says test is the test set. Raises PicturesError with the line of a bad entry.
    """
    intake, index = Intake(tick), _Index(root)
    wanted: dict[str, list[Candidate]] = {"train": [], "test": []}
    for manifest in manifests:
        pool = "test" if re.search(r"(?<![a-z])test(?![a-z])", _below(root, manifest).lower()) else "train"
        for number, line in _lines(manifest):
            candidate = _candidate(line, f"{manifest.name} line {number}", root, index, intake)
            if candidate:
                wanted[pool].append(candidate)
    if not wanted["train"] and wanted["test"]:
        wanted = {"train": wanted["test"], "test": []}
    loose = _loose(root, index)
    train, test, extra = intake.pictures(wanted["train"], wanted["test"], loose)
    names = ", ".join(manifest.name for manifest in manifests)
    return Pools(f"the Lookout manifest {names}", train, test, extra, intake.notes, intake.unusable)


def _below(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name


def _lines(manifest: Path) -> list[tuple[int, dict[str, Any]]]:
    entries = []
    try:
        text = manifest.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise PicturesError(f"{manifest} is not a manifest: it is not UTF-8 text with a JSON object a line") from None
    for number, raw in enumerate(text.splitlines(), start=1):
        if not raw.strip():
            continue
        try:
            line = json.loads(raw)
        except ValueError as error:
            raise PicturesError(f"{manifest.name} line {number} is not JSON: {error}") from None
        if not isinstance(line, dict) or not isinstance(line.get("source-ref"), str):
            raise PicturesError(f"{manifest.name} line {number} is no manifest entry: it has no source-ref")
        entries.append((number, line))
    return entries


def _candidate(line: dict[str, Any], where: str, root: Path, index: _Index, intake: Intake) -> Candidate | None:
    path = index.find(line["source-ref"])
    truth = _truth(line)
    if path is None:
        intake.skip(where, f"its image is not below {root.name}/")
        return None
    if truth is None:
        intake.skip(where, "it is labelled neither normal nor anomaly")
        return None
    return Candidate(path, _below(root, path), truth, _mask_finder(line, index), line)


def _truth(line: Mapping[str, Any]) -> Truth | None:
    name = _attribute(line, "groundtruth/image-classification")
    given = str(line[f"{name}-metadata"].get("class-name", "")).lower() if name else ""
    return Truth(given) if given in {"normal", "anomaly"} else None


def _attribute(line: Mapping[str, Any], kind: str) -> str | None:
    """The attribute whose metadata is of this Ground Truth type."""
    for key, value in line.items():
        if key.endswith("-metadata") and isinstance(value, dict) and value.get("type") == kind:
            return key.removesuffix("-metadata")
    return None


def _mask_finder(line: Mapping[str, Any], index: _Index) -> Callable[[Encoded], Mask | None] | None:
    name = _attribute(line, "groundtruth/semantic-segmentation")
    if name is None or not isinstance(line.get(name), str):
        return None
    entries = line[f"{name}-metadata"].get("internal-color-map") or {}
    colours = {
        str(entry.get("hex-color", "")).upper(): str(entry.get("class-name", ""))
        for entry in entries.values()
        if str(entry.get("class-name", "")).upper() != "BACKGROUND"
    }
    colours.pop("#FFFFFF", None)
    path = index.find(line[name])

    def find(encoded: Encoded) -> Mask:
        if path is None:
            raise PicturesError(f"its mask {Path(line[name]).name} is not there")
        labels = labels_in(path.read_bytes(), colours)
        load = (lambda: mask_at(path, encoded.size)) if encoded.scaled else path.read_bytes
        return Mask(load, colours, labels)

    return find


class _Index:
    """The image files below a folder, found by the longest end of a path or s3:// address."""

    def __init__(self, root: Path) -> None:
        self.images = [path for path in files_under(root) if path.suffix.lower() in EXTENSIONS]
        self.used: set[Path] = set()
        self._root = root
        self._named: dict[str, list[Path]] = {}
        for path in self.images:
            self._named.setdefault(path.name, []).append(path)

    def find(self, reference: str) -> Path | None:
        parts = [part for part in reference.removeprefix("s3://").split("/") if part]
        near = self._named.get(parts[-1], []) if parts else []
        if not near:
            return None
        best = max(near, key=lambda path: _common_end(parts, path.relative_to(self._root).parts))
        self.used.add(best)
        return best


def _common_end(wanted: Sequence[str], parts: Sequence[str]) -> int:
    length = 0
    for ours, theirs in zip(reversed(wanted), reversed(parts), strict=False):
        if ours != theirs:
            break
        length += 1
    return length


def _loose(root: Path, index: _Index) -> list[Candidate]:
    """Images no manifest names, with the truth that their names, else their folders' names, give."""
    loose = []
    for path in index.images:
        relative = path.relative_to(root)
        truth = truth_in(relative.stem) or truth_in(relative.parent.as_posix())
        if path not in index.used and truth and "mask" not in relative.as_posix().lower():
            loose.append(Candidate(path, relative.as_posix(), truth))
    return loose


def truth_in(name: str) -> Truth | None:
    """What a file's or folder's name says: normal (or good), anomaly (or bad, defect), or nothing clear."""
    normal, anomaly = _NORMAL_WORD.search(name.lower()), _ANOMALY_WORD.search(name.lower())
    if bool(normal) == bool(anomaly):
        return None
    return Truth.NORMAL if normal else Truth.ANOMALY


def line_for(picture: Picture, image: str, mask: str | None) -> str:
    """The manifest line of a picture uploaded to `image` (s3://..) with its mask at `mask`, if any."""
    line = dict(picture.line) if picture.line else _label(picture.truth)
    line["source-ref"] = image
    name = _attribute(line, "groundtruth/semantic-segmentation")
    if picture.mask is None or mask is None:
        if name:
            line = {key: value for key, value in line.items() if key not in {name, f"{name}-metadata"}}
    elif name:
        line[name] = mask
    else:
        line |= _mask_entry(picture.mask, mask)
    return json.dumps(line)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]


def _label(truth: Truth) -> dict[str, Any]:
    return {
        "source-ref": "",
        "anomaly-label": int(truth is Truth.ANOMALY),
        "anomaly-label-metadata": {
            "class-name": truth.value,
            "confidence": 1,
            "human-annotated": "yes",
            "creation-date": _now(),
            "job-name": "labeling-job/anomaly-label",
            "type": "groundtruth/image-classification",
        },
    }


def _mask_entry(mask: Mask, address: str) -> dict[str, Any]:
    background = {"class-name": "BACKGROUND", "hex-color": "#ffffff", "confidence": 0.0}
    labels = [{"class-name": name, "hex-color": colour, "confidence": 0.0} for colour, name in mask.colours.items()]
    return {
        "anomaly-mask-ref": address,
        "anomaly-mask-ref-metadata": {
            "internal-color-map": {str(index): entry for index, entry in enumerate([background, *labels])},
            "type": "groundtruth/semantic-segmentation",
            "human-annotated": "yes",
            "creation-date": _now(),
            "job-name": "labeling-job/anomaly-mask-ref",
        },
    }
