from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageColor, ImageDraw
from rendered_parts import png

from relook.vision.images import Size
from relook.vision.masks import decode_mask, encode_mask
from relook.vision.samples import DefectClass, TrainingError

CLASSES = (DefectClass("crack", "#23A436"), DefectClass("dent", "#F76902"))
COLOURS = {"#23A436": "crack", "#F76902": "dent"}
GREEN = (0x23, 0xA4, 0x36)
SIZE = Size(8, 10)


def read(image: Image.Image) -> np.ndarray:
    return decode_mask(png(image), COLOURS, CLASSES, SIZE, "s3://b/a.png")


def test_a_palette_with_transparency_counts_from_half_opaque() -> None:
    image = Image.new("P", (10, 8), 0)
    image.putpalette([0, 0, 0, *GREEN, *GREEN, *GREEN])
    for column, index in enumerate((1, 2, 3)):
        image.putpixel((column, 0), index)
    out = io.BytesIO()
    image.save(out, "PNG", transparency=bytes([0, 127, 128, 255]))
    found = decode_mask(out.getvalue(), COLOURS, CLASSES, SIZE, "k")
    assert found[0, :3].tolist() == [0, 1, 1]
    assert found.sum() == 2


def test_rgb_on_white_and_rgba_on_transparent_black() -> None:
    for mode, background in (("RGB", (255, 255, 255)), ("RGBA", (0, 0, 0, 0))):
        image = Image.new(mode, (10, 8), background)
        image.putpixel((3, 2), GREEN if mode == "RGB" else (*GREEN, 255))
        image.putpixel((4, 2), (0xF7, 0x69, 0x02) if mode == "RGB" else (0xF7, 0x69, 0x02, 255))
        found = read(image)
        assert (found[2, 3], found[2, 4], found.sum()) == (1, 2, 3)


def test_a_background_of_another_colour_is_one_where_it_is_given() -> None:
    image = Image.new("RGB", (10, 8))
    ImageDraw.Draw(image).rectangle((2, 2, 5, 5), GREEN)
    image.putpixel((6, 3), (0x23 // 4, 0xA4 // 4, 0x36 // 4))  # a smoothed edge: mostly background
    found = decode_mask(png(image), COLOURS, CLASSES, SIZE, "k", ("#000000",))
    assert (found[2:6, 2:6] == 1).all()
    assert found.sum() == 16
    with pytest.raises(TrainingError, match="has the colour #000000"):
        read(image)


def test_a_grey_mask_of_white_is_background() -> None:
    assert not read(Image.new("L", (10, 8), 255)).any()


def test_a_grey_class_in_a_mask_of_16_bits_is_read() -> None:
    drawn = np.full((8, 10), 0xFFFF, np.uint16)
    drawn[2, 3:5] = 0x8080
    classes = (DefectClass("crack", "#808080"),)
    found = decode_mask(png(Image.fromarray(drawn)), {"#808080": "crack"}, classes, SIZE, "k")
    assert np.argwhere(found).tolist() == [[2, 3], [2, 4]]


def test_an_unknown_colour_is_named_with_the_known_ones() -> None:
    with pytest.raises(TrainingError, match=r"s3://b/a.png has the colour #010203.*#23A436, #F76902"):
        read(Image.new("RGB", (10, 8), (1, 2, 3)))


def test_a_smoothed_edge_belongs_to_what_it_has_more_of() -> None:
    image = Image.new("RGB", (10, 8), (255, 255, 255))
    for column, colour in enumerate(("#C8E8CD", "#86CB92", "#23A436", "#F76902")):
        image.putpixel((2 + column, 3), ImageColor.getrgb(colour))
    image.putpixel((4, 4), ImageColor.getrgb("#6E9329"))  # green and orange, more of green
    found = read(image)
    assert found[3, 2:6].tolist() == [0, 1, 1, 2]
    assert found[4, 4] == 1
    assert np.count_nonzero(found) == 4


@pytest.mark.parametrize("background", [(255, 255, 255), (0, 0, 0, 0)], ids=["white", "transparent"])
def test_smoothed_shapes_are_read_as_they_were_drawn(background: tuple[int, ...]) -> None:
    size = Size(60, 80)
    mode = "RGB" if len(background) == 3 else "RGBA"
    large = Image.new(mode, (8 * size.width, 8 * size.height), background)
    draw = ImageDraw.Draw(large)
    draw.ellipse((80, 60, 330, 300), fill=GREEN)
    draw.line((350, 40, 600, 420), fill=(0xF7, 0x69, 0x02), width=12)
    smooth = large.resize((size.width, size.height), Image.Resampling.BOX)
    sharp = large.resize((size.width, size.height), Image.Resampling.NEAREST)
    found, wanted = (decode_mask(png(each), COLOURS, CLASSES, size, "k") for each in (smooth, sharp))
    assert len(smooth.getcolors(10_000) or []) > 20
    assert set(np.unique(found)) == {0, 1, 2}
    for index in (1, 2):
        both = np.count_nonzero((found == index) & (wanted == index))
        assert both / np.count_nonzero((found == index) | (wanted == index)) > 0.85


def test_three_colours_that_meet_are_what_there_is_most_of() -> None:
    """Two classes side by side, smoothed: where the background meets both, a pixel has a part of each."""
    size, times = Size(24, 30), 8
    large = Image.new("RGB", (size.width * times, size.height * times), "white")
    brush = ImageDraw.Draw(large)
    brush.rectangle((40, 37, 117, 150), CLASSES[0].colour)
    brush.rectangle((118, 37, 201, 150), CLASSES[1].colour)
    smooth = large.resize((size.width, size.height), Image.Resampling.BOX)
    found = decode_mask(png(smooth), COLOURS, CLASSES, size, "k")
    meeting = smooth.getpixel((14, 4))  # 3 of 8 rows of each class, 6 and 2 of 8 columns
    assert meeting not in {(255, 255, 255), *(ImageColor.getrgb(each.colour) for each in CLASSES)}
    assert found[4, 14] == 0
    assert found[5, 13:16].tolist() == [1, 1, 2]
    assert found[18, 13:16].tolist() == [1, 1, 2]  # 7 of 8 rows
    assert set(np.unique(found)) == {0, 1, 2}


def test_a_mixture_of_three_that_do_not_meet_there_is_a_colour_of_its_own() -> None:
    image = Image.new("RGB", (10, 8), "white")
    ImageDraw.Draw(image).rectangle((0, 0, 2, 7), CLASSES[0].colour)
    ImageDraw.Draw(image).rectangle((8, 0, 9, 7), CLASSES[1].colour)
    third = np.mean([ImageColor.getrgb(each) for each in ("#FFFFFF", *COLOURS)], axis=0).round().astype(int)
    image.putpixel((3, 4), tuple(third.tolist()))
    with pytest.raises(TrainingError, match="which is neither the background nor one of"):
        read(image)
    ImageDraw.Draw(image).rectangle((4, 0, 9, 7), CLASSES[1].colour)  # now it is beside all three
    assert read(image)[4, 3] in (0, 1, 2)


def test_a_patch_of_a_mixture_is_a_colour_of_its_own() -> None:
    image = Image.new("RGB", (10, 8), (255, 255, 255))
    ImageDraw.Draw(image).rectangle((2, 1, 7, 6), fill=(0x91, 0xD1, 0x9A))
    with pytest.raises(TrainingError, match=r"#91D19A.*nor a smoothed edge"):
        read(image)


def test_a_photograph_is_no_mask() -> None:
    size = Size(300, 300)
    noise = np.random.default_rng(1).integers(0, 256, (300, 300, 3)).astype(np.uint8)
    with pytest.raises(TrainingError, match="neither the background nor one of"):
        decode_mask(png(Image.fromarray(noise)), COLOURS, CLASSES, size, "k")


def test_another_size_and_another_format_are_refused() -> None:
    with pytest.raises(TrainingError, match="8x10 pixels and its image 10x8"):
        read(Image.new("RGB", (8, 10), (255, 255, 255)))
    out = io.BytesIO()
    Image.new("RGB", (10, 8), "white").save(out, "JPEG")
    with pytest.raises(TrainingError, match="not a whole PNG"):
        decode_mask(out.getvalue(), COLOURS, CLASSES, SIZE, "k")


def test_a_mask_of_more_pixels_than_pillow_opens_is_too_large() -> None:
    with pytest.raises(TrainingError, match="14000x14000 pixels; at most 4096 a side"):
        read(Image.new("L", (14_000, 14_000)))


def test_a_class_that_is_not_listed_is_refused() -> None:
    with pytest.raises(TrainingError, match="'rust'"):
        decode_mask(png(Image.new("RGB", (10, 8))), {"#000000": "rust"}, CLASSES, SIZE, "k")


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_encoded_masks_come_back_as_they_were(height: int, width: int, seed: int) -> None:
    classes = np.random.default_rng(seed).integers(0, 3, (height, width)).astype(np.uint8)
    image = Image.open(io.BytesIO(encode_mask(classes, ["#FFFFFF", "#23A436", "#F76902"])))
    assert (image.mode, image.size) == ("RGB", (width, height))
    palette = np.array([(255, 255, 255), GREEN, (0xF7, 0x69, 0x02)])
    assert (np.asarray(image) == palette[classes]).all()


@pytest.mark.parametrize("colour", ["#FFFFFF", "#102030"])
@pytest.mark.parametrize("shape", [(3, 5), (5, 3)])
def test_masks_of_nothing_are_of_the_size_and_the_colour_asked_for(shape: tuple[int, int], colour: str) -> None:
    image = Image.open(io.BytesIO(encode_mask(np.zeros(shape, np.uint8), [colour, "#23A436"])))
    assert image.size == (shape[1], shape[0])
    assert image.getcolors() == [(15, tuple(bytes.fromhex(colour[1:])))]
