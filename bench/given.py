"""What the long benches are given: both weights, and pictures, drawn ones for a quick run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.bed import RENDER_SEED, SHARED, WEIGHTS, Bed
from bench.kept import Steps
from bench.results import Unavailable
from bench.sets import DataSet
from relook.demo.pictures import Picture, Truth
from relook.demo.render import Sizes, render_set
from relook.vision.backbones import Backbone
from relook.vision.samples import DefectClass, MaskSource, Sample
from relook.vision.weights import choose, import_weights

IMAGENET, OWN = "ImageNet", "as installed"
DRAWN = Sizes(normal=12, each_defect=8, unseen_normal=3, unseen_each=3, defects=("scratch",))


def backbones(bed: Bed) -> dict[str, Backbone]:
    """The ImageNet weights of ../shared, and what an installation has before anything is imported.

    A quick run takes the second alone.
    """
    with TemporaryDirectory() as name:
        own = choose(Path(name) / "empty")
        if bed.quick:
            return {OWN: own}
        import_weights(WEIGHTS, Path(name) / "given")
        return {IMAGENET: choose(Path(name) / "given"), OWN: own}


def weights_notes(given: dict[str, Backbone]) -> list[str]:
    """A sentence on each of the weights."""
    notes = [
        f"Weights '{label}': {each.name}, {each.origin}, sha256 {each.sha256[:16]}." for label, each in given.items()
    ]
    if IMAGENET in given:
        digest = hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
        notes.append(f"The ImageNet file: {WEIGHTS.name}, sha256 {digest}.")
    return notes


def need_real(bed: Bed) -> None:
    """Raises Unavailable where a full run lacks the real pictures or weights."""
    if not bed.quick and not (WEIGHTS.is_file() and (SHARED / "data").is_dir()):
        raise Unavailable(f"it needs the real pictures and weights in {SHARED}, or --quick")


@contextmanager
def steps(bench: str, bed: Bed) -> Iterator[Steps]:
    """Steps that are kept; those of a quick run only for the run, so that it tries everything."""
    if not bed.quick:
        yield Steps(bench, only=bed.only)
        return
    with TemporaryDirectory() as name:
        yield Steps(bench, only=bed.only, folder=Path(name))


def drawn(sizes: Sizes = DRAWN, seed: int = RENDER_SEED) -> DataSet:
    """Drawn plates with masks as a set like the others."""
    pools = render_set(sizes, seed)
    colours = {colour: name for each in pools.train if each.mask for colour, name in each.mask.colours.items()}
    classes = tuple(DefectClass(name, colour) for colour, name in colours.items())
    training, test = [sample_of(each) for each in pools.train], [sample_of(each) for each in pools.extra]
    return DataSet("drawn plates", training, test, training, classes, classes)


def sample_of(picture: Picture) -> Sample:
    mask = MaskSource(picture.mask.load, picture.mask.colours) if picture.mask else None
    return Sample(picture.name, lambda: picture.load().data, picture.truth is Truth.ANOMALY, mask)
