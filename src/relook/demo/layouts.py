"""Recognising how a user's pictures are laid out.

- a Lookout manifest, or a folder with one (`manifests`);
- `train/` and `test/`, each with a folder of normal pictures and folders of anomalies: the MVTec AD layout, with its
  masks in `ground_truth/<defect>/<name>_mask.png`, is one of these; an `extra/` folder beside them stays unseen;
- one folder with a folder of normal pictures and one of anomalies.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from relook.demo.errors import PicturesError
from relook.demo.intake import Candidate, Intake, Tick, files_under, images_under, listed
from relook.demo.manifests import read_manifests
from relook.demo.masks import paint_file
from relook.demo.pictures import PALETTE, Encoded, Mask, Pools, Truth

NORMAL_NAMES = ("normal", "good", "ok")
ANOMALY_NAMES = ("anomaly", "anomalies", "anomalous", "abnormal", "bad", "defect", "defects", "defective", "ng", "nok")
EXTRA_NAMES = ("extra", "unseen", "holdout")
LABEL_MINIMUM = 21
"""Pictures of one label that a single dataset needs (20), and one to keep back."""
_EXPECTED = (
    "expected one of: normal/ and anomaly/ (or good/ and anomaly/); the same under train/ and test/; the MVTec AD "
    "layout (train/good, test/good, test/<defect>, ground_truth/<defect>); or a Lookout manifest (*.manifest)"
)


def read_pictures(path: Path, tick: Tick | None = None) -> Pools:
    """Read the user's pictures; PicturesError when the path is missing or of no known layout."""
    if not path.exists():
        raise PicturesError(f"{path} is not there; IMAGES takes a folder with pictures or a Lookout manifest")
    if path.is_file():
        return read_manifests(path.parent, [path], tick)
    manifests = [file for file in files_under(path) if file.suffix == ".manifest"]
    if manifests:
        return read_manifests(path, manifests, tick)
    folders = _children(path)
    if "train" in folders:
        return _read_splits(path, folders, tick)
    if _named(folders, NORMAL_NAMES):
        return _read_flat(path, folders, tick)
    raise PicturesError(_unknown(path, folders))


def _children(folder: Path) -> dict[str, Path]:
    """Its visible subfolders by lower-case name."""
    children = sorted(child for child in folder.iterdir() if child.is_dir() and not child.name.startswith("."))
    return {child.name.lower(): child for child in children}


def _named(folders: dict[str, Path], names: tuple[str, ...]) -> list[Path]:
    return [folders[name] for name in names if name in folders]


def _unknown(path: Path, folders: dict[str, Path]) -> str:
    inside = [child.name for child in folders.values() if (child / "train").is_dir()]
    if inside:
        return f"{path} holds several sets; name one of them: {listed([str(path / name) for name in inside])}"
    if _named(folders, ANOMALY_NAMES):
        return f"{path} has no folder of normal pictures (normal/ or good/); {_EXPECTED}"
    found = listed([f"{child.name}/" for child in folders.values()]) or "no folders"
    return (
        f"{path} is in no layout that is known here (found {found}): known are Lookout's, of normal pictures and "
        f"anomalies, not a folder for each label of Custom Labels; {_EXPECTED}"
    )


def _read_flat(path: Path, folders: dict[str, Path], tick: Tick | None) -> Pools:
    intake = Intake(tick)
    classes = _classes(folders, others_are_defects=False)
    if len({truth for truth, _ in classes.values()}) == 1:
        raise PicturesError(f"{path} has no folder of anomalies ({', '.join(ANOMALY_NAMES[:3])}, ..); {_EXPECTED}")
    (pictures,) = intake.pictures(_candidates(path, classes, intake))
    ignored = [f"{name}/" for name, child in folders.items() if child not in {folder for _, folder in classes.values()}]
    notes = intake.notes + ((f"Left out {listed(ignored)}: neither normal nor anomaly.",) if ignored else ())
    names = " and ".join(f"{folder.name}/" for _, folder in classes.values())
    return Pools(f"one folder with {names}", pictures, notes=notes, unusable=intake.unusable)


def _read_splits(path: Path, folders: dict[str, Path], tick: Tick | None) -> Pools:
    intake, ground_truth = Intake(tick), _GroundTruth(folders.get("ground_truth"))
    pools: dict[str, list[Candidate]] = {"train": [], "test": [], "extra": []}
    defects: set[str] = set()
    for name in ("train", "test", *EXTRA_NAMES):
        if name in folders:
            classes = _classes(_children(folders[name]), others_are_defects=True)
            defects |= {key for key, (truth, _) in classes.items() if truth is Truth.ANOMALY}
            pools[name if name in pools else "extra"] += _candidates(path, classes, intake, ground_truth)
    ground_truth.merge_scarce([item for group in pools.values() for item in group])
    train, test, extra = intake.pictures(*pools.values())
    if ground_truth.folder is not None or defects - set(ANOMALY_NAMES):
        source = "the MVTec AD layout"
    else:
        source = " and ".join(f"{name}/" for name in ("train", "test", *EXTRA_NAMES) if name in folders)
    return Pools(source, train, test, extra, intake.notes + ground_truth.notes, intake.unusable)


def _classes(folders: dict[str, Path], *, others_are_defects: bool) -> dict[str, tuple[Truth, Path]]:
    """Class folders by name with the truth they stand for, the normal ones first."""
    classes = {name: (Truth.NORMAL, folder) for name, folder in folders.items() if name in NORMAL_NAMES}
    for name, folder in folders.items():
        if name not in NORMAL_NAMES and (name in ANOMALY_NAMES or others_are_defects):
            classes[name] = (Truth.ANOMALY, folder)
    return classes


def _candidates(
    root: Path, classes: dict[str, tuple[Truth, Path]], intake: Intake, masks: _GroundTruth | None = None
) -> list[Candidate]:
    found = []
    for truth, folder in classes.values():
        for path in images_under(folder, root, intake):
            mask = masks.finder(path, folder.name) if masks and truth is Truth.ANOMALY else None
            found.append(Candidate(path, path.relative_to(root).as_posix(), truth, mask))
    return found


class _GroundTruth:
    """The masks of an MVTec AD set: white on black, one folder per kind of defect."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.notes: tuple[str, ...] = ()
        self._merged = False
        self._defects = sorted(child.name for child in folder.iterdir() if child.is_dir()) if folder else []

    def merge_scarce(self, candidates: list[Candidate]) -> None:
        """Make one label of all defects when some are too few to be learnt each by itself."""
        counts = {name: 0 for name in self._defects}
        for item in candidates:
            if item.mask and item.path.parent.name in counts:
                counts[item.path.parent.name] += 1
        scarce = [f"{name} ({number})" for name, number in counts.items() if number < LABEL_MINIMUM]
        if scarce and len(counts) > 1:
            self._merged = True
            self.notes = (
                f"All kinds of defect share the label 'defect': the API asks for 20 pictures of each label, and these "
                f"have too few: {listed(scarce)}.",
            )

    def finder(self, image: Path, defect: str) -> Callable[[Encoded], Mask | None] | None:
        """How to get the mask of an image, None where there is none."""
        if self.folder is None or defect not in self._defects:
            return None
        names = (f"{image.stem}_mask.png", f"{image.stem}.png")
        path = next((self.folder / defect / name for name in names if (self.folder / defect / name).is_file()), None)
        return None if path is None else lambda encoded: self._mask(path, defect, encoded.size)

    def _mask(self, path: Path, defect: str, size: tuple[int, int]) -> Mask:
        label = "defect" if self._merged else plain_label(defect)
        colour = PALETTE[0 if self._merged else self._defects.index(defect) % len(PALETTE)]
        try:
            paint_file(path, colour, size)
        except (OSError, SyntaxError, ValueError) as error:
            raise PicturesError(f"its mask {path.name} cannot be read: {error}") from None
        return Mask(lambda: paint_file(path, colour, size), {colour: label}, frozenset({label}))


def plain_label(name: str) -> str:
    """A defect's folder name as a label the API takes (letters and digits only): `broken_large` is `brokenLarge`."""
    words = [word for word in re.split(r"[^A-Za-z0-9]+", name) if word]
    return (words[0] + "".join(word[:1].upper() + word[1:] for word in words[1:])) if words else "defect"
