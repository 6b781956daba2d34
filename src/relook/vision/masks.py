"""Masks in and masks out: PNG to class indices, class indices to a flat RGB PNG.

Class index 0 is the background; class i is the i-th of the classes given.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import combinations

import numpy as np
import numpy.typing as npt
from PIL.PngImagePlugin import PngImageFile

from relook.vision.images import LARGEST_SIDE, Size, eight_bits
from relook.vision.samples import DefectClass, TrainingError

ClassMap = npt.NDArray[np.uint8]
"""(height, width) class indices."""

BACKGROUND_NAME = "background"
BACKGROUND_COLOUR = "#FFFFFF"
_MIXED_WITHIN = 6.0
"""Of 255: so far from the line between two colours a mixture of them may lie, for programs round and count gamma in."""
_MOST_MIXTURES = 4_096
"""Different colours beside the known ones: what has more is a photograph, and each is held against all pairs."""
_EDGE = 2
"""Pixels: so near to a pure colour a mixture must be. A larger patch is a colour of its own."""
_MOST_MEETINGS = 10_000
"""Pixels in which three colours are mixed: there are a few where two classes and the background meet."""
_OPAQUE_FROM = 128  # alpha below a half is background, whatever colour lies under it


def decode_mask(
    data: bytes,
    colours: Mapping[str, str],
    classes: Sequence[DefectClass],
    size: Size,
    key: str,
    background: Sequence[str] = (),
) -> ClassMap:
    """The class of each pixel of a mask PNG of any mode.

    Pixels less than half opaque, white ones that no class claims, and those with a colour of `background` are
    background; every other pixel must have a colour of `colours`. Where drawing programs smoothed edges, a mixture of
    two of these is what it has more of, and of three that meet there what it has most of. Raises TrainingError naming
    `key` otherwise.
    """
    rgba = _decode_rgba(data, key)
    if rgba.shape[:2] != (size.height, size.width):
        raise TrainingError(
            f"the mask of {key} is {rgba.shape[1]}x{rgba.shape[0]} pixels and its image {size.width}x{size.height}; "
            "a mask must have its image's size"
        )
    known = _indices(colours, classes, key)
    wide = rgba.astype(np.uint32)
    packed = (wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]).astype(np.uint32, copy=False)
    packed[rgba[..., 3] < _OPAQUE_FROM] = 0xFFFFFF
    exact = {int(colour[1:], 16): 0 for colour in (BACKGROUND_COLOUR, *background)}
    exact |= {int(colour[1:], 16): index for colour, index in known.items()}
    found = np.zeros(packed.shape, np.uint8)
    pure = np.zeros(packed.shape, bool)
    for value, index in exact.items():
        here = packed == value
        found[here] = index
        pure |= here
        if pure.all():
            break
    unknown = _fill_edges(found, packed, pure, exact)
    if unknown:
        raise TrainingError(
            f"the mask of {key} has the colour #{min(unknown):06X}, which is neither the background nor one of "
            f"{', '.join(sorted(known)) or 'any class'}, nor a smoothed edge between two of them; use the colours of "
            "internal-color-map"
        )
    return found


def _fill_edges(
    found: ClassMap, packed: npt.NDArray[np.uint32], pure: npt.NDArray[np.bool_], exact: Mapping[int, int]
) -> set[int]:
    """Write into `found` what pixels that are not `pure` have most of; the colours that are no smoothed edges."""
    others = packed[~pure]
    values, where = np.unique(others, return_inverse=True)  # of few pixels, for it sorts them
    if len(values) > _MOST_MIXTURES:
        return set(values.tolist())
    mixed = [_nearest(value, exact) for value in values.tolist()]
    found[~pure] = np.array([index or 0 for index in mixed], np.uint8)[where]
    unmixed = np.array([index is None for index in mixed], bool)[where]
    places, unknown = np.argwhere(~pure)[unmixed], set(others[unmixed].tolist())
    if unknown and len(places) <= _MOST_MEETINGS:
        unknown = _meetings(found, packed, pure, places, exact)
    return unknown or set(packed[_far_from(pure)].tolist())


def _meetings(
    found: ClassMap,
    packed: npt.NDArray[np.uint32],
    pure: npt.NDArray[np.bool_],
    places: npt.NDArray[np.int64],
    exact: Mapping[int, int],
) -> set[int]:
    """Write into `found`, at `places`, what mixtures of three colours that lie within _EDGE have most of; the colours
    that are no such mixtures."""
    unknown = set()
    for row, column in places.tolist():
        around = slice(max(0, row - _EDGE), row + _EDGE + 1), slice(max(0, column - _EDGE), column + _EDGE + 1)
        value = int(packed[row, column])
        most = _of_three(value, np.unique(packed[around][pure[around]]).tolist())
        if most is None:
            unknown.add(value)
        else:
            found[row, column] = exact[most]
    return unknown


def _of_three(value: int, colours: Sequence[int]) -> int | None:
    """What `value` has most of, as a mixture of the three of `colours` that come nearest to it; None where none do."""
    colour, nearest, most = _rgb([value])[0], _MIXED_WITHIN, None
    for three in combinations(colours, 3):
        corners = _rgb(three)
        sides = corners[1:] - corners[0]
        shares = np.linalg.lstsq(sides.T, colour - corners[0], rcond=None)[0]
        shares = np.clip([1 - shares.sum(), *shares], 0.0, 1.0)
        shares /= shares.sum()
        missed = float(np.abs(shares @ corners - colour).max())
        if missed <= nearest:
            nearest, most = missed, three[int(shares.argmax())]
    return most


def _nearest(value: int, exact: Mapping[int, int]) -> int | None:
    """The index of the colour that `value`, a mixture of two, has more of; None for what is none."""
    colour, pure = _rgb([value])[0], _rgb(list(exact))
    ways = pure[None] - pure[:, None]  # from each to each
    lengths = np.maximum((ways**2).sum(-1), 1.0)
    share = np.clip(((colour - pure)[:, None] * ways).sum(-1) / lengths, 0.0, 1.0)
    missed = np.abs(pure[:, None] + share[..., None] * ways - colour).max(-1)
    if missed.min() > _MIXED_WITHIN:
        return None
    one, other = np.unravel_index(int(missed.argmin()), missed.shape)
    return list(exact.values())[int(one if share[one, other] < 0.5 else other)]


def _far_from(flags: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """What lies more than _EDGE pixels beside all that is set."""
    from scipy.ndimage import maximum_filter  # for training: an inference unit never needs it

    far: npt.NDArray[np.bool_] = maximum_filter(flags, 2 * _EDGE + 1) == 0
    return far


def _rgb(values: Sequence[int]) -> npt.NDArray[np.float64]:
    return np.array([((value >> 16) & 255, (value >> 8) & 255, value & 255) for value in values], np.float64)


def _decode_rgba(data: bytes, key: str) -> npt.NDArray[np.uint8]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = PngImageFile(io.BytesIO(data))  # Image.open would not tell the size of too large ones
            if max(image.size) > LARGEST_SIDE:
                raise TrainingError(f"the mask of {key} is {image.width}x{image.height} pixels; at most 4096 a side")
            image.load()
            return np.array(eight_bits(image).convert("RGBA"))
    except (TrainingError, MemoryError):
        raise
    except Exception as error:  # damaged files make Pillow raise anything: AssertionError, struct.error, KeyError, ...
        raise TrainingError(f"the mask of {key} is not a whole PNG by its content; masks must be PNG files") from error


def _indices(colours: Mapping[str, str], classes: Sequence[DefectClass], key: str) -> dict[str, int]:
    position = {entry.name: index for index, entry in enumerate(classes, 1)}
    for name in colours.values():
        if name not in position:
            raise TrainingError(f"the mask of {key} names the class {name!r}, which is not among {sorted(position)}")
    return {colour.upper(): position[name] for colour, name in colours.items()}


def encode_mask(classes: ClassMap, colours: Sequence[str]) -> bytes:
    """An 8-bit RGB PNG; `colours[i]` is the `#RRGGBB` of class i, the background's included.

    Written here rather than by Pillow because flat masks differ hardly from one row to the next: the Up filter and run
    lengths take a third of the time of a general encoder.
    """
    return _encoded(classes, colours) if classes.any() else _blank(classes.shape, colours[0])


@lru_cache(maxsize=8)
def _blank(shape: tuple[int, int], colour: str) -> bytes:
    """Of an image without a defect: most have none, and one is like the other."""
    return _encoded(np.zeros(shape, np.uint8), (colour,))


def _encoded(classes: ClassMap, colours: Sequence[str]) -> bytes:
    palette = np.array([[int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in colours], np.uint8)
    height, width = classes.shape
    changed = np.zeros((height, 1 + 3 * width), np.uint8)
    changed[:, 0] = 2  # filter type Up: each byte minus the one above
    changed[0, 1:] = palette[classes[0]].ravel()
    moved = 1 + np.flatnonzero((classes[1:] != classes[:-1]).any(1))
    changed[moved, 1:] = (palette[classes[moved]] - palette[classes[moved - 1]]).reshape(len(moved), 3 * width)
    squeezer = zlib.compressobj(1, zlib.DEFLATED, 15, 9, zlib.Z_RLE)
    body = squeezer.compress(changed.data) + squeezer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
